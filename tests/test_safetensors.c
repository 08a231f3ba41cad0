/* SPDX-License-Identifier: MIT
 * One .safetensors file: malformed headers, files cut at every byte, and what a good one yields. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "checkpoint/safetensors.h"
#include "numbers.h"

enum { DATA_BYTES = 64, FILE_MAX = 4096 };

static char *folder, *path;

static int set_up(void **state)
{
    (void)state;
    folder = support_folder_create();
    path = support_path(folder, "model.safetensors");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    cna_free(path);
    support_folder_remove(folder);
    return 0;
}

/* Open these bytes as a file. Messages lose the folder. */
static cna_status open_bytes(const void *bytes, size_t n_bytes, cna_tensor_file *out, cna_error *err)
{
    support_write(path, bytes, n_bytes);
    cna_status status = cna_safetensors_open(path, out, err);
    if (status != CNA_OK) support_shorten(err, folder);
    return status;
}

/* Length, header, DATA_BYTES bytes 0, 1, 2, ... Returns the size of the whole. */
static size_t build(const char *header, size_t n_header, unsigned char out[FILE_MAX])
{
    assert_true(n_header + 8 + DATA_BYTES <= FILE_MAX);
    for (size_t i = 0; i < 8; i++) out[i] = (unsigned char)(n_header >> 8 * i);
    memcpy(out + 8, header, n_header);
    for (size_t i = 0; i < DATA_BYTES; i++) out[8 + n_header + i] = (unsigned char)i;
    return 8 + n_header + DATA_BYTES;
}

/* The header of a case lies in header.json; 64 bytes of data follow it. */
static cna_status open_case(const char *header_path, cna_error *err)
{
    unsigned char bytes[FILE_MAX];
    size_t n_header;
    cna_tensor_file file;
    char *header = support_read(header_path, &n_header);
    size_t n = build(header, n_header, bytes);
    cna_free(header);
    cna_status status = open_bytes(bytes, n, &file, err);
    if (status == CNA_OK) cna_tensor_file_close(&file);
    return status;
}

static void test_malformed(void **state)
{
    (void)state;
    support_replay_malformed("safetensors", "header.json", open_case);
}

static const char good[] = "{\"__metadata__\": {\"format\": \"pt\"}, "
                           "\"b\": {\"dtype\": \"BF16\", \"shape\": [2, 3], \"data_offsets\": [8, 20]}, "
                           "\"a\": {\"dtype\": \"F64\", \"shape\": [], \"data_offsets\": [0, 8]}, "
                           "\"none\": {\"dtype\": \"F32\", \"shape\": [0, 7], \"data_offsets\": [20, 20]}, "
                           "\"none too\": {\"dtype\": \"F32\", \"shape\": [1099511627776, 7, 0], "
                           "\"data_offsets\": [0, 0]}, "
                           "\"rest\": {\"dtype\": \"I8\", \"shape\": [1, 1, 44, 1, 1, 1, 1, 1], "
                           "\"data_offsets\": [20, 64]}}   ";

static const cna_tensor *find(const cna_tensor_file *file, const char *name)
{
    for (size_t i = 0; i < file->n_tensors; i++) {
        if (strcmp(file->tensors[i].name, name) == 0) return &file->tensors[i];
    }
    fail_msg("tensor '%s' is not there", name);
    return NULL;
}

static void test_good_file(void **state)
{
    (void)state;
    unsigned char bytes[FILE_MAX];
    cna_error err;
    cna_tensor_file file;
    size_t n = build(good, strlen(good), bytes);
    assert_ok(open_bytes(bytes, n, &file, &err));
    assert_int_equal(file.n_tensors, 5);
    const cna_tensor *b = find(&file, "b");
    assert_string_equal(b->dtype, "BF16");
    assert_true(b->rank == 2 && b->shape[0] == 2 && b->shape[1] == 3 && b->n_bytes == 12);
    assert_true(b->data[0] == 8 && b->data[11] == 19);
    assert_string_equal(b->path, path);
    assert_true(find(&file, "a")->rank == 0 && find(&file, "a")->data[7] == 7);
    assert_int_equal(find(&file, "none")->n_bytes, 0);
    assert_true(find(&file, "none too")->n_bytes == 0 && find(&file, "none too")->shape[0] == 1099511627776);
    assert_true(find(&file, "rest")->rank == 8 && find(&file, "rest")->data[43] == 63);
    cna_tensor_file_close(&file);
    cna_tensor_file_close(&file); /* closing twice is allowed: nothing is left to free */
    assert_ok(open_bytes("\2\0\0\0\0\0\0\0{}", 10, &file, &err));
    assert_int_equal(file.n_tensors, 0);
    cna_tensor_file_close(&file);
}

/* No shorter file is accepted, and each is refused with a message that names it. */
static void test_truncated_anywhere(void **state)
{
    (void)state;
    unsigned char bytes[FILE_MAX];
    size_t n = build(good, strlen(good), bytes);
    for (size_t cut = 0; cut < n; cut++) {
        cna_error err = {0};
        cna_tensor_file file;
        assert_int_equal(open_bytes(bytes, cut, &file, &err), CNA_ERR_FORMAT);
        assert_memory_equal(err.text, "model.safetensors: ", strlen("model.safetensors: "));
        assert_null(file.tensors);
        if (cut == 7) assert_string_equal(err.text, "model.safetensors: expected a safetensors header, found 7 bytes");
        if (cut == n - 1)
            assert_string_equal(err.text, "model.safetensors: tensor 'rest': expected data up to byte 64, "
                                          "found a file with 63; is it complete?");
    }
}

static void test_header_lengths(void **state)
{
    (void)state;
    static const struct {
        uint64_t length;
        const char *error;
    } cases[] = {
        {11, "model.safetensors: expected a header of at most 10 bytes, found a length of 11; "
             "is it a complete safetensors file?"},
        {100000001, "model.safetensors: expected a header of at most 10 bytes, found a length of 100000001; "
                    "is it a complete safetensors file?"},
        {UINT64_MAX, "model.safetensors: expected a header of at most 10 bytes, found a length of "
                     "18446744073709551615; is it a complete safetensors file?"},
        {UINT64_MAX - 7, "model.safetensors: expected a header of at most 10 bytes, found a length of "
                         "18446744073709551608; is it a complete safetensors file?"},
        {1, "model.safetensors: line 1, column 1: expected JSON, found an error: "
            "string or '}' expected near end of file"},
        {0, "model.safetensors: line 1, column 0: expected JSON, found an error: unexpected token near end of file"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char bytes[18] = {0};
        cna_error err = {0};
        cna_tensor_file file;
        for (size_t j = 0; j < 8; j++) bytes[j] = (unsigned char)(cases[i].length >> 8 * j);
        memcpy(bytes + 8, "{}        ", 10);
        assert_int_equal(open_bytes(bytes, sizeof bytes, &file, &err), CNA_ERR_FORMAT);
        assert_string_equal(err.text, cases[i].error);
    }
}

static void test_missing(void **state)
{
    (void)state;
    cna_error err;
    cna_tensor_file file;
    assert_int_equal(cna_safetensors_open("tests/no-such.safetensors", &file, &err), CNA_ERR_IO);
    assert_non_null(strstr(err.text, "tests/no-such.safetensors"));
    assert_int_equal(cna_safetensors_open(folder, &file, &err), CNA_ERR_IO);
}

/* A good file with a few bytes changed: whatever is accepted lies inside the file. */
static void test_random_changes(void **state)
{
    (void)state;
    static const char alphabet[] = "\"[]{},:0123456789-eE.tfn \\u";
    numbers random = {1};
    unsigned char bytes[FILE_MAX], changed[FILE_MAX];
    size_t n = build(good, strlen(good), bytes), n_accepted = 0;
    for (int round = 0; round < 3000; round++) {
        cna_error err;
        cna_tensor_file file;
        memcpy(changed, bytes, n);
        for (size_t i = 0; i < 1 + numbers_below(&random, 3); i++) {
            changed[8 + numbers_below(&random, strlen(good))] =
                (unsigned char)alphabet[numbers_below(&random, sizeof alphabet - 1)];
        }
        if (open_bytes(changed, n, &file, &err) != CNA_OK) continue;
        n_accepted++;
        for (size_t i = 0; i < file.n_tensors; i++) {
            const cna_tensor *tensor = &file.tensors[i];
            assert_true(tensor->rank <= CNA_TENSOR_RANK_MAX);
            assert_true(tensor->data >= file.map.data + 8 && tensor->n_bytes <= file.map.size);
            assert_true(tensor->data + tensor->n_bytes <= file.map.data + file.map.size);
        }
        cna_tensor_file_close(&file);
    }
    assert_true(n_accepted > 50 && n_accepted < 2950);
}

static cna_status open_again(void *user, cna_error *err)
{
    cna_tensor_file file;
    CNA_TRY(cna_safetensors_open(user, &file, err));
    cna_tensor_file_close(&file);
    return CNA_OK;
}

static void test_memory_failures(void **state)
{
    (void)state;
    unsigned char bytes[FILE_MAX];
    size_t n = build(good, strlen(good), bytes);
    support_write(path, (const char *)bytes, n);
    support_fail_allocations(open_again, path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_malformed),         cmocka_unit_test(test_good_file),
        cmocka_unit_test(test_truncated_anywhere), cmocka_unit_test(test_header_lengths),
        cmocka_unit_test(test_missing),           cmocka_unit_test(test_random_changes),
        cmocka_unit_test(test_memory_failures),
    };
    return cmocka_run_group_tests_name("safetensors", tests, set_up, tear_down);
}

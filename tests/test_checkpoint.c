/* SPDX-License-Identifier: MIT
 * Model folders: one file and many, indexes that do not fit, tensors that are missing, misshapen, left over or
 * quantised. */
#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "engine/weights.h"
#include "model_fixture.h"

/* The checkpoint and the check of its tensors, as cna_model_open has them. Messages lose the folder. */
static cna_status open_and_check(const char *folder, cna_error *err)
{
    cna_checkpoint checkpoint;
    cna_storage storage;
    cna_status status = cna_checkpoint_open(folder, &checkpoint, err);
    if (status == CNA_OK) {
        status = cna_weights_check(&checkpoint, &storage, err);
        cna_checkpoint_close(&checkpoint);
    }
    if (status != CNA_OK) support_shorten(err, folder);
    return status;
}

static void assert_refused(const char *folder, cna_status expected_status, const char *expected)
{
    cna_error err = {0};
    cna_status status = open_and_check(folder, &err);
    if (status == CNA_OK) fail_msg("accepted; expected: %s", expected);
    assert_string_equal(err.text, expected);
    assert_int_equal(status, expected_status);
}

static void write_text(const char *folder, const char *name, const char *text)
{
    char *path = support_path(folder, name);
    support_write(path, text, strlen(text));
    cna_free(path);
}

/* ---- one file ---- */

/* A fixture with one tensor left out and another one added (? NULL). */
typedef struct tensor_case {
    size_t fixture;
    const char *leave_out, *name, *dtype, *shape;
    size_t n_bytes;
    cna_status status;
    const char *error;
} tensor_case;

static void test_tensors(void **state)
{
    (void)state;
    static const tensor_case cases[] = {
        {2, "model.layers.1.mlp.up_proj.weight", NULL, NULL, NULL, 0, CNA_ERR_MISMATCH,
         ": tensor 'model.layers.1.mlp.up_proj.weight': expected [130,64], found none; "
         "is config.json from this model?"},
        {2, "model.embed_tokens.weight", NULL, NULL, NULL, 0, CNA_ERR_MISMATCH,
         ": tensor 'model.embed_tokens.weight': expected [288,64], found none; is config.json from this model?"},
        {2, "model.norm.weight", NULL, NULL, NULL, 0, CNA_ERR_MISMATCH,
         ": tensor 'model.norm.weight': expected [64], found none; is config.json from this model?"},
        {0, "lm_head.weight", NULL, NULL, NULL, 0, CNA_ERR_MISMATCH,
         ": tensor 'lm_head.weight': expected [301,75], found none; is config.json from this model?"},
        {3, "model.layers.0.self_attn.k_proj.bias", NULL, NULL, NULL, 0, CNA_ERR_MISMATCH,
         ": tensor 'model.layers.0.self_attn.k_proj.bias': expected [72], found none; is config.json from this model?"},
        {2, "model.layers.0.mlp.down_proj.weight", "model.layers.0.mlp.down_proj.weight", "F16", "[130,64]", 16640,
         CNA_ERR_MISMATCH,
         "model.safetensors: tensor 'model.layers.0.mlp.down_proj.weight': expected [64,130], found [130,64]; "
         "is config.json from this model?"},
        {2, "model.norm.weight", "model.norm.weight", "F32", "[64,1]", 256, CNA_ERR_MISMATCH,
         "model.safetensors: tensor 'model.norm.weight': expected [64], found [64,1]; is config.json from this model?"},
        {2, "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.q_proj.weight", "F16", "[]", 2,
         CNA_ERR_MISMATCH,
         "model.safetensors: tensor 'model.layers.0.self_attn.q_proj.weight': expected [72,64], found []; "
         "is config.json from this model?"},
        {2, "model.layers.0.self_attn.q_proj.weight", "model.layers.0.self_attn.q_proj.weight", "I8", "[72,64]", 4608,
         CNA_ERR_UNSUPPORTED,
         "model.safetensors: tensor 'model.layers.0.self_attn.q_proj.weight': expected dtype BF16, F16 or F32, "
         "found I8; quantised re-saves are not supported, use the original checkpoint"},
        {2, NULL, "model.layers.0.self_attn.q_proj.SCB", "F32", "[72]", 288, CNA_ERR_UNSUPPORTED,
         "model.safetensors: tensor 'model.layers.0.self_attn.q_proj.SCB': expected only tensors of a llama with "
         "2 layers, found this one; quantised re-saves and other variants are not supported"},
        {2, NULL, "model.layers.2.mlp.up_proj.weight", "F16", "[130,64]", 16640, CNA_ERR_UNSUPPORTED,
         "model.safetensors: tensor 'model.layers.2.mlp.up_proj.weight': expected only tensors of a llama with "
         "2 layers, found this one; quantised re-saves and other variants are not supported"},
        {2, NULL, "model.layers.4294967296.mlp.up_proj.weight", "F16", "[130,64]", 16640, CNA_ERR_UNSUPPORTED,
         "model.safetensors: tensor 'model.layers.4294967296.mlp.up_proj.weight': expected only tensors of a llama "
         "with 2 layers, found this one; quantised re-saves and other variants are not supported"},
        {2, NULL, "model.layers.01.mlp.up_proj.weight", "F16", "[130,64]", 16640, CNA_ERR_UNSUPPORTED,
         "model.safetensors: tensor 'model.layers.01.mlp.up_proj.weight': expected only tensors of a llama with "
         "2 layers, found this one; quantised re-saves and other variants are not supported"},
        {2, NULL, "model.layers.0.self_attn.q_proj.bias", "F16", "[72]", 144, CNA_ERR_UNSUPPORTED,
         "model.safetensors: tensor 'model.layers.0.self_attn.q_proj.bias': expected only tensors of a llama with "
         "2 layers, found this one; quantised re-saves and other variants are not supported"},
    };
    static const char zeros[16640];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const tensor_case *c = &cases[i];
        tensor_file files[2] = {{{0}, {0}}, {{0}, {0}}};
        char *folder = support_folder_create();
        model_fixture_write_config(&model_fixtures[c->fixture], folder);
        model_fixture_add_tensors(&model_fixtures[c->fixture], c->leave_out, files, NULL);
        if (c->name != NULL) tensor_file_add(&files[0], c->name, c->dtype, c->shape, zeros, c->n_bytes);
        tensor_file_write(&files[0], folder, "model.safetensors");
        assert_refused(folder, c->status, c->error);
        support_folder_remove(folder);
    }
}

static void test_good_folders(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_MODEL_FIXTURES; i++) {
        const model_fixture *f = &model_fixtures[i];
        cna_error err;
        cna_checkpoint checkpoint;
        cna_storage storage;
        char *folder = model_fixture_create(f);
        char *slashed = support_path(folder, "");
        assert_ok(cna_checkpoint_open(slashed, &checkpoint, &err));
        assert_ok(cna_weights_check(&checkpoint, &storage, &err));
        assert_int_equal(storage, f->storage);
        assert_string_equal(checkpoint.name, strrchr(folder, '/') + 1);
        assert_int_equal(checkpoint.n_files, f->sharded ? 2 : 1);
        for (size_t j = 0; j < checkpoint.n_tensors; j++) {
            const cna_tensor *tensor = checkpoint.tensors[j];
            assert_ptr_equal(cna_checkpoint_find(&checkpoint, tensor->name), tensor);
            if (j > 0) assert_true(strcmp(checkpoint.tensors[j - 1]->name, tensor->name) < 0);
        }
        assert_null(cna_checkpoint_find(&checkpoint, ""));
        assert_null(cna_checkpoint_find(&checkpoint, "zzz"));
        cna_checkpoint_close(&checkpoint);
        cna_free(slashed);
        support_folder_remove(folder);
    }
}

/* Old files carry each layer's inverse frequencies; they are recomputed and may stay. */
static void test_harmless_left_over(void **state)
{
    (void)state;
    cna_error err = {0};
    tensor_file files[2] = {{{0}, {0}}, {{0}, {0}}};
    char *folder = support_folder_create();
    model_fixture_write_config(&model_fixtures[2], folder);
    model_fixture_add_tensors(&model_fixtures[2], NULL, files, NULL);
    tensor_file_add(&files[0], "model.layers.1.self_attn.rotary_emb.inv_freq", "F32", "[1]", "\0\0\0\0", 4);
    tensor_file_write(&files[0], folder, "model.safetensors");
    assert_ok(open_and_check(folder, &err));
    support_folder_remove(folder);
}

/* ---- many files ---- */

static void test_indexes(void **state)
{
    (void)state;
    static const struct {
        const char *index;
        cna_status status;
        const char *error;
    } cases[] = {
        {"{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"three.safetensors\"}}", CNA_ERR_IO, NULL},
        {"{\"weight_map\": {\"a\": \"one.safetensors\", \"b\": \"one.safetensors\"}}", CNA_ERR_MISMATCH,
         "model.safetensors.index.json: tensor 'b': expected in one.safetensors, found nowhere"},
        {"{\"weight_map\": {\"a\": \"two.safetensors\", \"b\": \"one.safetensors\"}}", CNA_ERR_MISMATCH,
         "model.safetensors.index.json: tensor 'a': expected in two.safetensors, found in one.safetensors"},
        {"{\"weight_map\": {\"a\": \"../one.safetensors\"}}", CNA_ERR_FORMAT,
         "model.safetensors.index.json: tensor 'a': expected the name of a file in the same folder, "
         "found ../one.safetensors"},
        {"{\"weight_map\": {\"a\": \"/etc/passwd\"}}", CNA_ERR_FORMAT,
         "model.safetensors.index.json: tensor 'a': expected the name of a file in the same folder, found /etc/passwd"},
        {"{\"weight_map\": {\"a\": \"..\"}}", CNA_ERR_FORMAT,
         "model.safetensors.index.json: tensor 'a': expected the name of a file in the same folder, found .."},
        {"{\"weight_map\": {\"a\": \"\"}}", CNA_ERR_FORMAT,
         "model.safetensors.index.json: tensor 'a': expected the name of a file in the same folder, found "},
        {"{\"weight_map\": {\"a\": 3}}", CNA_ERR_FORMAT,
         "model.safetensors.index.json: tensor 'a': expected the name of a file in the same folder, found a number"},
        {"{\"weight_map\": {}}", CNA_ERR_FORMAT,
         "model.safetensors.index.json: key 'weight_map': expected 1 to 4096 files, found 0"},
        {"{\"weight_map\": []}", CNA_ERR_FORMAT,
         "model.safetensors.index.json: key 'weight_map': expected an object, found an array"},
        {"[]", CNA_ERR_FORMAT, "model.safetensors.index.json: key 'weight_map': expected an object, found nothing"},
        {"{\"metadata\": {}}", CNA_ERR_FORMAT,
         "model.safetensors.index.json: key 'weight_map': expected an object, found nothing"},
        {"{\"weight_map\": {\"a\": \"one.safetensors\", \"c\": \"both.safetensors\"}}", CNA_ERR_MISMATCH,
         "one.safetensors: tensor 'a': expected once, found in both.safetensors as well"},
        {"{\"weight_map\": {\"a\": \"one.safetensors\"}", CNA_ERR_FORMAT,
         "model.safetensors.index.json: line 1, column 39: expected JSON, found an error: "
         "'}' expected near end of file"},
    };
    char *folder = support_folder_create();
    model_fixture_write_config(&model_fixtures[0], folder);
    assert_refused(folder, CNA_ERR_IO, ": expected model.safetensors or model.safetensors.index.json, found neither");
    tensor_file file = {{0}, {0}};
    tensor_file_add(&file, "a", "F32", "[1]", "\0\0\0\0", 4);
    tensor_file_write(&file, folder, "one.safetensors");
    tensor_file_add(&file, "b", "F32", "[1]", "\0\0\0\0", 4);
    tensor_file_write(&file, folder, "two.safetensors");
    tensor_file_add(&file, "a", "F32", "[1]", "\0\0\0\0", 4);
    tensor_file_add(&file, "c", "F32", "[1]", "\0\0\0\0", 4);
    tensor_file_write(&file, folder, "both.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cna_error err = {0};
        write_text(folder, "model.safetensors.index.json", cases[i].index);
        assert_int_equal(open_and_check(folder, &err), cases[i].status);
        if (cases[i].error != NULL) assert_string_equal(err.text, cases[i].error);
        else assert_memory_equal(err.text, "three.safetensors: ", strlen("three.safetensors: "));
    }
    support_folder_remove(folder);
    assert_refused("tests/no-such-folder", CNA_ERR_IO, ": expected a model folder, found nothing");
}

/* The tensor names of a published 8-bit re-save, over tiny files: the first that no Llama has is named. */
static void test_quantised_names(void **state)
{
    (void)state;
    char *path = support_testdata("configs/Llama-3.1-8B-Instruct.8bit-finetune.model.safetensors.index.json");
    json_t *root = json_load_file(path, 0, NULL), *file;
    cna_free(path);
    assert_non_null(root);
    char *folder = support_folder_create();
    write_text(folder, "config.json", "{\"model_type\": \"llama\", \"num_hidden_layers\": 32, \"hidden_size\": 4096, "
                                      "\"intermediate_size\": 14336, \"num_attention_heads\": 32, "
                                      "\"num_key_value_heads\": 8, \"vocab_size\": 128256}");
    tensor_file out = {{0}, {0}};
    const char *name;
    json_object_foreach(json_object_get(root, "weight_map"), name, file)
        tensor_file_add(&out, name, "I8", "[1]", "", 1);
    tensor_file_write(&out, folder, "model.safetensors");
    json_decref(root);
    assert_refused(folder, CNA_ERR_UNSUPPORTED,
                   "model.safetensors: tensor 'model.layers.0.mlp.down_proj.SCB': expected only tensors of a llama "
                   "with 32 layers, found this one; quantised re-saves and other variants are not supported");
    support_folder_remove(folder);
}

/* Equal files give equal fingerprints; a changed bit at a tensor's edge and a changed shape give others. */
static void test_fingerprint(void **state)
{
    (void)state;
    char prints[4][65];
    for (size_t i = 0; i < 4; i++) {
        cna_error err;
        cna_checkpoint checkpoint;
        model_fixture fixture = model_fixtures[3];
        if (i == 2) fixture.head_dim = 12;
        char *folder = model_fixture_create(&fixture);
        if (i == 3) {
            size_t n_bytes;
            char *path = support_path(folder, "model.safetensors"), *bytes = support_read(path, &n_bytes);
            bytes[n_bytes - 1] ^= 1;
            support_write(path, bytes, n_bytes);
            cna_free(bytes);
            cna_free(path);
        }
        assert_ok(cna_checkpoint_open(folder, &checkpoint, &err));
        assert_ok(cna_checkpoint_fingerprint(&checkpoint, prints[i], &err));
        cna_checkpoint_close(&checkpoint);
        support_folder_remove(folder);
    }
    assert_string_equal(prints[0], prints[1]);
    assert_string_not_equal(prints[0], prints[2]);
    assert_string_not_equal(prints[0], prints[3]);
}

static cna_status open_again(void *user, cna_error *err)
{
    return open_and_check(user, err);
}

static void test_memory_failures(void **state)
{
    (void)state;
    char *folder = model_fixture_create(&model_fixtures[1]);
    support_fail_allocations(open_again, folder);
    support_folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tensors),            cmocka_unit_test(test_good_folders),
        cmocka_unit_test(test_harmless_left_over), cmocka_unit_test(test_indexes),
        cmocka_unit_test(test_quantised_names),    cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_memory_failures),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * .gguf files from a text. */
#define _POSIX_C_SOURCE 200809L /* strtok_r */
#include "gguf_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "numbers.h"
#include "support.h"
#include "tensor/quant.h"

enum { LINES_MAX = 96, WORDS_MAX = 320 };

static const char model[] = "kv string general.architecture llama\n"
                           "kv u32 llama.block_count 1\n"
                           "kv u32 llama.embedding_length 32\n"
                           "kv u32 llama.feed_forward_length 64\n"
                           "kv u32 llama.context_length 128\n"
                           "kv u32 llama.attention.head_count 4\n"
                           "kv u32 llama.attention.head_count_kv 2\n"
                           "kv f32 llama.attention.layer_norm_rms_epsilon 0.00001\n"
                           "kv f32 llama.rope.freq_base 10000\n"
                           "kv string tokenizer.ggml.model gpt2\n"
                           "kv string tokenizer.ggml.pre llama-bpe\n"
                           "kv strings tokenizer.ggml.tokens a b c ab abc <bos> <|eot_id|>\n"
                           "kv i32s tokenizer.ggml.token_type 1 1 1 1 1 3 3\n"
                           "kv strings tokenizer.ggml.merges a\\sb ab\\sc\n"
                           "kv u32 tokenizer.ggml.bos_token_id 5\n"
                           "kv u32 tokenizer.ggml.eos_token_id 6\n"
                           "tensor token_embd.weight F32 32 7\n"
                           "tensor output_norm.weight F32 32\n"
                           "tensor blk.0.attn_norm.weight F32 32\n"
                           "tensor blk.0.ffn_norm.weight F32 32\n"
                           "tensor blk.0.attn_q.weight Q8_0 32 32\n"
                           "tensor blk.0.attn_k.weight Q8_0 32 16\n"
                           "tensor blk.0.attn_v.weight F16 32 16\n"
                           "tensor blk.0.attn_output.weight Q4_0 32 32\n"
                           "tensor blk.0.ffn_gate.weight Q8_0 32 64\n"
                           "tensor blk.0.ffn_up.weight Q8_0 32 64\n"
                           "tensor blk.0.ffn_down.weight Q8_0 64 32\n";

static const char *const value_types[] = {"u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array",
                                          "u64", "i64", "f64"};
static const unsigned value_bytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

typedef struct line {
    char *words[WORDS_MAX];
    size_t n;
    bool gone;
} line;

typedef struct file {
    char *text;
    line lines[LINES_MAX];
    size_t n;
} file;

static void put(cna_buffer *out, const void *bytes, size_t n)
{
    cna_error err;
    assert_ok(cna_buffer_add(out, bytes, n, &err));
}

static void put_number(cna_buffer *out, uint64_t value, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned char byte = (unsigned char)(value >> 8 * i);
        put(out, &byte, 1);
    }
}

static void put_hex(cna_buffer *out, const char *hex)
{
    for (; hex[0] != '\0' && hex[1] != '\0'; hex += 2) {
        char digits[3] = {hex[0], hex[1], '\0'};
        put_number(out, strtoul(digits, NULL, 16), 1);
    }
}

/* A string with its length before it. */
static void put_string(cna_buffer *out, const char *word)
{
    cna_buffer text = {0};
    for (; *word != '\0'; word++) {
        if (*word != '\\') {
            put(&text, word, 1);
            continue;
        }
        word++;
        if (*word == 's') put(&text, " ", 1);
        if (*word == '0') put(&text, "", 1);
        if (*word != 'x') continue;
        char digits[3] = {word[1], word[2], '\0'};
        put_number(&text, strtoul(digits, NULL, 16), 1);
        word += 2;
    }
    put_number(out, text.size, 8);
    if (text.size != 0) put(out, text.data, text.size);
    cna_buffer_free(&text);
}

static void put_scalar(cna_buffer *out, size_t type, const char *word)
{
    double real = strtod(word, NULL);
    float single = (float)real;
    if (type == 6) put(out, &single, 4);
    else if (type == 12) put(out, &real, 8);
    else if (type == 8) put_string(out, word);
    else
        put_number(out, word[0] == '-' ? (uint64_t)strtoll(word, NULL, 10) : strtoull(word, NULL, 10),
                   value_bytes[type]);
}

static size_t find_word(const char *const *list, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i], word) == 0) return i;
    }
    return n;
}

static void put_entry(cna_buffer *out, const line *entry)
{
    enum { N_TYPES = sizeof value_types / sizeof *value_types };
    static const char *const arrays[] = {"strings", "i32s", "bools", "f32s"};
    static const size_t elements[] = {8, 5, 7, 6};
    const char *type = entry->words[1];
    put_string(out, entry->words[2]);
    if (strcmp(type, "raw") == 0) {
        put_number(out, strtoul(entry->words[3], NULL, 10), 4);
        if (entry->n > 4) put_hex(out, entry->words[4]);
        return;
    }
    size_t scalar = find_word(value_types, N_TYPES, type), array = find_word(arrays, 4, type);
    assert_true(scalar < N_TYPES || array < 4);
    put_number(out, scalar < N_TYPES ? scalar : 9, 4);
    if (scalar == N_TYPES) {
        put_number(out, elements[array], 4);
        put_number(out, entry->n - 3, 8);
    }
    for (size_t i = 3; i < entry->n; i++) put_scalar(out, scalar < N_TYPES ? scalar : elements[array], entry->words[i]);
}

/* ggml's number of a type. */
static uint64_t tensor_type(const char *word)
{
    static const char *const names[] = {"F32", "F16", "Q4_0", "Q4_1", "4", "5", "Q5_0", "Q5_1", "Q8_0", "Q8_1", "Q2_K",
                                        "Q3_K", "Q4_K", "Q5_K", "Q6_K"};
    size_t i = find_word(names, sizeof names / sizeof *names, word);
    if (strcmp(word, "BF16") == 0) return 30;
    return i < sizeof names / sizeof *names ? i : strtoull(word, NULL, 10);
}

/* Bytes of a tensor whose lines are sound; 0 for others. */
static uint64_t tensor_bytes(const line *tensor)
{
    cna_storage storage;
    uint64_t n = 1;
    if (!cna_storage_find(tensor->words[2], &storage)) return 0;
    for (size_t i = 3; i < tensor->n && tensor->words[i][0] != '@'; i++) n *= strtoull(tensor->words[i], NULL, 10);
    return n < 1 << 20 ? cna_storage_bytes(storage, n) : 0;
}

static void put_tensor(cna_buffer *out, const line *tensor, uint64_t *offset)
{
    const char *last = tensor->words[tensor->n - 1];
    size_t n_dimensions = tensor->n - 3 - (last[0] == '@');
    put_string(out, tensor->words[1]);
    put_number(out, n_dimensions, 4);
    for (size_t i = 0; i < n_dimensions; i++) put_number(out, strtoull(tensor->words[3 + i], NULL, 10), 8);
    put_number(out, tensor_type(tensor->words[2]), 4);
    put_number(out, last[0] == '@' ? strtoull(last + 1, NULL, 10) : *offset, 8);
    *offset += (tensor_bytes(tensor) + 31) / 32 * 32;
}

/* Numbers of moderate size in any type: small bytes in blocks, bf16 values in f32 and f16's range. */
static void put_data(cna_buffer *out, uint64_t n_bytes)
{
    numbers random = {n_bytes};
    for (uint64_t i = 0; i < n_bytes; i++)
        put_number(out, i % 4 == 3 ? 0x3d : i % 2 == 1 ? 0x2a : numbers_next(&random), 1);
}

static bool is_command(const line *l, const char *command)
{
    return !l->gone && strcmp(l->words[0], command) == 0;
}

/* Forget what a line replaces or drops. */
static void replace(file *f, const char *key)
{
    for (size_t i = 0; i < f->n; i++) {
        line *l = &f->lines[i];
        bool same = (is_command(l, "kv") && strcmp(l->words[2], key) == 0) ||
                    (is_command(l, "tensor") && strcmp(l->words[1], key) == 0);
        if (same) l->gone = true;
    }
}

static void read_lines(file *f, const char *base, const char *text)
{
    cna_error err;
    cna_buffer all = {0};
    assert_ok(cna_buffer_add_text(&all, base, &err));
    assert_ok(cna_buffer_add_text(&all, text, &err));
    assert_ok(cna_buffer_take(&all, &f->text, NULL, &err));
    char *rest, *words;
    for (char *at = strtok_r(f->text, "\n", &rest); at != NULL; at = strtok_r(NULL, "\n", &rest)) {
        line l = {.n = 0};
        for (char *word = strtok_r(at, " ", &words); word != NULL; word = strtok_r(NULL, " ", &words)) {
            assert_true(l.n < WORDS_MAX);
            l.words[l.n++] = word;
        }
        assert_true(f->n < LINES_MAX && l.n > 1);
        if (strcmp(l.words[0], "kv") == 0) replace(f, l.words[2]);
        if (strcmp(l.words[0], "tensor") == 0 || strcmp(l.words[0], "drop") == 0) replace(f, l.words[1]);
        f->lines[f->n++] = l;
    }
}

static size_t count(const file *f, const char *a, const char *b)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n; i++) n += is_command(&f->lines[i], a) || is_command(&f->lines[i], b);
    return n;
}

/* What a line changes of the bytes. */
static void spoil(const line *l, cna_buffer *out)
{
    cna_buffer patch = {0};
    if (is_command(l, "bytes")) {
        cna_buffer_reset(out);
        if (strcmp(l->words[1], "\\e") != 0) put_hex(out, l->words[1]);
    } else if (is_command(l, "cut")) {
        out->size -= strtoull(l->words[1], NULL, 10);
    } else if (is_command(l, "head")) {
        put_hex(&patch, l->words[2]);
        memcpy(out->data + strtoull(l->words[1], NULL, 10), patch.data, patch.size);
    } else if (is_command(l, "tail")) {
        put_hex(&patch, l->words[2]);
        memcpy(out->data + out->size - strtoull(l->words[1], NULL, 10), patch.data, patch.size);
    }
    cna_buffer_free(&patch);
}

static void build(const char *base, const char *text, cna_buffer *out)
{
    static file f; /* too large for the stack */
    f.n = 0;
    uint64_t offset = 0;
    read_lines(&f, base, text);
    put(out, "GGUF", 4);
    put_number(out, 3, 4);
    put_number(out, count(&f, "tensor", "again"), 8);
    put_number(out, count(&f, "kv", "more"), 8);
    for (size_t i = 0; i < f.n; i++) {
        if (is_command(&f.lines[i], "kv") || is_command(&f.lines[i], "more")) put_entry(out, &f.lines[i]);
    }
    for (size_t i = 0; i < f.n; i++) {
        if (is_command(&f.lines[i], "tensor") || is_command(&f.lines[i], "again"))
            put_tensor(out, &f.lines[i], &offset);
    }
    for (size_t i = 0; i < f.n; i++) {
        if (!is_command(&f.lines[i], "tensor") && !is_command(&f.lines[i], "again")) continue;
        uint64_t n_bytes = tensor_bytes(&f.lines[i]);
        while (n_bytes != 0 && out->size % 32 != 0) put_number(out, 0, 1);
        put_data(out, n_bytes);
    }
    for (size_t i = 0; i < f.n; i++) spoil(&f.lines[i], out);
    cna_free(f.text);
}

void gguf_fixture_build(const char *text, cna_buffer *out)
{
    build(model, text, out);
}

void gguf_fixture_write_from(const char *base, const char *text, const char *path)
{
    cna_buffer bytes = {0};
    build(base, text, &bytes);
    support_write(path, bytes.data == NULL ? "" : bytes.data, bytes.size);
    cna_buffer_free(&bytes);
}

void gguf_fixture_write(const char *text, const char *path)
{
    gguf_fixture_write_from(model, text, path);
}

/* SPDX-License-Identifier: MIT
 * What tests/oracle/test_spm.py asks the library, since no command takes these arrays:
 *   spm VOCAB TEXTS BOS PREFIX    one line a text: its ids, a tab, what they decode to as hexadecimal bytes
 * VOCAB: for each token its score, type and length in bytes as text, a space, the bytes, a newline. TEXTS: for each its
 * length, a space, the bytes, a newline. BOS and PREFIX are 0 or 1: whether a BOS (token 1) and a space go in front. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "text/tokenizer.h"
#include "text/tokenizer_spm.h"

enum { TOKENS_MAX = 1 << 20 };

static cna_error err;

static void check(cna_status status)
{
    if (status == CNA_OK) return;
    fprintf(stderr, "spm: %s\n", err.text);
    exit(1);
}

/* Length, space, bytes, newline; false at the end of the file. The bytes are new. */
static bool read_text(FILE *file, char **text, size_t *n_bytes)
{
    if (fscanf(file, "%zu", n_bytes) != 1) return false;
    (void)getc(file);
    check(cna_alloc(text, *n_bytes + 1, 1, "text", &err));
    return fread(*text, 1, *n_bytes, file) == *n_bytes && getc(file) == '\n';
}

static FILE *open_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file != NULL) return file;
    fprintf(stderr, "spm: %s cannot be opened\n", path);
    exit(1);
}

static cna_tokenizer *read_vocab(const char *path, bool bos, bool prefix)
{
    static char *texts[TOKENS_MAX];
    static size_t n_bytes[TOKENS_MAX];
    static float scores[TOKENS_MAX];
    static int32_t types[TOKENS_MAX];
    FILE *file = open_file(path);
    size_t n = 0;
    while (n < TOKENS_MAX && fscanf(file, "%f %" SCNd32, &scores[n], &types[n]) == 2 &&
           read_text(file, &texts[n], &n_bytes[n])) {
        n++;
    }
    fclose(file);
    const cna_spm_vocab spm = {.source = path,
                               .texts = (const char *const *)texts,
                               .n_bytes = n_bytes,
                               .scores = scores,
                               .types = types,
                               .n = n,
                               .no_space_prefix = !prefix,
                               .add_bos = bos,
                               .bos = 1};
    cna_tokenizer *tokenizer;
    check(cna_alloc(&tokenizer, 1, sizeof *tokenizer, "tokenizer", &err));
    check(cna_tokenizer_load_spm(tokenizer, &spm, &err));
    for (size_t i = 0; i < n; i++) cna_free(texts[i]);
    return tokenizer;
}

/* Ids, a tab, and what they decode to as hexadecimal bytes. */
static void print(const cna_tokenizer *tokenizer, const char *text, size_t n_bytes)
{
    int32_t *ids;
    size_t n;
    char *decoded;
    size_t n_decoded;
    check(cna_tokenizer_encode(tokenizer, text, n_bytes, true, &ids, &n, &err));
    for (size_t i = 0; i < n; i++) printf("%s%" PRId32, i == 0 ? "" : " ", ids[i]);
    check(cna_tokenizer_decode(tokenizer, ids, n, true, &decoded, &n_decoded, &err));
    putchar('\t');
    for (size_t i = 0; i < n_decoded; i++) printf("%02x", (unsigned)(unsigned char)decoded[i]);
    putchar('\n');
    cna_free(decoded);
    cna_free(ids);
}

int main(int argc, char **argv)
{
    if (argc != 5) return 2;
    cna_tokenizer *tokenizer = read_vocab(argv[1], argv[3][0] == '1', argv[4][0] == '1');
    FILE *file = open_file(argv[2]);
    char *text;
    size_t n_bytes;
    while (read_text(file, &text, &n_bytes)) {
        print(tokenizer, text, n_bytes);
        cna_free(text);
    }
    fclose(file);
    cna_tokenizer_free(tokenizer);
    return 0;
}

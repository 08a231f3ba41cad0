/* SPDX-License-Identifier: MIT
 * A small tokenizer.json for tests. */
#include "tokenizer_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "support.h"
#include "text/vocab.h"

static const char llama_split[] =
    "{\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": "
    "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| "
    "?[^\\\\s\\\\p{L}\\\\p{N}]+"
    "[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}, \"behavior\": \"Isolated\", \"invert\": "
    "false}, "
    "{\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": false}]}";

static void print(cna_buffer *out, const char *text)
{
    cna_error err;
    assert_ok(cna_buffer_add_text(out, text, &err));
}

static void print_vocab(cna_buffer *out, const char *const *merges)
{
    cna_error err;
    for (int byte = 0; byte < 256; byte++) {
        char value = (char)byte;
        print(out, byte == 0 ? "\"" : ", \"");
        if (byte == '"' || byte == '\\') print(out, "\\");
        assert_ok(cna_bytes_to_piece(&value, 1, out, &err));
        assert_ok(cna_buffer_printf(out, &err, "\": %d", byte));
    }
    for (int i = 0; merges != NULL && merges[i] != NULL; i++) {
        const char *space = strchr(merges[i], ' ');
        assert_ok(cna_buffer_printf(out, &err, ", \"%.*s%s\": %d", (int)(space - merges[i]), merges[i],
                                    space + 1, 256 + i));
    }
}

static void print_merges(cna_buffer *out, const char *const *merges, bool pairs)
{
    cna_error err;
    for (int i = 0; merges != NULL && merges[i] != NULL; i++) {
        const char *space = strchr(merges[i], ' ');
        assert_ok(cna_buffer_printf(out, &err, pairs ? "%s[\"%.*s\", \"%s\"]" : "%s\"%.*s %s\"",
                                    i == 0 ? "" : ", ", (int)(space - merges[i]), merges[i], space + 1));
    }
}

static const char *or_else(const char *text, const char *absent)
{
    return text != NULL ? text : absent;
}

void tokenizer_fixture_write(const char *folder, const tokenizer_fixture *fixture)
{
    cna_error err;
    cna_buffer out = {0};
    assert_ok(cna_buffer_printf(&out, &err,
                                "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null, "
                                "\"added_tokens\": %s, \"normalizer\": %s, "
                                "\"pre_tokenizer\": %s, \"post_processor\": %s, \"decoder\": %s, "
                                "\"model\": {\"type\": \"BPE\"%s, \"vocab\": {",
                                or_else(fixture->added_tokens, "[]"), or_else(fixture->normalizer, "null"),
                                or_else(fixture->pre_tokenizer, llama_split),
                                or_else(fixture->post_processor, "null"),
                                or_else(fixture->decoder, "{\"type\": \"ByteLevel\"}"),
                                or_else(fixture->model, "")));
    print_vocab(&out, fixture->merges);
    print(&out, "}, \"merges\": [");
    print_merges(&out, fixture->merges, fixture->pairs);
    print(&out, "]}}");
    char *path = support_path(folder, "tokenizer.json");
    support_write(path, out.data, out.size);
    cna_free(path);
    cna_buffer_free(&out);
}

cna_tokenizer *tokenizer_fixture_open(const tokenizer_fixture *fixture)
{
    cna_error err;
    cna_tokenizer *tokenizer;
    char *folder = support_folder_create();
    tokenizer_fixture_write(folder, fixture);
    assert_ok(cna_tokenizer_open(folder, &tokenizer, &err));
    support_folder_remove(folder);
    return tokenizer;
}

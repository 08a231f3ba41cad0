/* SPDX-License-Identifier: MIT
 * Logits to a file. */
#include "cli/logits_file.h"

#include "cli/messages.h"
#include "cli/output.h"
#include "cli/progress.h"

#include <string.h>

/* True where the write failed: stdio remembers it until the file is committed. */
static bool put_values(FILE *stream, const float *values, size_t n)
{
    enum { BLOCK = 4096 };
    unsigned char bytes[4 * BLOCK];
    while (n > 0) {
        size_t n_block = n < BLOCK ? n : BLOCK;
        for (size_t i = 0; i < n_block; i++) {
            uint32_t bits;
            memcpy(&bits, &values[i], sizeof bits);
            for (size_t b = 0; b < 4; b++) bytes[4 * i + b] = (unsigned char)(bits >> 8 * b);
        }
        if (fwrite(bytes, 4, n_block, stream) != n_block) return true;
        values += n_block;
        n -= n_block;
    }
    return false;
}

static bool on_logits(void *user, size_t prompt, const float *logits, size_t n_tokens, size_t vocab_size)
{
    (void)prompt;
    return put_values(user, logits, n_tokens * vocab_size) || cli_should_stop();
}

int cli_write_logits(const char *path, const cna_model *model, const cna_prompts *prompts,
                     const cna_generate_options *options)
{
    cli_file file = {0};
    bool to_file = strcmp(path, "-") != 0;
    int code = to_file ? cli_file_open(&file, path) : CLI_DONE;
    if (code != CLI_DONE) return code;
    FILE *stream = to_file ? file.stream : stdout;
    cna_error err;
    if (!to_file) cli_output_begin();
    cna_status status = cna_logits(model, prompts, options, on_logits, stream, &err);
    if (status != CNA_OK && !ferror(stream)) code = cli_fail_error(&err);
    else if (to_file) return cli_file_commit(&file);
    cli_file_abandon(&file);
    return code;
}

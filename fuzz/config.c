/* SPDX-License-Identifier: MIT
 * config.json, and behind a NUL generation_config.json; the model that it describes is planned as `cna inspect` does
 * where there are no weights. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#include "checkpoint/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_bytes generation, config = fuzz_split(data, size, &generation);
    cna_error err;
    cna_config read;
    cna_survey survey;
    const cna_model_options options = {.memory_bytes = 1 << 30, .n_threads = 1};
    (void)fuzz_file("config.json", config.text, config.n);
    if (generation.n != 0) {
        (void)fuzz_file("generation_config.json", generation.text, generation.n);
    } else {
        char path[128];
        snprintf(path, sizeof path, "%s/generation_config.json", fuzz_folder());
        remove(path);
    }
    fuzz_bound(size, 8 << 20, 64); /* a table of the tensors of 1024 layers */
    if (!fuzz_ok(cna_config_read(fuzz_folder(), &read, &err), &err)) return 0;
    fuzz_require(read.n_layers > 0 && read.hidden_dim > 0 && read.mlp_dim > 0 && read.vocab_size > 0);
    fuzz_require(read.n_kv_heads > 0 && read.n_heads % read.n_kv_heads == 0 && read.head_dim % 2 == 0);
    fuzz_require(read.rotary_dim > 0 && read.rotary_dim % 2 == 0 && read.rotary_dim <= read.head_dim);
    fuzz_require(read.n_stop_ids <= CNA_STOP_IDS_MAX);
    if (read.head_dim <= 4096) {
        float *frequencies = malloc(read.rotary_dim / 2 * sizeof *frequencies);
        fuzz_require(frequencies != NULL);
        cna_config_inverse_frequencies(&read, false, frequencies);
        cna_config_inverse_frequencies(&read, true, frequencies);
        free(frequencies);
    }
    (void)fuzz_ok(cna_model_survey(fuzz_folder(), &options, &survey, &err), &err);
    return 0;
}

/* SPDX-License-Identifier: MIT
 * What tests/oracle/test_caa.py asks the library, since no command writes CAA vectors:
 *   caa MODEL mlp|residual LAYER|-|all POSITIVE NEGATIVE OUT        the vectors to OUT, f32 [n_vectors, hidden_dim]
 *   caa MODEL mlp|residual LAYER|-|all POSITIVE NEGATIVE OUT ALPHA POSITIONS MAX_TOKENS PROMPTS
 *                                                    and one JSON line an answer: {"ids", "logprobs", "stop"}
 * POSITIVE, NEGATIVE and PROMPTS hold token ids, one list a line. Everything in f32. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/model.h"
#include "method/caa.h"

enum { IDS_MAX = 1024 };

static cna_error err;

static void check(cna_status status)
{
    if (status == CNA_OK) return;
    fprintf(stderr, "caa: %s\n", err.text);
    exit(1);
}

/* The next line's ids; 0 at the end of the file. */
static size_t read_ids(FILE *file, int32_t *ids)
{
    size_t n = 0;
    for (int end = ','; end == ',' && n < IDS_MAX; end = getc(file)) {
        if (fscanf(file, "%" SCNd32, &ids[n]) != 1) break;
        n++;
    }
    return n;
}

static FILE *open_file(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    if (file != NULL) return file;
    fprintf(stderr, "caa: %s cannot be opened\n", path);
    exit(1);
}

static cna_prompts *read_prompts(const char *path)
{
    cna_prompts *out;
    int32_t ids[IDS_MAX];
    FILE *file = open_file(path, "r");
    check(cna_prompts_create(&out, &err));
    for (size_t n; (n = read_ids(file, ids)) > 0;) check(cna_prompts_add_ids(out, ids, n, &err));
    fclose(file);
    return out;
}

static cna_caa *find(const cna_model *model, char **arguments)
{
    cna_caa *caa;
    cna_caa_options options = {.site = strcmp(arguments[0], "mlp") == 0 ? CNA_CAA_MLP : CNA_CAA_RESIDUAL};
    cna_prompts *positive = read_prompts(arguments[2]), *negative = read_prompts(arguments[3]);
    options.choose_layer = strcmp(arguments[1], "-") != 0;
    options.layer = (uint32_t)strtoul(arguments[1], NULL, 10);
    if (strcmp(arguments[1], "all") == 0) options.n_layers = model->info.n_layers;
    check(cna_caa_find(model, positive, negative, &options, &caa, &err));
    cna_prompts_free(positive);
    cna_prompts_free(negative);
    const cna_caa_info *info = cna_caa_get_info(caa);
    FILE *out = open_file(arguments[4], "wb");
    fwrite(cna_caa_vectors(caa), sizeof(float), info->n_vectors * info->hidden_dim, out);
    fclose(out);
    return caa;
}

static cna_status print_answer(void *user, const cna_job_result *result, cna_error *unused)
{
    (void)user;
    (void)unused;
    printf("{\"ids\": [");
    for (size_t i = 0; i < result->n_ids; i++) printf("%s%d", i == 0 ? "" : ", ", result->ids[i]);
    printf("], \"logprobs\": [");
    for (size_t i = 0; i < result->n_ids; i++) printf("%s%.9g", i == 0 ? "" : ", ", (double)result->logprobs[i]);
    printf("], \"stop\": \"%s\"}\n", result->stop == CNA_STOP_EOS ? "eos" : "length");
    return CNA_OK;
}

static void generate(const cna_model *model, const cna_caa *caa, char **arguments)
{
    static const char *const positions[] = {"all", "prompt", "generated", "last"};
    static int32_t ids[IDS_MAX];
    cna_caa_shifts shifts;
    cna_tap *tap;
    int where = 0;
    while (where < 3 && strcmp(arguments[1], positions[where]) != 0) where++;
    check(cna_caa_shifts_create(caa, strtod(arguments[0], NULL), (cna_positions)where, &shifts, &err));
    check(cna_tap_create(NULL, 0, model->info.n_layers, model->info.mlp_dim, &tap, &err));
    for (size_t i = 0; i < shifts.n; i++) check(cna_tap_add_shift(tap, &shifts.items[i], &err));
    FILE *file = open_file(arguments[3], "r");
    const cna_run_options options = {.max_tokens = strtoul(arguments[2], NULL, 10)};
    for (size_t n; (n = read_ids(file, ids)) > 0;) {
        const cna_job job = {.prompt_ids = ids, .n_prompt_ids = n, .tap = tap};
        check(cna_engine_generate(model, &job, 1, &options, print_answer, NULL, &err));
    }
    fclose(file);
    cna_tap_free(tap);
    cna_caa_shifts_clear(&shifts);
}

int main(int argc, char **argv)
{
    if (argc != 7 && argc != 11) {
        fprintf(stderr, "caa: expected 6 or 10 arguments, found %d\n", argc - 1);
        return 2;
    }
    cna_model *model;
    const cna_model_options options = {.dtype = CNA_DTYPE_F32};
    check(cna_model_open(argv[1], &options, &model, &err));
    cna_caa *caa = find(model, argv + 2);
    if (argc == 11) generate(model, caa, argv + 7);
    cna_caa_free(caa);
    cna_model_free(model);
    return 0;
}

/* SPDX-License-Identifier: MIT
 * The inputs of a part. */
#include "study/run_inputs.h"

#include <math.h>
#include <string.h>

#include "base/file.h"
#include "engine/model.h"

static const char figure_name[] = "inputs";

/* What only some families have. Nothing for a Llama or Qwen2 with none of it: their runs go on as they began. */
static cna_status add_family(cna_buffer *out, const cna_config *c, cna_error *err)
{
    const char *name = c->family->name;
    if (strcmp(name, "llama") == 0 || strcmp(name, "qwen2") == 0) name = "";
    bool plain = name[0] == '\0' && c->window == 0 && !c->o_bias && !c->mlp_bias && c->n_rope_divisors == 0;
    if (plain) return CNA_OK;
    CNA_TRY(cna_buffer_printf(out, err, "%s %.9g %.9g %.9g %.9g %.9g %.9g %u %u %.9g %.9g %u %d %d\n", name,
                              (double)c->embedding_scale, (double)c->attention_scale, (double)c->attention_cap,
                              (double)c->residual_scale, (double)c->logit_divisor, (double)c->logit_cap, c->window,
                              c->rotary_dim, (double)c->rope_local_theta, (double)c->rope_magnitude,
                              c->position_limit, c->o_bias, c->mlp_bias));
    for (uint32_t layer = 0; layer < c->n_layers; layer++) {
        bool windowed = cna_layer_set_has(&c->windowed, layer), unrotated = cna_layer_set_has(&c->unrotated, layer);
        if (windowed || unrotated) CNA_TRY(cna_buffer_printf(out, err, "%u %d %d ", layer, windowed, unrotated));
    }
    for (uint32_t i = 0; i < c->n_rope_divisors; i++) {
        CNA_TRY(cna_buffer_printf(out, err, "%.9g ", (double)c->rope_divisors[i]));
    }
    return cna_buffer_add_text(out, "\n", err);
}

/* What decides answers beside weights and shape. */
static cna_status add_config(cna_buffer *out, const cna_config *c, cna_error *err)
{
    CNA_TRY(cna_buffer_printf(out, err, "%u %.9g %.9g %d %.9g %.9g %.9g %.9g\n", c->max_positions, (double)c->rms_eps,
                              (double)c->rope_theta, (int)c->rope_type, (double)c->rope_factor,
                              (double)c->rope_low_frequency, (double)c->rope_high_frequency,
                              (double)c->rope_original_positions));
    CNA_TRY(add_family(out, c, err));
    for (size_t i = 0; i < c->n_stop_ids; i++) CNA_TRY(cna_buffer_printf(out, err, "%d ", c->stop_ids[i]));
    return cna_buffer_add_text(out, "\n", err);
}

static cna_status add_set(cna_buffer *out, const cna_token_lists *set, cna_error *err)
{
    CNA_TRY(cna_buffer_printf(out, err, "%zu\n", set->n));
    for (size_t i = 0; i < set->n; i++) {
        const cna_token_list *list = &set->items[i];
        for (size_t t = 0; t < list->n; t++) CNA_TRY(cna_buffer_printf(out, err, "%d ", list->ids[t]));
        CNA_TRY(cna_buffer_add_text(out, "\n", err));
    }
    return CNA_OK;
}

static cna_status hash_inputs(const cna_model *model, const cna_token_lists *sets, size_t n_sets, char out[65],
                              cna_error *err)
{
    cna_buffer text = {0};
    cna_status status = add_config(&text, &model->checkpoint.config, err);
    for (size_t i = 0; i < n_sets && status == CNA_OK; i++) status = add_set(&text, &sets[i], err);
    if (status == CNA_OK) status = cna_sha256_hex(text.data, text.size, out, err);
    cna_buffer_free(&text);
    return status;
}

cna_status cna_run_pin_inputs(cna_run *run, int64_t part, const cna_model *model, const cna_token_lists *sets,
                              size_t n_sets, cna_error *err)
{
    char hash[65], detail[68];
    char *kept = NULL;
    bool found;
    double value;
    CNA_TRY(hash_inputs(model, sets, n_sets, hash, err));
    snprintf(detail, sizeof detail, "\"%s\"", hash);
    CNA_TRY(cna_run_find_figure(run, part, 0, figure_name, &found, &value, &kept, err));
    bool same = kept != NULL && strcmp(kept, detail) == 0;
    cna_free(kept);
    if (same) return CNA_OK;
    if (found) {
        return cna_fail(err, CNA_ERR_MISMATCH,
                        "%s: expected the prompts' token ids and the model's constants that its rows were made with, "
                        "found others: the tokenizer, chat template or config.json in the model's folder has changed; "
                        "use another run file", cna_run_path(run));
    }
    const cna_run_figure figure = {.name = figure_name, .value = NAN, .detail = detail};
    return cna_run_set_figure(run, part, &figure, err);
}

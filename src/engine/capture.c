/* SPDX-License-Identifier: MIT
 * h at the last token of many prompts: one pass, layer by layer, the common prefix computed once. */
#include <string.h>

#include "base/progress.h"
#include "engine/engine.h"
#include "engine/forward.h"

typedef struct capture {
    float *h;            /* [n_lists, mlp_dim] of the layer under way */
    size_t n_lists, mlp_dim;
    uint32_t n_layers;
    const cna_progress *progress;
    cna_capture_fn *fn;
    void *user;
} capture;

static cna_status on_h(void *user, uint32_t layer, size_t first, const float *rows, size_t n_rows, cna_error *err)
{
    capture *c = user;
    memcpy(c->h + first * c->mlp_dim, rows, n_rows * c->mlp_dim * sizeof *rows);
    if (first + n_rows < c->n_lists) return CNA_OK;
    CNA_TRY(c->fn(c->user, layer, c->h, err));
    return cna_progress_report(c->progress, "layers", layer + 1, c->n_layers, err);
}

/* How many tokens all lists begin with in common, leaving each at least one of its own. */
static size_t common_prefix(const cna_token_list *lists, size_t n_lists)
{
    if (n_lists < 2) return 0;
    size_t n = lists[0].n - 1;
    for (size_t i = 1; i < n_lists; i++) {
        if (lists[i].n - 1 < n) n = lists[i].n - 1;
        size_t same = 0;
        while (same < n && lists[i].ids[same] == lists[0].ids[same]) same++;
        n = same;
    }
    return n;
}

cna_status cna_engine_capture(const cna_model *model, const cna_token_list *lists, size_t n_lists,
                              const cna_progress *progress, cna_usage *usage, cna_capture_fn *fn, void *user,
                              cna_error *err)
{
    (void)usage;
    const cna_config *c = &model->checkpoint.config;
    capture state = {.n_lists = n_lists, .mlp_dim = c->mlp_dim, .n_layers = c->n_layers, .progress = progress, .fn = fn,
                     .user = user};
    size_t n_prefix = common_prefix(lists, n_lists), n_spans = 0;
    cna_session *session = NULL;
    cna_span *spans = NULL;
    cna_kv *prefix = NULL;
    cna_status status;
    for (size_t i = 0; i < n_lists; i++) CNA_TRY(cna_model_check_ids(model, lists[i].ids, lists[i].n, err));
    CNA_TRY_CLEANUP(cna_alloc(&spans, n_lists + 1, sizeof *spans, "sequences", err));
    CNA_TRY_CLEANUP(cna_alloc(&state.h, n_lists * c->mlp_dim, sizeof *state.h, "captured activations", err));
    CNA_TRY_CLEANUP(cna_session_create(model, &session, err));
    if (n_prefix > 0) {
        CNA_TRY_CLEANUP(cna_kv_create(1, c->n_kv_heads, c->head_dim, n_prefix, &prefix, err));
        spans[n_spans++] = (cna_span){.kv = prefix, .ids = lists[0].ids, .n_tokens = n_prefix};
    }
    for (size_t i = 0; i < n_lists; i++) {
        cna_span *span = &spans[n_spans];
        *span = (cna_span){.ids = lists[i].ids + n_prefix, .n_tokens = lists[i].n - n_prefix, .n_wanted = 1};
        CNA_TRY_CLEANUP(cna_kv_create(1, c->n_kv_heads, c->head_dim, span->n_tokens, &span->kv, err));
        span->kv->prefix = prefix;
        n_spans++;
    }
    const cna_sinks sinks = {.on_h = on_h, .user = &state};
    CNA_TRY_CLEANUP(cna_forward(session, spans, n_spans, &sinks, err));
cleanup:
    for (size_t i = 0; i < n_spans; i++) cna_kv_free(spans[i].kv);
    cna_free(spans);
    cna_free(state.h);
    cna_session_free(session);
    return status;
}

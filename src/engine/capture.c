/* SPDX-License-Identifier: MIT
 * h, MLP output and residual stream at the last token of many prompts: one pass, layer by layer, common prefixes
 * computed once. */
#include <string.h>

#include "base/progress.h"
#include "engine/pass.h"
#include "engine/plan.h"

enum { H, MLP_OUTPUT, RESIDUAL, N_KINDS };

typedef struct capture {
    float *rows[N_KINDS];  /* ? [n_lists, width] of the layer under way; NULL where not asked for */
    size_t width[N_KINDS]; /* 0 where not asked for */
    size_t n_lists;
    uint32_t n_layers;
    const cna_progress *progress;
    cna_capture_rows_fn *fn;
    void *user;
    cna_tree_item *items; /* [n_lists] */
    cna_tree tree;
    cna_kv_pool pool;
    cna_pass pass;
    cna_kv **own;         /* [n_lists] */
} capture;

/* The kinds come in the order of their numbers, block by block: the layer is complete with the last row of the last. */
static bool is_last_kind(const capture *c, int kind)
{
    for (int later = kind + 1; later < N_KINDS; later++) {
        if (c->width[later] != 0) return false;
    }
    return true;
}

static cna_status keep(capture *c, int kind, uint32_t layer, size_t first, const float *rows, size_t n_rows,
                       cna_error *err)
{
    size_t width = c->width[kind];
    memcpy(c->rows[kind] + first * width, rows, n_rows * width * sizeof *rows);
    if (first + n_rows < c->n_lists || !is_last_kind(c, kind)) return CNA_OK;
    const cna_captured captured = {c->rows[H], c->rows[MLP_OUTPUT], c->rows[RESIDUAL]};
    CNA_TRY(c->fn(c->user, layer, &captured, err));
    return cna_progress_report(c->progress, "layers", layer + 1, c->n_layers, err);
}

static cna_status on_h(void *user, uint32_t layer, size_t first, const float *rows, size_t n_rows, cna_error *err)
{
    return keep(user, H, layer, first, rows, n_rows, err);
}

static cna_status on_mlp_output(void *user, uint32_t layer, size_t first, const float *rows, size_t n_rows,
                                cna_error *err)
{
    return keep(user, MLP_OUTPUT, layer, first, rows, n_rows, err);
}

static cna_status on_residual(void *user, uint32_t layer, size_t first, const float *rows, size_t n_rows,
                              cna_error *err)
{
    return keep(user, RESIDUAL, layer, first, rows, n_rows, err);
}

/* Find what the lists share. */
static cna_status share(capture *c, const cna_model *model, const cna_token_list *lists, cna_error *err)
{
    cna_kv_pool_init(&c->pool, &model->checkpoint.config);
    CNA_TRY(cna_alloc(&c->items, c->n_lists, sizeof *c->items, "prompts", err));
    for (size_t i = 0; i < c->n_lists; i++) c->items[i] = (cna_tree_item){.ids = lists[i].ids, .n_ids = lists[i].n - 1};
    CNA_TRY(cna_tree_build(c->items, c->n_lists, &c->tree, err));
    c->pass = (cna_pass){.tree = &c->tree, .pool = &c->pool, .depth = CNA_KV_ONE_LAYER};
    return CNA_OK;
}

static cna_plan plan_of(const capture *c, const cna_model *model, const cna_token_list *lists)
{
    cna_plan plan = {.n_sequences = c->n_lists};
    size_t longest = 0;
    for (int kind = 0; kind < N_KINDS; kind++) plan.results += (uint64_t)c->n_lists * c->width[kind] * sizeof(float);
    for (size_t i = 0; i < c->tree.n_nodes; i++) {
        size_t n = c->tree.nodes[i].n_tokens;
        plan.n_rows += n;
        plan.kv += cna_kv_bytes(&c->pool, 0, CNA_KV_ONE_LAYER, n, n);
    }
    for (size_t i = 0; i < c->n_lists; i++) {
        size_t n = lists[i].n - c->tree.n_before[i];
        plan.n_rows += n;
        plan.kv += cna_kv_bytes(&c->pool, 0, CNA_KV_ONE_LAYER, n, n);
        if (lists[i].n > longest) longest = lists[i].n;
    }
    plan.session = cna_session_bytes(model, plan.n_rows, longest, false);
    return plan;
}

/* The pass: every shared run, then each list's own tokens. */
static cna_status fill_pass(capture *c, const cna_token_list *lists, cna_error *err)
{
    for (int kind = 0; kind < N_KINDS; kind++) {
        if (c->width[kind] == 0) continue;
        CNA_TRY(cna_alloc(&c->rows[kind], c->n_lists * c->width[kind], sizeof(float), "captured activations", err));
    }
    CNA_TRY(cna_alloc(&c->own, c->n_lists, sizeof *c->own, "sequences", err));
    for (size_t i = 0; i < c->n_lists; i++) CNA_TRY(cna_pass_want(&c->pass, i, err));
    CNA_TRY(cna_pass_share(&c->pass, err));
    for (size_t i = 0; i < c->n_lists; i++) {
        const cna_span sequence = {.ids = lists[i].ids, .n_tokens = lists[i].n, .n_prompt = lists[i].n, .n_wanted = 1};
        CNA_TRY(cna_pass_add_own(&c->pass, i, &sequence, CNA_KV_ONE_LAYER, &c->own[i], err));
    }
    return CNA_OK;
}

static void clear(capture *c)
{
    for (size_t i = 0; c->own != NULL && i < c->n_lists; i++) cna_kv_release(c->own[i]);
    cna_pass_clear(&c->pass);
    cna_tree_clear(&c->tree);
    cna_kv_pool_clear(&c->pool);
    cna_free(c->items);
    cna_free(c->own);
    for (int kind = 0; kind < N_KINDS; kind++) cna_free(c->rows[kind]);
}

static cna_sinks sinks_of(capture *c)
{
    return (cna_sinks){.on_h = c->width[H] != 0 ? on_h : NULL,
                       .on_mlp_output = c->width[MLP_OUTPUT] != 0 ? on_mlp_output : NULL,
                       .on_residual = c->width[RESIDUAL] != 0 ? on_residual : NULL, .user = c};
}

cna_status cna_engine_capture_rows(const cna_model *model, const cna_token_list *lists, size_t n_lists, unsigned kinds,
                                   const cna_progress *progress, cna_usage *usage, cna_capture_rows_fn *fn, void *user,
                                   cna_error *err)
{
    const cna_config *config = &model->checkpoint.config;
    capture c = {.n_lists = n_lists, .n_layers = config->n_layers, .progress = progress, .fn = fn, .user = user,
                 .width = {[H] = kinds & CNA_CAPTURE_H ? config->mlp_dim : 0,
                           [MLP_OUTPUT] = kinds & CNA_CAPTURE_MLP_OUTPUT ? config->hidden_dim : 0,
                           [RESIDUAL] = kinds & CNA_CAPTURE_RESIDUAL ? config->hidden_dim : 0}};
    cna_session *session = NULL;
    cna_status status;
    if (kinds == 0) return cna_fail(err, CNA_ERR_ARG, "capture: expected kinds of rows, found none");
    for (size_t i = 0; i < n_lists; i++) {
        CNA_TRY(cna_model_check_ids(model, lists[i].ids, lists[i].n, err));
        CNA_TRY(cna_model_check_positions(model, lists[i].n, err));
    }
    CNA_TRY_CLEANUP(share(&c, model, lists, err));
    const cna_plan plan = plan_of(&c, model, lists);
    CNA_TRY_CLEANUP(cna_plan_announce(model, &plan, progress, usage, err));
    CNA_TRY_CLEANUP(fill_pass(&c, lists, err));
    CNA_TRY_CLEANUP(cna_session_create(model, false, &session, err));
    const cna_sinks sinks = sinks_of(&c);
    CNA_TRY_CLEANUP(cna_forward(session, c.pass.spans, c.pass.n_spans, &sinks, usage, err));
cleanup:
    cna_session_free(session);
    clear(&c);
    return status;
}

/* A caller of h alone. */
typedef struct h_alone {
    cna_capture_fn *fn;
    void *user;
} h_alone;

static cna_status pass_h_on(void *user, uint32_t layer, const cna_captured *rows, cna_error *err)
{
    const h_alone *caller = user;
    return caller->fn(caller->user, layer, rows->h, err);
}

cna_status cna_engine_capture(const cna_model *model, const cna_token_list *lists, size_t n_lists,
                              const cna_progress *progress, cna_usage *usage, cna_capture_fn *fn, void *user,
                              cna_error *err)
{
    h_alone caller = {fn, user};
    return cna_engine_capture_rows(model, lists, n_lists, CNA_CAPTURE_H, progress, usage, pass_h_on, &caller, err);
}

/* SPDX-License-Identifier: MIT
 * The forward pass. Read run_layer first: it is the model. */
#include "engine/forward.h"

#include <omp.h>
#include <string.h>

#include "base/clock.h"
#include "engine/attend.h"
#include "tensor/ops.h"

static cna_row_kind kind_of(size_t position, size_t n_prompt)
{
    if (position >= n_prompt) return CNA_ROW_GENERATED;
    return position + 1 == n_prompt ? CNA_ROW_LAST : CNA_ROW_PROMPT;
}

/* Lay out the rows of a pass and look up their embeddings. Tokens are counted into their runs here, so that a run of
 * this pass has its length when the runs behind it are laid out. */
static cna_status begin_pass(cna_session *s, const cna_span *spans, size_t n_spans, size_t n_rows, cna_error *err)
{
    const cna_matrix_view *embedding = &s->model->weights.embedding;
    size_t n_positions = 0, dim = embedding->cols, at = 0;
    float scale = s->model->checkpoint.config.embedding_scale;
    for (size_t i = 0; i < n_spans; i++) {
        cna_kv *kv = spans[i].kv;
        if (kv->parent != NULL) kv->first_position = kv->parent->first_position + kv->parent->n_tokens;
        kv->n_tokens += spans[i].n_tokens;
        size_t end = kv->first_position + kv->n_tokens;
        if (end > n_positions) n_positions = end;
    }
    CNA_TRY(cna_session_reserve(s, n_rows, n_positions, err));
    for (size_t i = 0; i < n_spans; i++) {
        const cna_span *span = &spans[i];
        size_t first = span->kv->first_position + span->kv->n_tokens - span->n_tokens;
        for (size_t t = 0; t < span->n_tokens; t++, at++) {
            s->rows[at] = (cna_row){.span = (uint32_t)i, .position = (uint32_t)(first + t), .at = at,
                                    .kind = kind_of(first + t, span->n_prompt),
                                    .wanted = t + span->n_wanted >= span->n_tokens};
            if (span->kv->first_layer > 0) continue; /* begins as a copy */
            cna_matrix_widen(embedding, (size_t)span->ids[t], 0, dim, s->x + at * dim);
            if (scale != 1) cna_rescale(s->x + at * dim, scale, dim);
        }
    }
    return CNA_OK;
}

/* List the rows that take part in a layer: s->active. Forked runs join at their first layer, from where their source
 * stands. */
static size_t begin_layer(cna_session *s, const cna_span *spans, size_t n_spans, uint32_t layer)
{
    size_t n_active = 0, at = 0, dim = s->model->checkpoint.config.hidden_dim;
    for (size_t i = 0; i < n_spans; i++) {
        const cna_span *span = &spans[i];
        if (span->kv->first_layer <= layer) {
            memcpy(s->active + n_active, s->rows + at, span->n_tokens * sizeof *s->rows);
            n_active += span->n_tokens;
        }
        if (layer > 0 && span->kv->first_layer == layer) {
            size_t from = 0;
            for (size_t j = 0; j < span->source; j++) from += spans[j].n_tokens;
            memcpy(s->x + at * dim, s->x + from * dim, span->n_tokens * dim * sizeof *s->x);
        }
        at += span->n_tokens;
    }
    return n_active;
}

/* s->input = x in the products' type, split over threads by rows. */
static void convert_input(cna_session *s, const float *x, size_t n_rows, size_t dim)
{
    size_t bytes = dim * cna_input_bytes(s->model->input);
#pragma omp parallel for schedule(static) if (n_rows > 1)
    for (size_t t = 0; t < n_rows; t++) {
        cna_input_convert(s->model->input, x + t * dim, dim, (char *)s->input + t * bytes);
    }
}

static cna_status apply(cna_session *s, const cna_linear *linear, const float *bias, size_t n_rows, size_t n_out,
                        float *y, cna_error *err)
{
    CNA_TRY(cna_linear_apply(linear, s->products, s->input, n_rows, y, err));
    if (bias != NULL) cna_add_bias(y, bias, n_rows, n_out);
    return CNA_OK;
}

/* Drop the block's rows that nobody wants: in the last layer only wanted rows go on behind their keys and values. */
static size_t keep_wanted(cna_session *s, size_t n_rows)
{
    size_t dim = s->model->checkpoint.config.hidden_dim, kept = 0;
    for (size_t t = 0; t < n_rows; t++) {
        if (!s->block[t].wanted) continue;
        if (kept != t) {
            s->block[kept] = s->block[t];
            memcpy(s->residual + kept * dim, s->residual + t * dim, dim * sizeof *s->residual);
            memcpy(s->normed + kept * dim, s->normed + t * dim, dim * sizeof *s->normed);
        }
        kept++;
    }
    return kept;
}

/* Multiply the tapped columns of h. */
static void scale_tapped(cna_session *s, const cna_span *spans, uint32_t layer, size_t n_rows)
{
    size_t mlp_dim = s->model->checkpoint.config.mlp_dim;
    for (size_t t = 0; t < n_rows; t++) {
        size_t n_columns;
        const cna_row *row = &s->block[t];
        const cna_tap_column *columns = cna_tap_columns(spans[row->span].tap, layer, row->kind, &n_columns);
        for (size_t i = 0; i < n_columns; i++) s->gate[t * mlp_dim + columns[i].neuron] *= columns[i].multiplier;
    }
}

/* Add what taps add behind a layer. */
static void shift_tapped(cna_session *s, const cna_span *spans, uint32_t layer, size_t n_rows)
{
    size_t dim = s->model->checkpoint.config.hidden_dim;
    for (size_t t = 0; t < n_rows; t++) {
        size_t n_shifts;
        const cna_shift *shifts = cna_tap_shifts(spans[s->block[t].span].tap, &n_shifts);
        for (size_t i = 0; i < n_shifts; i++) {
            if (shifts[i].layer == layer && cna_positions_apply(shifts[i].positions, s->block[t].kind)) {
                cna_add(s->residual + t * dim, shifts[i].vector, dim);
            }
        }
    }
}

static size_t count_wanted(const cna_session *s, size_t n_rows)
{
    size_t n = 0;
    for (size_t t = 0; t < n_rows; t++) n += s->block[t].wanted;
    return n;
}

/* Hand the block's wanted rows to a sink, row by row; first is the index of the first of them. */
static cna_status capture(const cna_session *s, cna_rows_fn *sink, void *user, uint32_t layer, size_t first,
                          const float *rows, size_t width, size_t n_rows, cna_error *err)
{
    if (sink == NULL) return CNA_OK;
    for (size_t t = 0; t < n_rows; t++) {
        if (s->block[t].wanted) CNA_TRY(sink(user, layer, first++, rows + t * width, 1, err));
    }
    return CNA_OK;
}

/* Whether anybody waits for what the last layer's MLP writes. */
static bool goes_past_h(const cna_sinks *sinks)
{
    return sinks->on_mlp_output != NULL || sinks->on_residual != NULL || sinks->on_logits != NULL;
}

/* out = x [n_rows, dim] under a norm; a row that it can make nothing of is remembered. */
static void normalise(cna_session *s, const float *x, const float *norm, size_t n_rows, size_t dim, float *out)
{
    if (!cna_rms_norm(x, norm, s->model->checkpoint.config.rms_eps, n_rows, dim, out)) s->overflow = true;
}

/* What is past f32 leaves zeros behind a norm, and then answers that depend on nothing. `where`: the layer. */
static cna_status check_overflow(const cna_session *s, uint32_t where, cna_error *err)
{
    if (!s->overflow) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "layer %u: expected values whose squares f32 can add up, found larger ones; "
                    "is a multiplier or an alpha too large, or are the model's weights damaged?", where);
}

/* s->normed = the residual stream under a norm, where the family has one there, and then the products' input. */
static void take_residual(cna_session *s, const float *norm, size_t n_rows)
{
    const cna_config *c = &s->model->checkpoint.config;
    if (norm != NULL) normalise(s, s->residual, norm, n_rows, c->hidden_dim, s->normed);
    else memcpy(s->normed, s->residual, n_rows * c->hidden_dim * sizeof *s->normed);
    convert_input(s, s->normed, n_rows, c->hidden_dim);
}

/* s->out = what a sublayer adds to the residual stream: its last product under a norm, where the family has one there,
 * and scaled. */
static void finish_output(cna_session *s, const float *norm, size_t n_rows)
{
    const cna_config *c = &s->model->checkpoint.config;
    if (norm != NULL) normalise(s, s->out, norm, n_rows, c->hidden_dim, s->out);
    if (c->residual_scale != 1) cna_rescale(s->out, c->residual_scale, n_rows * c->hidden_dim);
}

/* Norm of queries or keys [n_rows, dim]: of each head, or of the whole row. */
static void normalise_heads(cna_session *s, float *x, const float *norm, size_t n_rows, size_t dim)
{
    const cna_config *c = &s->model->checkpoint.config;
    if (norm == NULL) return;
    size_t width = c->family->qk_norm == CNA_QK_NORM_HEAD ? c->head_dim : dim;
    normalise(s, x, norm, n_rows * (dim / width), width, x);
}

/* gate = f(gate) * up. */
static void activate(const cna_config *c, float *gate, const float *up, size_t n)
{
    if (c->family->activation == CNA_ACTIVATION_GELU_TANH) cna_geglu(gate, up, n);
    else cna_swiglu(gate, up, n);
}

/* One decoder layer over the block's rows (s->block, s->residual), whose number may shrink in the last layer.
 * first_wanted: index of the first wanted row among all of the pass.
 * Source: transformers, LlamaDecoderLayer, Gemma3DecoderLayer, Olmo2DecoderLayer, GraniteDecoderLayer; other families
 * have some of their norms, biases and scales. */
static cna_status run_layer(cna_session *s, const cna_layer_weights *w, const cna_span *spans, const cna_sinks *sinks,
                            uint32_t index, size_t *n_rows, size_t first_wanted, cna_error *err)
{
    const cna_config *c = &s->model->checkpoint.config;
    size_t q_dim = (size_t)c->n_heads * c->head_dim, kv_dim = (size_t)c->n_kv_heads * c->head_dim;
    bool last = index + 1 == c->n_layers;

    take_residual(s, w->norms[CNA_NORM_ATTENTION], *n_rows);
    CNA_TRY(apply(s, w->k, w->k_bias, *n_rows, kv_dim, s->k, err));
    CNA_TRY(apply(s, w->v, w->v_bias, *n_rows, kv_dim, s->v, err));
    normalise_heads(s, s->k, w->k_norm, *n_rows, kv_dim);
    cna_store_keys_and_values(s, spans, index, *n_rows);
    if (last) {
        size_t n_before = *n_rows;
        *n_rows = keep_wanted(s, n_before);
        if (*n_rows < n_before) convert_input(s, s->normed, *n_rows, c->hidden_dim);
    }
    CNA_TRY(apply(s, w->q, w->q_bias, *n_rows, q_dim, s->q, err));
    normalise_heads(s, s->q, w->q_norm, *n_rows, q_dim);
    CNA_TRY(cna_attend_block(s, spans, index, *n_rows, err));
    convert_input(s, s->attended, *n_rows, q_dim);
    CNA_TRY(apply(s, w->o, w->o_bias, *n_rows, c->hidden_dim, s->out, err));
    finish_output(s, w->norms[CNA_NORM_ATTENTION_OUT], *n_rows);
    cna_add(s->residual, s->out, *n_rows * c->hidden_dim);

    take_residual(s, w->norms[CNA_NORM_MLP], *n_rows);
    CNA_TRY(apply(s, w->gate, w->gate_bias, *n_rows, c->mlp_dim, s->gate, err));
    CNA_TRY(apply(s, w->up, w->up_bias, *n_rows, c->mlp_dim, s->up, err));
    activate(c, s->gate, s->up, *n_rows * c->mlp_dim); /* s->gate is now h */
    CNA_TRY(capture(s, sinks->on_h, sinks->user, index, first_wanted, s->gate, c->mlp_dim, *n_rows, err));
    if (last && !goes_past_h(sinks)) return CNA_OK;
    scale_tapped(s, spans, index, *n_rows);
    convert_input(s, s->gate, *n_rows, c->mlp_dim);
    CNA_TRY(apply(s, w->down, w->down_bias, *n_rows, c->hidden_dim, s->out, err));
    finish_output(s, w->norms[CNA_NORM_MLP_OUT], *n_rows);
    CNA_TRY(capture(s, sinks->on_mlp_output, sinks->user, index, first_wanted, s->out, c->hidden_dim, *n_rows, err));
    cna_add(s->residual, s->out, *n_rows * c->hidden_dim);
    shift_tapped(s, spans, index, *n_rows);
    return capture(s, sinks->on_residual, sinks->user, index, first_wanted, s->residual, c->hidden_dim, *n_rows, err);
}

/* Final norm and vocabulary projection of wanted rows, whose residual stream is x. */
static cna_status project(cna_session *s, const cna_sinks *sinks, const float *x, size_t n_rows, cna_error *err)
{
    const cna_config *c = &s->model->checkpoint.config;
    const cna_linear *head;
    CNA_TRY(cna_session_reserve_logits(s, err));
    CNA_TRY(cna_stream_head(s->stream, n_rows == 1, s->repeats, &head, err));
    for (size_t t = 0; t < n_rows; t += CNA_LOGIT_ROWS) {
        size_t n = n_rows - t < CNA_LOGIT_ROWS ? n_rows - t : CNA_LOGIT_ROWS;
        normalise(s, x + t * c->hidden_dim, s->model->weights.final_norm, n, c->hidden_dim, s->normed);
        CNA_TRY(check_overflow(s, c->n_layers - 1, err));
        convert_input(s, s->normed, n, c->hidden_dim);
        CNA_TRY(apply(s, head, NULL, n, c->vocab_size, s->logits, err));
        if (c->logit_divisor != 1) cna_divide(s->logits, c->logit_divisor, n * c->vocab_size);
        if (c->logit_cap > 0) cna_soft_cap(s->logits, c->logit_cap, n * c->vocab_size);
        CNA_TRY(sinks->on_logits(sinks->user, c->n_layers, t, s->logits, n, err));
    }
    return CNA_OK;
}

/* Copy rows of the residual stream between s->x and the block. */
static void load_block(cna_session *s, size_t first, size_t n_rows)
{
    size_t dim = s->model->checkpoint.config.hidden_dim;
    memcpy(s->block, s->active + first, n_rows * sizeof *s->block);
    for (size_t t = 0; t < n_rows; t++) memcpy(s->residual + t * dim, s->x + s->block[t].at * dim, dim * sizeof *s->x);
}

static void store_block(cna_session *s, size_t n_rows)
{
    size_t dim = s->model->checkpoint.config.hidden_dim;
    for (size_t t = 0; t < n_rows; t++) memcpy(s->x + s->block[t].at * dim, s->residual + t * dim, dim * sizeof *s->x);
}

/* Layer by layer, and block by block within a layer: each layer's weights are walked over once. */
static cna_status run_layers(cna_session *s, const cna_span *spans, size_t n_spans, const cna_sinks *sinks,
                             cna_error *err)
{
    const cna_config *c = &s->model->checkpoint.config;
    size_t n_projected = 0;
    for (uint32_t layer = 0; layer < c->n_layers; layer++) {
        const cna_layer_weights *weights;
        size_t n_active = begin_layer(s, spans, n_spans, layer), n_wanted = 0;
        CNA_TRY(cna_stream_layer(s->stream, layer, n_active == 1, s->repeats, &weights, err));
        for (size_t first = 0; first < n_active; first += CNA_BLOCK_ROWS) {
            size_t n_block = n_active - first < CNA_BLOCK_ROWS ? n_active - first : CNA_BLOCK_ROWS;
            load_block(s, first, n_block);
            CNA_TRY(run_layer(s, weights, spans, sinks, layer, &n_block, n_wanted, err));
            CNA_TRY(check_overflow(s, layer, err));
            n_wanted += count_wanted(s, n_block);
            if (layer + 1 < c->n_layers) {
                store_block(s, n_block);
            } else if (n_block > 0) { /* the rows left are wanted; earlier rows of x are done with */
                memmove(s->x + n_projected * c->hidden_dim, s->residual, n_block * c->hidden_dim * sizeof *s->x);
                n_projected += n_block;
            }
        }
    }
    return sinks->on_logits == NULL ? CNA_OK : project(s, sinks, s->x, n_projected, err);
}

/* A small pass over weights that a cache can hold is over before a second thread has woken up, and on a busy machine
 * each of the some twenty places a layer where threads meet can cost a time slice: measured 12 times slower with two
 * threads than with one, decoding 64 sequences of a 2.7 M parameter model beside two other busy processes. */
static int threads_for(const cna_model *model, size_t n_rows)
{
    const double small = 2e9, cached = 5e7; /* floating point operations; parameters */
    double n_parameters = (double)model->info.n_parameters;
    return n_parameters < cached && 2.0 * (double)n_rows * n_parameters < small ? 1 : model->n_threads;
}

/* Ask OpenMP for a team that it will grant in full: oneDNN compiles a product for the number asked for, and with fewer
 * threads at hand would leave part of it undone. */
static void set_threads(int n_threads)
{
    int limit = omp_get_thread_limit();
    if (n_threads > limit) n_threads = limit;
    if (omp_in_parallel()) n_threads = 1;
    omp_set_dynamic(0);
    omp_set_num_threads(n_threads);
}

/* Count a pass that began at `start`, when the products had used `before`. */
static void count_usage(const cna_session *s, size_t n_rows, double start, const double before[2], cna_usage *usage)
{
    double products[2];
    cna_linear_context_used(s->products, &products[0], &products[1]);
    usage->seconds += cna_clock_seconds() - start;
    usage->product_seconds += products[0] - before[0];
    usage->product_flops += products[1] - before[1];
    usage->n_passes++;
    usage->n_rows += n_rows;
}

cna_status cna_forward(cna_session *s, const cna_span *spans, size_t n_spans, const cna_sinks *sinks, cna_usage *usage,
                       cna_error *err)
{
    size_t n_rows = 0;
    double start = cna_clock_seconds(), before[2];
    cna_linear_context_used(s->products, &before[0], &before[1]);
    for (size_t i = 0; i < n_spans; i++) n_rows += spans[i].n_tokens;
    set_threads(threads_for(s->model, n_rows));
    s->overflow = false;
    /* Embedding rows are read here, and weights behind the stream's checks, which look only at a layer's own files. */
    CNA_TRY(cna_checkpoint_check(&s->model->checkpoint, err));
    CNA_TRY(begin_pass(s, spans, n_spans, n_rows, err));
    CNA_TRY(cna_checkpoint_check(&s->model->checkpoint, err)); /* before anything is made of those rows */
    CNA_TRY(run_layers(s, spans, n_spans, sinks, err));
    CNA_TRY(cna_checkpoint_check(&s->model->checkpoint, err));
    if (usage != NULL) count_usage(s, n_rows, start, before, usage);
    return CNA_OK;
}

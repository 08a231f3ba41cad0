/* SPDX-License-Identifier: MIT
 * The forward pass. Read run_layer first: it is the model. */
#include "engine/forward.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "engine/stream.h"
#include "tensor/ops.h"

/* Rows worked on at a time: enough to use the machine's matrix product fully, few enough that the MLP's two
 * [rows, mlp_dim] buffers stay near the cores. */
enum { BLOCK_ROWS = 512, LOGIT_ROWS = 64 };

/* One token of a pass. */
typedef struct row {
    uint32_t span;
    uint32_t position;     /* absolute: prefix included */
    cna_row_kind kind;
    bool wanted;
} row;

struct cna_session {
    const cna_model *model;
    cna_linear_context *products;
    cna_stream *stream;
    float *frequencies;          /* [head_dim / 2] */
    float *cos, *sin;            /* [n_positions, head_dim / 2] */
    size_t n_positions, cos_capacity, sin_capacity;
    row *rows;                   /* [n_rows] of the pass */
    float *x;                    /* [n_rows, hidden_dim] residual stream */
    size_t rows_capacity, x_capacity;
    row *block;                  /* [BLOCK_ROWS] the rows at work */
    float *residual;             /* [BLOCK_ROWS, hidden_dim] */
    float *normed;               /* [BLOCK_ROWS, hidden_dim] */
    void *input;                 /* [BLOCK_ROWS, widest product input] in the products' input type */
    float *q, *attended;         /* [BLOCK_ROWS, n_heads * head_dim] */
    float *k, *v;                /* [BLOCK_ROWS, n_kv_heads * head_dim] */
    float *gate, *up;            /* [BLOCK_ROWS, mlp_dim] */
    float *out;                  /* [BLOCK_ROWS, hidden_dim] what a sublayer adds */
    float *logits;               /* ? [LOGIT_ROWS, vocab_size] */
    float *scores;               /* [n_threads, n_positions] */
    size_t scores_capacity;
};

cna_status cna_session_create(const cna_model *model, cna_session **out, cna_error *err)
{
    const cna_config *c = &model->checkpoint.config;
    size_t q_dim = (size_t)c->n_heads * c->head_dim, kv_dim = (size_t)c->n_kv_heads * c->head_dim;
    size_t widest = c->mlp_dim > c->hidden_dim ? c->mlp_dim : c->hidden_dim;
    if (q_dim > widest) widest = q_dim;
    *out = NULL;
    cna_session *s;
    cna_status status;
    CNA_TRY(cna_alloc(&s, 1, sizeof *s, "session", err));
    s->model = model;
    CNA_TRY_CLEANUP(cna_linear_context_create(&s->products, err));
    CNA_TRY_CLEANUP(cna_stream_create(model, &s->stream, err));
    CNA_TRY_CLEANUP(cna_alloc(&s->frequencies, c->head_dim / 2, sizeof(float), "rotary table", err));
    cna_config_inverse_frequencies(c, s->frequencies);
    CNA_TRY_CLEANUP(cna_alloc(&s->block, BLOCK_ROWS, sizeof *s->block, "rows", err));
    CNA_TRY_CLEANUP(cna_alloc(&s->input, BLOCK_ROWS * widest, cna_input_bytes(model->input), "product inputs", err));
    const struct {
        float **buffer;
        size_t width;
    } buffers[] = {{&s->residual, c->hidden_dim}, {&s->normed, c->hidden_dim}, {&s->out, c->hidden_dim}, {&s->q, q_dim},
                   {&s->attended, q_dim},         {&s->k, kv_dim},             {&s->v, kv_dim},          {&s->gate, c->mlp_dim},
                   {&s->up, c->mlp_dim}};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        CNA_TRY_CLEANUP(cna_alloc(buffers[i].buffer, BLOCK_ROWS * buffers[i].width, sizeof(float), "activations", err));
    }
    *out = s;
    s = NULL;
cleanup:
    cna_session_free(s);
    return status;
}

void cna_session_free(cna_session *s)
{
    if (s == NULL) return;
    cna_linear_context_free(s->products);
    cna_stream_free(s->stream);
    void *buffers[] = {s->frequencies, s->cos, s->sin, s->rows, s->x, s->block, s->residual, s->normed, s->input, s->q,
                       s->attended, s->k, s->v, s->gate, s->up, s->out, s->logits, s->scores};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) cna_free(buffers[i]);
    cna_free(s);
}

/* cos and sin of position * frequency, both in f32 as transformers computes them. */
static cna_status extend_rotary_table(cna_session *s, size_t n_positions, cna_error *err)
{
    size_t half = s->model->checkpoint.config.head_dim / 2;
    if (n_positions <= s->n_positions) return CNA_OK;
    CNA_TRY(cna_grow(&s->cos, &s->cos_capacity, n_positions * half, sizeof *s->cos, "rotary table", err));
    CNA_TRY(cna_grow(&s->sin, &s->sin_capacity, n_positions * half, sizeof *s->sin, "rotary table", err));
    for (size_t p = s->n_positions; p < n_positions; p++) {
        for (size_t i = 0; i < half; i++) {
            float angle = (float)p * s->frequencies[i];
            s->cos[p * half + i] = cosf(angle);
            s->sin[p * half + i] = sinf(angle);
        }
    }
    s->n_positions = n_positions;
    return CNA_OK;
}

static cna_row_kind kind_of(size_t position, size_t n_prompt)
{
    if (position >= n_prompt) return CNA_ROW_GENERATED;
    return position + 1 == n_prompt ? CNA_ROW_LAST : CNA_ROW_PROMPT;
}

/* Lay out the rows of a pass, look up their embeddings, and count them into their caches (so that a prefix of this
 * pass has its length when the sequences behind it are laid out). */
static cna_status begin_pass(cna_session *s, const cna_span *spans, size_t n_spans, size_t n_rows, cna_error *err)
{
    const cna_matrix_view *embedding = &s->model->weights.embedding;
    size_t n_positions = 0, dim = embedding->cols;
    CNA_TRY(cna_grow(&s->rows, &s->rows_capacity, n_rows, sizeof *s->rows, "rows", err));
    CNA_TRY(cna_grow(&s->x, &s->x_capacity, n_rows * dim, sizeof *s->x, "residual stream", err));
    size_t at = 0;
    for (size_t i = 0; i < n_spans; i++) {
        const cna_span *span = &spans[i];
        size_t first = cna_kv_prefix_tokens(span->kv) + span->kv->n_tokens;
        span->kv->n_tokens += span->n_tokens;
        for (size_t t = 0; t < span->n_tokens; t++, at++) {
            size_t position = first + t;
            s->rows[at] = (row){.span = (uint32_t)i, .position = (uint32_t)position, .kind = kind_of(position, span->n_prompt),
                                .wanted = t + span->n_wanted >= span->n_tokens};
            const char *source = (const char *)embedding->data +
                                 (size_t)span->ids[t] * dim * cna_storage_bytes(embedding->storage);
            cna_widen(source, embedding->storage, dim, s->x + at * dim);
        }
        if (first + span->n_tokens > n_positions) n_positions = first + span->n_tokens;
    }
    CNA_TRY(extend_rotary_table(s, n_positions, err));
    return cna_grow(&s->scores, &s->scores_capacity, n_positions * (size_t)s->model->n_threads, sizeof *s->scores,
                    "attention scores", err);
}

/* s->input = x in the products' type, split over threads by rows. */
static void convert_input(cna_session *s, const float *x, size_t n_rows, size_t dim)
{
    size_t bytes = dim * cna_input_bytes(s->model->input);
#pragma omp parallel for schedule(static) if (n_rows > 1)
    for (size_t t = 0; t < n_rows; t++) cna_input_convert(s->model->input, x + t * dim, dim, (char *)s->input + t * bytes);
}

static cna_status apply(cna_session *s, const cna_linear *linear, const float *bias, size_t n_rows, size_t n_out,
                        float *y, cna_error *err)
{
    CNA_TRY(cna_linear_apply(linear, s->products, s->input, n_rows, y, err));
    if (bias != NULL) cna_add_bias(y, bias, n_rows, n_out);
    return CNA_OK;
}

/* Rotate the block's keys and put them and the values into their sequences' caches. */
static void store_keys_and_values(cna_session *s, const cna_span *spans, uint32_t layer, size_t n_rows)
{
    const cna_config *c = &s->model->checkpoint.config;
    size_t half = c->head_dim / 2, kv_dim = (size_t)c->n_kv_heads * c->head_dim;
#pragma omp parallel for schedule(static) if (n_rows > 1)
    for (size_t t = 0; t < n_rows; t++) {
        size_t position = s->block[t].position;
        cna_kv *kv = spans[s->block[t].span].kv;
        cna_rope(s->k + t * kv_dim, c->n_kv_heads, c->head_dim, s->cos + position * half, s->sin + position * half);
        cna_kv_store(kv, layer, position - cna_kv_prefix_tokens(kv), s->k + t * kv_dim, s->v + t * kv_dim);
    }
}

/* Rotate the block's queries and attend: s->attended. */
static void attend(cna_session *s, const cna_span *spans, uint32_t layer, size_t n_rows)
{
    const cna_config *c = &s->model->checkpoint.config;
    size_t half = c->head_dim / 2, group = c->n_heads / c->n_kv_heads, head_dim = c->head_dim;
    size_t n_units = n_rows * c->n_kv_heads, scores_stride = s->scores_capacity / (size_t)s->model->n_threads;
#pragma omp parallel for schedule(dynamic, 16)
    for (size_t unit = 0; unit < n_units; unit++) {
        size_t t = unit / c->n_kv_heads, kv_head = unit % c->n_kv_heads;
        size_t position = s->block[t].position, at = (t * c->n_heads + kv_head * group) * head_dim;
        const cna_kv *kv = spans[s->block[t].span].kv;
        cna_kv_view views[2];
        size_t n_views = cna_kv_views(kv, layer, position + 1 - cna_kv_prefix_tokens(kv), views);
        cna_rope(s->q + at, group, head_dim, s->cos + position * half, s->sin + position * half);
        const cna_attention attention = {.n_rows = 1, .n_group = group, .head_dim = head_dim, .kv_head = kv_head,
                                         .views = views, .n_views = n_views, .n_visible = position + 1};
        cna_attend(&attention, s->q + at, s->scores + (size_t)omp_get_thread_num() * scores_stride, s->attended + at);
    }
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
        const cna_tap_column *columns = cna_tap_columns(spans[s->block[t].span].tap, layer, s->block[t].kind, &n_columns);
        for (size_t i = 0; i < n_columns; i++) s->gate[t * mlp_dim + columns[i].neuron] *= columns[i].multiplier;
    }
}

/* Hand h of the block's wanted rows to the sink, run by run. */
static cna_status capture_h(cna_session *s, const cna_sinks *sinks, uint32_t layer, size_t n_rows, size_t *n_wanted,
                            cna_error *err)
{
    size_t mlp_dim = s->model->checkpoint.config.mlp_dim;
    for (size_t t = 0; t < n_rows; t++) {
        if (!s->block[t].wanted) continue;
        CNA_TRY(sinks->on_h(sinks->user, layer, *n_wanted, s->gate + t * mlp_dim, 1, err));
        (*n_wanted)++;
    }
    return CNA_OK;
}

/* One decoder layer over the block's rows (s->block, s->residual), whose number may shrink in the last layer.
 * Source: transformers, LlamaDecoderLayer; Qwen2 differs by its q, k, v biases. */
static cna_status run_layer(cna_session *s, const cna_span *spans, const cna_sinks *sinks, uint32_t index,
                            size_t *n_rows, size_t *n_wanted, cna_error *err)
{
    const cna_config *c = &s->model->checkpoint.config;
    const cna_layer_weights *w;
    size_t q_dim = (size_t)c->n_heads * c->head_dim, kv_dim = (size_t)c->n_kv_heads * c->head_dim;
    bool last = index + 1 == c->n_layers;

    CNA_TRY(cna_stream_layer(s->stream, index, sinks->on_logits != NULL, &w, err));
    cna_rms_norm(s->residual, w->input_norm, c->rms_eps, *n_rows, c->hidden_dim, s->normed);
    convert_input(s, s->normed, *n_rows, c->hidden_dim);
    CNA_TRY(apply(s, w->k, w->k_bias, *n_rows, kv_dim, s->k, err));
    CNA_TRY(apply(s, w->v, w->v_bias, *n_rows, kv_dim, s->v, err));
    store_keys_and_values(s, spans, index, *n_rows);
    if (last) {
        *n_rows = keep_wanted(s, *n_rows);
        convert_input(s, s->normed, *n_rows, c->hidden_dim);
    }
    CNA_TRY(apply(s, w->q, w->q_bias, *n_rows, q_dim, s->q, err));
    attend(s, spans, index, *n_rows);
    convert_input(s, s->attended, *n_rows, q_dim);
    CNA_TRY(apply(s, w->o, NULL, *n_rows, c->hidden_dim, s->out, err));
    cna_add(s->residual, s->out, *n_rows * c->hidden_dim);

    cna_rms_norm(s->residual, w->post_attention_norm, c->rms_eps, *n_rows, c->hidden_dim, s->normed);
    convert_input(s, s->normed, *n_rows, c->hidden_dim);
    CNA_TRY(apply(s, w->gate, NULL, *n_rows, c->mlp_dim, s->gate, err));
    CNA_TRY(apply(s, w->up, NULL, *n_rows, c->mlp_dim, s->up, err));
    cna_swiglu(s->gate, s->up, *n_rows * c->mlp_dim); /* s->gate is now h */
    if (sinks->on_h != NULL) CNA_TRY(capture_h(s, sinks, index, *n_rows, n_wanted, err));
    if (last && sinks->on_logits == NULL) return CNA_OK;
    scale_tapped(s, spans, index, *n_rows);
    convert_input(s, s->gate, *n_rows, c->mlp_dim);
    CNA_TRY(apply(s, w->down, NULL, *n_rows, c->hidden_dim, s->out, err));
    cna_add(s->residual, s->out, *n_rows * c->hidden_dim);
    return CNA_OK;
}

/* Final norm and vocabulary projection of the block's rows, all of them wanted. */
static cna_status project(cna_session *s, const cna_sinks *sinks, size_t n_rows, size_t *n_wanted, cna_error *err)
{
    const cna_config *c = &s->model->checkpoint.config;
    if (s->logits == NULL) {
        CNA_TRY(cna_alloc(&s->logits, (size_t)LOGIT_ROWS * c->vocab_size, sizeof *s->logits, "logits", err));
    }
    const cna_linear *head;
    CNA_TRY(cna_stream_head(s->stream, true, &head, err));
    for (size_t t = 0; t < n_rows; t += LOGIT_ROWS) {
        size_t n = n_rows - t < LOGIT_ROWS ? n_rows - t : LOGIT_ROWS;
        cna_rms_norm(s->residual + t * c->hidden_dim, s->model->weights.final_norm, c->rms_eps, n, c->hidden_dim, s->normed);
        convert_input(s, s->normed, n, c->hidden_dim);
        CNA_TRY(apply(s, head, NULL, n, c->vocab_size, s->logits, err));
        CNA_TRY(sinks->on_logits(sinks->user, c->n_layers, *n_wanted, s->logits, n, err));
        *n_wanted += n;
    }
    return CNA_OK;
}

static cna_status run_layers(cna_session *s, const cna_span *spans, size_t n_rows, const cna_sinks *sinks, cna_error *err)
{
    const cna_config *c = &s->model->checkpoint.config;
    size_t dim = c->hidden_dim, n_logits = 0;
    for (uint32_t layer = 0; layer < c->n_layers; layer++) {
        size_t n_captured = 0;
        for (size_t first = 0; first < n_rows; first += BLOCK_ROWS) {
            size_t n_block = n_rows - first < BLOCK_ROWS ? n_rows - first : BLOCK_ROWS;
            memcpy(s->block, s->rows + first, n_block * sizeof *s->block);
            memcpy(s->residual, s->x + first * dim, n_block * dim * sizeof *s->x);
            CNA_TRY(run_layer(s, spans, sinks, layer, &n_block, &n_captured, err));
            if (layer + 1 < c->n_layers) memcpy(s->x + first * dim, s->residual, n_block * dim * sizeof *s->x);
            else if (sinks->on_logits != NULL) CNA_TRY(project(s, sinks, n_block, &n_logits, err));
        }
    }
    return CNA_OK;
}

/* A small pass is over before a second thread has woken up, and on a busy machine each of the some twenty places a
 * layer where threads meet can cost a time slice: measured 12 times slower with two threads than with one, decoding
 * 64 sequences of a 2.7 M parameter model beside two other busy processes. */
static int threads_for(const cna_model *model, size_t n_rows)
{
    const double small = 2e9; /* floating point operations */
    return 2.0 * (double)n_rows * (double)model->info.n_parameters < small ? 1 : model->n_threads;
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

cna_status cna_forward(cna_session *s, const cna_span *spans, size_t n_spans, const cna_sinks *sinks, cna_error *err)
{
    size_t n_rows = 0;
    for (size_t i = 0; i < n_spans; i++) n_rows += spans[i].n_tokens;
    set_threads(threads_for(s->model, n_rows));
    CNA_TRY(begin_pass(s, spans, n_spans, n_rows, err));
    return run_layers(s, spans, n_rows, sinks, err);
}

/* SPDX-License-Identifier: MIT
 * Buffers of a session. */
#include "engine/session.h"

#include <math.h>

/* The buffers of a block, by width, so that creating and counting them is one list. */
typedef struct buffer {
    float **at;
    size_t width;
} buffer;

enum { N_BUFFERS = 9 };

static size_t q_width(const cna_config *c)
{
    return (size_t)c->n_heads * c->head_dim;
}

static size_t widest_input(const cna_config *c)
{
    size_t widest = c->mlp_dim > c->hidden_dim ? c->mlp_dim : c->hidden_dim;
    return q_width(c) > widest ? q_width(c) : widest;
}

static void list_buffers(cna_session *s, const cna_config *c, buffer out[N_BUFFERS])
{
    size_t q_dim = q_width(c), kv_dim = (size_t)c->n_kv_heads * c->head_dim;
    const buffer list[N_BUFFERS] = {
        {&s->residual, c->hidden_dim}, {&s->normed, c->hidden_dim}, {&s->out, c->hidden_dim},
        {&s->q, q_dim},                {&s->attended, q_dim},       {&s->k, kv_dim},
        {&s->v, kv_dim},               {&s->gate, c->mlp_dim},      {&s->up, c->mlp_dim},
    };
    for (size_t i = 0; i < N_BUFFERS; i++) out[i] = list[i];
}

static cna_status create_rotary(const cna_config *c, bool local, cna_rotary *out, cna_error *err)
{
    CNA_TRY(cna_alloc(&out->frequencies, c->rotary_dim / 2, sizeof(float), "rotary table", err));
    cna_config_inverse_frequencies(c, local, out->frequencies);
    return CNA_OK;
}

cna_status cna_session_create(const cna_model *model, bool repeats, cna_session **out, cna_error *err)
{
    const cna_config *c = &model->checkpoint.config;
    *out = NULL;
    cna_session *s;
    cna_status status;
    CNA_TRY(cna_alloc(&s, 1, sizeof *s, "session", err));
    s->model = model;
    s->repeats = repeats;
    buffer buffers[N_BUFFERS];
    list_buffers(s, c, buffers);
    CNA_TRY_CLEANUP(cna_linear_context_create(&s->products, err));
    CNA_TRY_CLEANUP(cna_stream_create(model, &s->stream, err));
    CNA_TRY_CLEANUP(create_rotary(c, false, &s->rotary, err));
    if (c->rope_local_theta > 0) CNA_TRY_CLEANUP(create_rotary(c, true, &s->local_rotary, err));
    CNA_TRY_CLEANUP(cna_alloc(&s->block, CNA_BLOCK_ROWS, sizeof *s->block, "rows", err));
    CNA_TRY_CLEANUP(cna_alloc(&s->tiles, CNA_BLOCK_ROWS, sizeof *s->tiles, "rows", err));
    CNA_TRY_CLEANUP(cna_alloc(&s->input, CNA_BLOCK_ROWS * widest_input(c), cna_input_bytes(model->input),
                              "product inputs", err));
    for (size_t i = 0; i < N_BUFFERS; i++) {
        CNA_TRY_CLEANUP(cna_alloc(buffers[i].at, CNA_BLOCK_ROWS * buffers[i].width, sizeof(float), "activations", err));
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
    buffer buffers[N_BUFFERS];
    list_buffers(s, &s->model->checkpoint.config, buffers);
    for (size_t i = 0; i < N_BUFFERS; i++) cna_free(*buffers[i].at);
    cna_linear_context_free(s->products);
    cna_stream_free(s->stream);
    void *others[] = {s->rotary.frequencies, s->rotary.cos, s->rotary.sin, s->local_rotary.frequencies,
                      s->local_rotary.cos, s->local_rotary.sin, s->rows, s->active, s->x, s->block, s->tiles,
                      s->views, s->input, s->logits, s->scores};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) cna_free(others[i]);
    cna_free(s);
}

/* cos and sin of position * frequency, both in f32 as transformers computes them. */
static cna_status extend_rotary(const cna_config *c, cna_rotary *r, size_t begin, size_t end, cna_error *err)
{
    size_t half = c->rotary_dim / 2;
    if (r->frequencies == NULL) return CNA_OK;
    CNA_TRY(cna_grow(&r->cos, &r->cos_capacity, end * half, sizeof *r->cos, "rotary table", err));
    CNA_TRY(cna_grow(&r->sin, &r->sin_capacity, end * half, sizeof *r->sin, "rotary table", err));
    for (size_t p = begin; p < end; p++) {
        for (size_t i = 0; i < half; i++) {
            float angle = (float)p * r->frequencies[i];
            r->cos[p * half + i] = cosf(angle) * c->rope_magnitude;
            r->sin[p * half + i] = sinf(angle) * c->rope_magnitude;
        }
    }
    return CNA_OK;
}

static cna_status extend_rotary_tables(cna_session *s, size_t n_positions, cna_error *err)
{
    const cna_config *c = &s->model->checkpoint.config;
    if (n_positions <= s->n_positions) return CNA_OK;
    CNA_TRY(extend_rotary(c, &s->rotary, s->n_positions, n_positions, err));
    CNA_TRY(extend_rotary(c, &s->local_rotary, s->n_positions, n_positions, err));
    s->n_positions = n_positions;
    return CNA_OK;
}

/* Room for n values, the old ones lost: of the exact size, as plans count it, where cna_grow would double. */
static cna_status replace(float **values, size_t *capacity, size_t n, const char *what, cna_error *err)
{
    if (n <= *capacity) return CNA_OK;
    cna_free(*values);
    *values = NULL;
    *capacity = 0;
    CNA_TRY(cna_alloc(values, n, sizeof **values, what, err));
    *capacity = n;
    return CNA_OK;
}

cna_status cna_session_reserve(cna_session *s, size_t n_rows, size_t n_positions, cna_error *err)
{
    size_t dim = s->model->checkpoint.config.hidden_dim;
    CNA_TRY(cna_grow(&s->rows, &s->rows_capacity, n_rows, sizeof *s->rows, "rows", err));
    CNA_TRY(cna_grow(&s->active, &s->active_capacity, n_rows, sizeof *s->active, "rows", err));
    CNA_TRY(replace(&s->x, &s->x_capacity, n_rows * dim, "residual stream", err));
    return extend_rotary_tables(s, n_positions, err);
}

cna_status cna_session_reserve_scores(cna_session *s, size_t n_each, cna_error *err)
{
    if (n_each > s->scores_stride) s->scores_stride = n_each;
    return replace(&s->scores, &s->scores_capacity, s->scores_stride * (size_t)s->model->n_threads, "attention scores",
                   err);
}

cna_status cna_session_reserve_logits(cna_session *s, cna_error *err)
{
    if (s->logits != NULL) return CNA_OK;
    size_t vocab_size = s->model->checkpoint.config.vocab_size;
    return cna_alloc(&s->logits, CNA_LOGIT_ROWS * vocab_size, sizeof *s->logits, "logits", err);
}

uint64_t cna_session_bytes(const cna_model *model, size_t n_rows, size_t n_positions, bool logits)
{
    const cna_config *c = &model->checkpoint.config;
    cna_session none = {0};
    buffer buffers[N_BUFFERS];
    list_buffers(&none, c, buffers);
    uint64_t width = 0;
    for (size_t i = 0; i < N_BUFFERS; i++) width += buffers[i].width * sizeof(float);
    width += widest_input(c) * cna_input_bytes(model->input);
    /* Products of f32 inputs on most kernels copy their tile; the rest is small beside a real shape's buffers. */
    uint64_t group = c->n_heads / c->n_kv_heads;
    uint64_t scores = (uint64_t)model->n_threads * CNA_ATTENTION_ROWS * group * n_positions * sizeof(float);
    uint64_t rows = (uint64_t)n_rows * (c->hidden_dim * sizeof(float) + 2 * sizeof(cna_row));
    uint64_t table = (uint64_t)n_positions * c->rotary_dim * sizeof(float) * (c->rope_local_theta > 0 ? 2 : 1);
    uint64_t out = logits ? (uint64_t)CNA_LOGIT_ROWS * c->vocab_size * sizeof(float) : 0;
    return CNA_BLOCK_ROWS * width + scores + rows + table + out + cna_stream_bytes(model, logits);
}

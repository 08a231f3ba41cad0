/* SPDX-License-Identifier: MIT
 * Causal attention of new rows over cached keys and values, in f32. */
#include "tensor/attention.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tensor/clones.h"
#include "tensor/ops.h"

/* Queries at a time. Times two vectors are eight sums, enough to hide the latency of additions and few enough for the
 * sixteen registers of AVX2 and SSE; where there are thirty-two, four vectors do better. */
enum { QUERIES = 4 };

/* The loops of attention_kernels.h for one vector width; n_queries is 1 .. QUERIES. */
typedef struct kernels {
    /* scores[g][p] = scale * sum_i queries[g][i] keys[i, p] for p < n; scores up to the next multiple of CNA_KV_STEP
     * may be written. */
    void (*score)(const float *const *queries, size_t n_queries, size_t head_dim, const float *keys, size_t capacity,
                  size_t n, float scale, float *const *scores);
    /* out[g][i] += sum_p weights[g][p] values[p, i] in order of p < n. */
    void (*add_values)(const float *const *weights, size_t n_queries, size_t n, const float *values, size_t head_dim,
                       float *const *out);
} kernels;

#if CNA_X86_TARGETS
#define LANES 16
#define VECTORS 4
#define NAMED(name) name##_16
#define TARGET __attribute__((target("avx512f")))
#include "tensor/attention_kernels.h"

#define LANES 8
#define VECTORS 2
#define NAMED(name) name##_8
#define TARGET __attribute__((target("avx2")))
#include "tensor/attention_kernels.h"
#endif

#define LANES 4
#define VECTORS 2
#define NAMED(name) name##_4
#define TARGET
#include "tensor/attention_kernels.h"

static const kernels *kernels_for(size_t n_lanes)
{
#if CNA_X86_TARGETS
    if (n_lanes >= 16 && __builtin_cpu_supports("avx512f")) return &kernels_16;
    if (n_lanes >= 8 && __builtin_cpu_supports("avx2")) return &kernels_8;
#endif
    (void)n_lanes;
    return &kernels_4;
}

/* A call at work. Query x is head x % n_group of row x / n_group. */
typedef struct tile {
    const cna_attention *a;
    const kernels *k;
    const float *q;
    float *out;
    float *scores; /* [n_queries, stride] */
    size_t n_queries, stride;
} tile;

/* Neighbouring queries that go through a kernel together. */
typedef struct block {
    size_t n;
    size_t first[QUERIES], n_visible[QUERIES]; /* both ascending: positions first .. n_visible - 1 */
    const float *q[QUERIES];
    float *scores[QUERIES], *out[QUERIES];
} block;

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Positions that the last row sees. */
static size_t n_visible_max(const cna_attention *a)
{
    return a->n_visible + a->n_rows - 1;
}

/* The first position that a row sees. */
static size_t first_visible(const cna_attention *a, size_t row)
{
    size_t n_visible = a->n_visible + row;
    return a->window == 0 || a->window > n_visible ? 0 : n_visible - a->window;
}

/* Values from one query's scores to the next: a vector may begin at the last position. */
static size_t score_stride(const cna_attention *a)
{
    return (n_visible_max(a) + 2 * CNA_KV_STEP - 2) / CNA_KV_STEP * CNA_KV_STEP;
}

size_t cna_attention_scratch(const cna_attention *a)
{
    return a->n_rows * a->n_group * score_stride(a);
}

/* Queries from x on; scores begin at a position. */
static block block_at(const tile *t, size_t x, size_t position)
{
    const cna_attention *a = t->a;
    block b = {.n = min_size(QUERIES, t->n_queries - x)};
    size_t row = x / a->n_group, head = x % a->n_group;
    for (size_t i = 0; i < b.n; i++) {
        size_t at = row * a->row_stride + head * a->head_dim;
        b.first[i] = first_visible(a, row);
        b.n_visible[i] = a->n_visible + row;
        b.q[i] = t->q + at;
        b.out[i] = t->out + at;
        b.scores[i] = t->scores + (x + i) * t->stride + position;
        if (++head == a->n_group) {
            head = 0;
            row++;
        }
    }
    return b;
}

/* Positions of one view that are worked on together: as many as stay in the first-level cache while all queries of a
 * tile pass over them. */
typedef struct run {
    const float *data;    /* keys or values of the first position */
    size_t stride;        /* of keys: from one dimension to the next */
    size_t first, n;      /* absolute positions */
    size_t view, in_view; /* where it lies */
} run;

enum { RUN_KEYS = 64, RUN_VALUES_BYTES = 16384, LINE_FLOATS = 16 };

/* Positions in a run of values. */
static size_t values_step(size_t head_dim)
{
    size_t step = RUN_VALUES_BYTES / (head_dim * sizeof(float));
    return step > CNA_KV_STEP ? step : CNA_KV_STEP;
}

static bool step_run(const cna_attention *a, bool keys, run *r)
{
    r->first += r->n;
    r->in_view += r->n;
    while (r->view < a->n_views && r->in_view == a->views[r->view].n_tokens) {
        r->view++;
        r->in_view = 0;
    }
    size_t end = n_visible_max(a);
    if (r->view == a->n_views || r->first >= end) return false;
    const cna_kv_view *view = &a->views[r->view];
    size_t head = a->kv_head * a->head_dim * view->capacity;
    r->n = min_size(min_size(keys ? RUN_KEYS : values_step(a->head_dim), view->n_tokens - r->in_view), end - r->first);
    r->stride = view->capacity;
    r->data = keys ? view->keys + head + r->in_view : view->values + head + r->in_view * a->head_dim;
    return true;
}

/* Go on to the next run of keys or values that some row sees; false behind what the last row sees. *r is zero at the
 * start. */
static bool next_run(const cna_attention *a, bool keys, run *r)
{
    size_t first = first_visible(a, 0);
    while (step_run(a, keys, r)) {
        if (r->first + r->n > first) return true;
    }
    return false;
}

/* Ask for a run ahead of its use, into the second-level cache. Short views that lie apart are over before the processor
 * notices that they are read in order: decoding from memory took twice the time. */
static void prefetch_run(const cna_attention *a, bool keys, const run *r)
{
    if (keys) {
        for (size_t i = 0; i < a->head_dim; i++) {
            for (size_t p = 0; p < r->n; p += LINE_FLOATS) __builtin_prefetch(r->data + i * r->stride + p, 0, 2);
        }
    } else {
        for (size_t i = 0; i < r->n * a->head_dim; i += LINE_FLOATS) __builtin_prefetch(r->data + i, 0, 2);
    }
}

/* The scores of a run. What vectors compute past its end is overwritten by the next run or lies behind what the query
 * sees. */
static void score_run(const tile *t, const run *r)
{
    size_t head_dim = t->a->head_dim, run_end = r->first + r->n;
    for (size_t x = 0; x < t->n_queries; x += QUERIES) {
        block b = block_at(t, x, r->first);
        size_t end = min_size(run_end, b.n_visible[b.n - 1]);
        if (end <= r->first || run_end <= b.first[0]) continue;
        t->k->score(b.q, b.n, head_dim, r->data, r->stride, end - r->first, t->a->scale, b.scores);
    }
}

/* Add values of positions [first, end) of a run to the output of query i of a block. */
static void add_alone(const tile *t, const run *r, const block *b, size_t i, size_t first, size_t end)
{
    if (end <= first) return;
    size_t skip = first - r->first;
    const float *weights = b->scores[i] + skip;
    t->k->add_values(&weights, 1, end - first, r->data + skip * t->a->head_dim, t->a->head_dim, &b->out[i]);
}

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Add the values of a run to the outputs: positions that all queries of a block see together, those before and behind
 * them alone. A weight of zero would not do for the others, because what it multiplies may be no number. */
static void add_run(const tile *t, const run *r)
{
    size_t run_end = r->first + r->n;
    for (size_t x = 0; x < t->n_queries; x += QUERIES) {
        block b = block_at(t, x, r->first);
        const float *weights[QUERIES];
        size_t first = max_size(b.first[b.n - 1], r->first), end = max_size(min_size(b.n_visible[0], run_end), first);
        if (first >= run_end) first = end = run_end;
        for (size_t i = 0; i < b.n; i++) {
            add_alone(t, r, &b, i, max_size(b.first[i], r->first), min_size(b.n_visible[i], first));
            weights[i] = b.scores[i] + (first - r->first);
        }
        const float *values = r->data + (first - r->first) * t->a->head_dim;
        if (end > first) t->k->add_values(weights, b.n, end - first, values, t->a->head_dim, b.out);
        for (size_t i = 0; i < b.n; i++) add_alone(t, r, &b, i, end, min_size(b.n_visible[i], run_end));
    }
}

/* Work on all runs of keys or of values, asking for each while the one before it is worked on. */
static void for_each_run(const tile *t, bool keys)
{
    run here = {0};
    bool more = next_run(t->a, keys, &here);
    while (more) {
        run next = here;
        more = next_run(t->a, keys, &next);
        if (more) prefetch_run(t->a, keys, &next);
        if (keys) score_run(t, &here);
        else add_run(t, &here);
        here = next;
    }
}

/* Turn a row's scores into weights; returns their sum. Positions before its window become the clamped e^-87 that the
 * softmax's padding is, which add nothing. */
static float weigh(const cna_attention *a, size_t row, float *scores)
{
    size_t first = first_visible(a, row), n = a->n_visible + row, begin = first / CNA_KV_STEP * CNA_KV_STEP;
    if (a->cap > 0) cna_soft_cap(scores + first, a->cap, n - first);
    for (size_t p = begin; p < first; p++) scores[p] = -INFINITY;
    return cna_softmax_unscaled(scores + begin, n - begin);
}

/* The sums' inverses lie behind the weights. */
void cna_attend_lanes(const cna_attention *a, size_t n_lanes, const float *q, float *scratch, float *out)
{
    const tile t = {a, kernels_for(n_lanes), q, out, scratch, a->n_rows * a->n_group, score_stride(a)};
    for_each_run(&t, true);
    run values = {0};
    if (next_run(a, false, &values)) prefetch_run(a, false, &values);
    for (size_t x = 0; x < t.n_queries; x++) {
        size_t row = x / a->n_group;
        float *scores = scratch + x * t.stride;
        scores[t.stride - 1] = 1.0f / weigh(a, row, scores);
        memset(out + row * a->row_stride + x % a->n_group * a->head_dim, 0, a->head_dim * sizeof *out);
    }
    for_each_run(&t, false);
    for (size_t x = 0; x < t.n_queries; x++) {
        float *to = out + x / a->n_group * a->row_stride + x % a->n_group * a->head_dim;
        float inverse = scratch[(x + 1) * t.stride - 1];
        for (size_t i = 0; i < a->head_dim; i++) to[i] *= inverse;
    }
}

void cna_attend(const cna_attention *a, const float *q, float *scratch, float *out)
{
    cna_attend_lanes(a, CNA_KV_STEP, q, scratch, out);
}

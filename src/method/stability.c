/* SPDX-License-Identifier: MIT
 * Circuits of halves. */
#include "method/stability.h"

#include <stdlib.h>
#include <string.h>

#include "method/contrast.h"
#include "method/random.h"
#include "method/stats.h"
#include "method/top.h"

enum { GROWTH = 4 }; /* the largest circuit looked at, in k */

struct cna_stability {
    cna_stability_plan plan;
    uint32_t *rows;       /* [n_halvings, prompts]: positive prompts of one half, of the other, negative of both */
    size_t n_groups;      /* heaps of a half: one, or one a layer */
    size_t capacity;      /* of a heap */
    cna_top_entry *heaps; /* [n_halvings, 2, n_groups, capacity] */
    size_t *n_held;       /* [n_halvings, 2, n_groups] */
};

/* ---- halves ---- */

static size_t n_prompts(const cna_stability *s)
{
    return s->plan.n_positive + s->plan.n_negative;
}

static void draw_halves(cna_stability *s)
{
    const cna_stability_plan *p = &s->plan;
    for (size_t i = 0; i < p->n_halvings; i++) {
        uint32_t *rows = s->rows + i * n_prompts(s);
        for (uint32_t side = 0; side < 2; side++) {
            size_t first = side == 0 ? 0 : p->n_positive, n = side == 0 ? p->n_positive : p->n_negative;
            uint64_t state = cna_random_state(p->seed, i, CNA_RANDOM_HALVING, side);
            cna_random_split(&state, n, n / 2, rows + first);
            for (size_t j = 0; j < n; j++) rows[first + j] += (uint32_t)first;
        }
    }
}

cna_status cna_stability_create(const cna_stability_plan *plan, cna_stability **out, cna_error *err)
{
    if (plan->n_positive < 2 || plan->n_negative < 2) {
        return cna_fail(err, CNA_ERR_ARG, "stability: expected two prompts a side or more, found %zu positive and %zu "
                        "negative", plan->n_positive, plan->n_negative);
    }
    cna_status status;
    cna_stability *s = NULL;
    CNA_TRY_CLEANUP(cna_alloc(&s, 1, sizeof *s, "stability", err));
    s->plan = *plan;
    s->n_groups = plan->per_layer ? plan->n_layers : 1;
    size_t n_most = plan->per_layer ? plan->mlp_dim : (size_t)plan->n_layers * plan->mlp_dim;
    s->capacity = plan->k < n_most / GROWTH ? GROWTH * plan->k : n_most;
    size_t n_heaps = 2 * plan->n_halvings * s->n_groups;
    CNA_TRY_CLEANUP(cna_alloc(&s->rows, plan->n_halvings * n_prompts(s), sizeof *s->rows, "halves", err));
    CNA_TRY_CLEANUP(cna_alloc(&s->heaps, n_heaps * s->capacity, sizeof *s->heaps, "halves' circuits", err));
    CNA_TRY_CLEANUP(cna_alloc(&s->n_held, n_heaps, sizeof *s->n_held, "halves' circuits", err));
    draw_halves(s);
    *out = s;
    s = NULL;
cleanup:
    cna_stability_free(s);
    return status;
}

void cna_stability_free(cna_stability *s)
{
    if (s == NULL) return;
    cna_free(s->rows);
    cna_free(s->heaps);
    cna_free(s->n_held);
    cna_free(s);
}

/* ---- candidates ---- */

/* One half's prompts of one side, over all columns of a panel. */
typedef struct half_side {
    double mean[CNA_PANEL_COLUMNS], square[CNA_PANEL_COLUMNS];
    size_t n_rows;
} half_side;

/* Squares are only summed where a score needs them. */
static void measure(const cna_panel *panel, const uint32_t *rows, size_t n_rows, bool squares, half_side *out)
{
    out->n_rows = n_rows;
    cna_panel_sum(panel->values, rows, n_rows, out->mean);
    for (size_t c = 0; c < CNA_PANEL_COLUMNS; c++) out->mean[c] /= (double)n_rows;
    if (squares) cna_panel_squares(panel->values, rows, n_rows, out->mean, out->square);
    else memset(out->square, 0, sizeof out->square);
}

static void add_half(cna_stability *s, const cna_panel *panel, size_t half, const half_side *positive,
                     const half_side *negative)
{
    const cna_stability_plan *p = &s->plan;
    for (size_t c = 0; c < panel->n_columns; c++) {
        const cna_contrast_set x = {positive->mean[c], positive->square[c], positive->n_rows};
        const cna_contrast_set y = {negative->mean[c], negative->square[c], negative->n_rows};
        const cna_neuron neuron = cna_contrast_neuron(panel->ids[c], &x, &y, panel->norms[c], p->bf16_means);
        size_t group = p->per_layer ? panel->ids[c].layer - p->first_layer : 0;
        size_t heap = half * s->n_groups + group;
        s->n_held[heap] = cna_top_offer(s->heaps + heap * s->capacity, s->n_held[heap], s->capacity,
                                        (cna_top_entry){cna_neuron_score(&neuron, p->score), panel->ids[c]});
    }
}

static void add_halving(cna_stability *s, const cna_panel *panel, size_t halving)
{
    const cna_stability_plan *p = &s->plan;
    const uint32_t *rows = s->rows + halving * n_prompts(s);
    half_side positive, negative;
    for (size_t half = 0; half < 2; half++) {
        size_t skip_p = half == 0 ? 0 : p->n_positive / 2, skip_n = half == 0 ? 0 : p->n_negative / 2;
        size_t take_p = half == 0 ? p->n_positive / 2 : p->n_positive - skip_p;
        size_t take_n = half == 0 ? p->n_negative / 2 : p->n_negative - skip_n;
        measure(panel, rows + skip_p, take_p, p->score == CNA_SCORE_D, &positive);
        measure(panel, rows + p->n_positive + skip_n, take_n, p->score == CNA_SCORE_D, &negative);
        add_half(s, panel, 2 * halving + half, &positive, &negative);
    }
}

/* A static schedule gives a halving to the same thread for every panel, so no thread need wait between panels. */
void cna_stability_add(cna_stability *s, const cna_panel *panels, size_t n_panels)
{
    size_t n_halvings = s->plan.n_halvings;
#pragma omp parallel
    for (size_t i = 0; i < n_panels; i++) {
#pragma omp for schedule(static) nowait
        for (size_t halving = 0; halving < n_halvings; halving++) add_halving(s, &panels[i], halving);
    }
}

/* ---- results ---- */

/* The ids of a half's circuit of k neurons (each group), sorted; returns how many. */
static size_t circuit_of(const cna_stability *s, size_t half, size_t k, cna_neuron_id *out)
{
    size_t n = 0;
    for (size_t group = 0; group < s->n_groups; group++) {
        const cna_top_entry *heap = s->heaps + (half * s->n_groups + group) * s->capacity;
        for (size_t i = 0; i < k; i++) out[n++] = heap[i].id;
    }
    qsort(out, n, sizeof *out, cna_neuron_id_compare);
    return n;
}

/* ids: room for two circuits. */
static double jaccard(const cna_stability *s, size_t halving, size_t k, cna_neuron_id *ids)
{
    size_t n = circuit_of(s, 2 * halving, k, ids), n_common = 0;
    cna_neuron_id *other = ids + n;
    circuit_of(s, 2 * halving + 1, k, other);
    for (size_t a = 0, b = 0; a < n && b < n;) {
        int order = cna_neuron_id_compare(&ids[a], &other[b]);
        n_common += order == 0;
        a += order <= 0;
        b += order >= 0;
    }
    return (double)n_common / (double)(2 * n - n_common);
}

static cna_stability_point point_of(const cna_stability *s, size_t k, double *values, cna_neuron_id *ids)
{
    size_t n = s->plan.n_halvings;
    for (size_t i = 0; i < n; i++) values[i] = jaccard(s, i, k, ids);
    const cna_stats_range range = cna_stats_range_of(values, n);
    return (cna_stability_point){
        .k = k * s->n_groups, .mean = range.mean, .min = range.min, .max = range.max,
        .p5 = cna_stats_percentile(values, n, 5), .p25 = cna_stats_percentile(values, n, 25),
        .p50 = cna_stats_percentile(values, n, 50), .p75 = cna_stats_percentile(values, n, 75),
        .p95 = cna_stats_percentile(values, n, 95),
    };
}

/* Sort every heap; returns how many entries each of them has at least. */
static size_t sort_heaps(cna_stability *s)
{
    size_t least = s->capacity;
    for (size_t heap = 0; heap < 2 * s->plan.n_halvings * s->n_groups; heap++) {
        cna_top_sort(s->heaps + heap * s->capacity, s->n_held[heap]);
        if (s->n_held[heap] < least) least = s->n_held[heap];
    }
    return least;
}

cna_status cna_stability_finish(cna_stability *s, cna_circuit_statistics *out, cna_error *err)
{
    size_t k = s->plan.k, least = sort_heaps(s);
    const size_t sizes[CNA_STABILITY_POINTS_MAX] = {k / 4, k / 2, k, 2 * k, 4 * k};
    double *values = NULL;
    cna_neuron_id *ids = NULL;
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&values, s->plan.n_halvings, sizeof *values, "stability", err));
    CNA_TRY_CLEANUP(cna_alloc(&ids, 2 * s->n_groups * s->capacity, sizeof *ids, "stability", err));
    out->n_halvings = s->plan.n_halvings;
    out->n_points = 0;
    for (size_t i = 0; i < CNA_STABILITY_POINTS_MAX; i++) {
        if (sizes[i] == 0 || sizes[i] > least || (i > 0 && sizes[i] == sizes[i - 1])) continue;
        out->points[out->n_points++] = point_of(s, sizes[i], values, ids);
    }
cleanup:
    cna_free(values);
    cna_free(ids);
    return status;
}

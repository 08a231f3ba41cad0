/* SPDX-License-Identifier: MIT
 * Largest scores under shuffled labels. */
#include "method/chance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "method/random.h"
#include "method/stats.h"
#include "tensor/clones.h"
#include "tensor/dtype.h"

enum { N = CNA_PANEL_COLUMNS, SCORES = 3 };

/* What all shuffles of a panel have in common, by column. */
typedef struct column_sums {
    double mean[N], sum[N], square[N]; /* sum and square of the centered values */
    double norms[N];                   /* 0 past the panel's columns */
    double inside[N];                  /* 1, 0 past the panel's columns */
} column_sums;

struct cna_chance {
    size_t n_shuffles, n_positive, n_negative;
    bool round;
    uint32_t *rows;   /* [n_shuffles, n_positive] prompts called positive, ascending */
    double *largest;  /* [SCORES, n_shuffles]; of d, d^2 / (n1 + n2 - 2) */
    double *centered; /* [CNA_PANELS, prompts, N] */
    column_sums sums[CNA_PANELS];
};

cna_status cna_chance_create(size_t n_shuffles, uint64_t seed, size_t n_positive, size_t n_negative, bool bf16_means,
                             cna_chance **out, cna_error *err)
{
    size_t n_prompts = n_positive + n_negative;
    uint32_t *order = NULL;
    cna_chance *c = NULL;
    cna_status status;
    CNA_TRY_CLEANUP(cna_alloc(&c, 1, sizeof *c, "shuffles", err));
    c->n_shuffles = n_shuffles;
    c->n_positive = n_positive;
    c->n_negative = n_negative;
    c->round = bf16_means;
    CNA_TRY_CLEANUP(cna_alloc(&c->rows, n_shuffles * n_positive, sizeof *c->rows, "shuffles", err));
    CNA_TRY_CLEANUP(cna_alloc(&c->largest, SCORES * n_shuffles, sizeof *c->largest, "shuffles", err));
    CNA_TRY_CLEANUP(cna_alloc(&c->centered, CNA_PANELS * n_prompts * N, sizeof *c->centered, "shuffles", err));
    CNA_TRY_CLEANUP(cna_alloc(&order, n_prompts, sizeof *order, "shuffles", err));
    for (size_t i = 0; i < n_shuffles; i++) {
        uint64_t state = cna_random_state(seed, i, CNA_RANDOM_SHUFFLE, 0);
        cna_random_split(&state, n_prompts, n_positive, order);
        memcpy(c->rows + i * n_positive, order, n_positive * sizeof *order);
    }
    *out = c;
    c = NULL;
cleanup:
    cna_free(order);
    cna_chance_free(c);
    return status;
}

void cna_chance_free(cna_chance *c)
{
    if (c == NULL) return;
    cna_free(c->rows);
    cna_free(c->largest);
    cna_free(c->centered);
    cna_free(c);
}

/* ---- one panel ---- */

static void center(const cna_chance *c, const cna_panel *panel, double *centered, column_sums *out)
{
    size_t n_prompts = c->n_positive + c->n_negative;
    memset(out, 0, sizeof *out);
    for (size_t row = 0; row < n_prompts; row++) {
        for (size_t i = 0; i < N; i++) out->mean[i] += panel->values[row * N + i];
    }
    for (size_t i = 0; i < N; i++) out->mean[i] /= (double)n_prompts;
    for (size_t row = 0; row < n_prompts; row++) {
        for (size_t i = 0; i < N; i++) {
            double value = panel->values[row * N + i] - out->mean[i];
            centered[row * N + i] = value;
            out->sum[i] += value;
            out->square[i] += value * value;
        }
    }
    for (size_t i = 0; i < panel->n_columns; i++) {
        out->norms[i] = panel->norms[i];
        out->inside[i] = 1;
    }
}

/* |delta| and d^2 / (n1 + n2 - 2) from the sum over the set called positive. */
CNA_CLONES static void score(const column_sums *restrict all, const double *restrict sum, double n1, double n2,
                             double *restrict delta, double *restrict ratio)
{
    for (size_t i = 0; i < N; i++) {
        double other = all->sum[i] - sum[i];
        double difference = sum[i] / n1 - other / n2;
        double squares = all->square[i] - sum[i] * sum[i] / n1 - other * other / n2;
        delta[i] = fabs(difference);
        ratio[i] = squares > 1e-13 * all->square[i] ? difference * difference / squares : 0;
    }
}

/* The same where means and their difference are rounded to bf16. */
static void round_delta(const column_sums *all, const double *sum, double n1, double n2, double *delta, double *ratio)
{
    for (size_t i = 0; i < N; i++) {
        float mean1 = cna_f32_from_bf16(cna_bf16_from_f32((float)(all->mean[i] + sum[i] / n1)));
        float mean2 = cna_f32_from_bf16(cna_bf16_from_f32((float)(all->mean[i] + (all->sum[i] - sum[i]) / n2)));
        double rounded = fabs((double)cna_f32_from_bf16(cna_bf16_from_f32((float)((double)mean1 - (double)mean2))));
        if (delta[i] > 0) ratio[i] *= (rounded / delta[i]) * (rounded / delta[i]);
        delta[i] = rounded;
    }
}

/* The largest of factor[i] * values[i]: halves folded onto each other, which compilers turn into vectors. */
CNA_CLONES static double largest(const double *restrict values, const double *restrict factor)
{
    double fold[N];
    for (size_t i = 0; i < N; i++) fold[i] = values[i] * factor[i];
    for (size_t width = N / 2; width > 0; width /= 2) {
        for (size_t i = 0; i < width; i++) fold[i] = fold[i + width] > fold[i] ? fold[i + width] : fold[i];
    }
    return fold[0];
}

static void raise(double *most, double value)
{
    if (value > *most) *most = value;
}

static void add_shuffle(cna_chance *c, const double *centered, const column_sums *all, size_t shuffle)
{
    double n1 = (double)c->n_positive, n2 = (double)c->n_negative, sum[N], delta[N], ratio[N];
    cna_panel_sum(centered, c->rows + shuffle * c->n_positive, c->n_positive, sum);
    score(all, sum, n1, n2, delta, ratio);
    if (c->round) round_delta(all, sum, n1, n2, delta, ratio);
    double *most = c->largest + shuffle;
    raise(&most[CNA_SCORE_DELTA * c->n_shuffles], largest(delta, all->inside));
    raise(&most[CNA_SCORE_D * c->n_shuffles], largest(ratio, all->inside));
    raise(&most[CNA_SCORE_WRITE * c->n_shuffles], largest(delta, all->norms));
}

/* A static schedule gives a shuffle to the same thread for every panel, so no thread need wait between panels. */
void cna_chance_add(cna_chance *c, const cna_panel *panels, size_t n_panels)
{
    size_t n_shuffles = c->n_shuffles, n_values = (c->n_positive + c->n_negative) * N;
#pragma omp parallel
    {
#pragma omp for schedule(static)
        for (size_t i = 0; i < n_panels; i++) center(c, &panels[i], c->centered + i * n_values, &c->sums[i]);
        for (size_t i = 0; i < n_panels; i++) {
#pragma omp for schedule(static) nowait
            for (size_t shuffle = 0; shuffle < n_shuffles; shuffle++)
                add_shuffle(c, c->centered + i * n_values, &c->sums[i], shuffle);
        }
    }
}

/* ---- results ---- */

static bool is_universal(const cna_circuit *circuit, const cna_neuron *neuron)
{
    const cna_neuron_id id = {neuron->layer, neuron->neuron};
    return circuit->n_universal != 0 && bsearch(&id, circuit->universal, circuit->n_universal, sizeof id,
                                                cna_neuron_id_compare) != NULL;
}

static void count_above(const cna_neuron *neurons, size_t n_neurons, const cna_circuit *circuit, cna_score score,
                        cna_chance_level *level)
{
    for (size_t i = 0; i < n_neurons; i++) {
        if (is_universal(circuit, &neurons[i])) continue;
        double own = cna_neuron_score(&neurons[i], score);
        level->n_above += own > level->level;
        if (own > level->largest) level->largest = own;
    }
    for (size_t i = 0; i < circuit->n_neurons; i++)
        level->n_circuit_above += cna_neuron_score(&circuit->neurons[i], score) > level->level;
}

void cna_chance_finish(cna_chance *c, const cna_neuron *neurons, size_t n_neurons, const cna_circuit *circuit,
                       cna_circuit_statistics *out)
{
    double freedom = (double)(c->n_positive + c->n_negative) - 2;
    double *d = c->largest + CNA_SCORE_D * c->n_shuffles;
    for (size_t s = 0; s < c->n_shuffles; s++) d[s] = freedom > 0 ? sqrt(d[s] * freedom) : 0;
    out->n_shuffles = c->n_shuffles;
    out->n_candidates = n_neurons - circuit->n_universal;
    for (int score_kind = 0; score_kind < SCORES; score_kind++) {
        cna_chance_level *level = &out->chance[score_kind];
        *level = (cna_chance_level){0};
        level->level = cna_stats_percentile(c->largest + (size_t)score_kind * c->n_shuffles, c->n_shuffles, 95);
        count_above(neurons, n_neurons, circuit, (cna_score)score_kind, level);
    }
}

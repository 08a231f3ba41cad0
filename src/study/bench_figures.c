/* SPDX-License-Identifier: MIT
 * The arithmetic of a bench. */
#include "study/bench_figures.h"

#include <math.h>

void cna_bench_matrices(const cna_config *config, cna_bench_matrix out[CNA_BENCH_N_MATRICES])
{
    size_t hidden = config->hidden_dim, mlp = config->mlp_dim, q = (size_t)config->n_heads * config->head_dim,
           kv = (size_t)config->n_kv_heads * config->head_dim;
    const cna_bench_matrix matrices[CNA_BENCH_N_MATRICES] = {
        {q, hidden},   {kv, hidden},  {kv, hidden},  {hidden, q},
        {mlp, hidden}, {mlp, hidden}, {hidden, mlp}, {config->vocab_size, hidden},
    };
    for (size_t i = 0; i < CNA_BENCH_N_MATRICES; i++) out[i] = matrices[i];
}

static double weights_of(const cna_bench_matrix *matrix)
{
    return (double)matrix->n_out * (double)matrix->n_in;
}

static double layer_weights(const cna_bench_matrix matrices[CNA_BENCH_N_MATRICES])
{
    double n = 0;
    for (size_t i = 0; i < CNA_BENCH_N_IN_LAYER; i++) n += weights_of(&matrices[i]);
    return n;
}

double cna_bench_step_weights(const cna_config *config)
{
    cna_bench_matrix matrices[CNA_BENCH_N_MATRICES];
    cna_bench_matrices(config, matrices);
    return config->n_layers * layer_weights(matrices) + weights_of(&matrices[CNA_BENCH_HEAD]);
}

double cna_bench_step_flops(const cna_config *config)
{
    return 2 * cna_bench_step_weights(config);
}

double cna_bench_prompt_flops(const cna_config *config, size_t n_tokens)
{
    enum { K = 1, V = 2 };
    cna_bench_matrix matrices[CNA_BENCH_N_MATRICES];
    cna_bench_matrices(config, matrices);
    double layer = layer_weights(matrices), keys_values = weights_of(&matrices[K]) + weights_of(&matrices[V]);
    double before = (config->n_layers - 1) * layer * (double)n_tokens;
    double last = keys_values * (double)n_tokens + (layer - keys_values);
    return 2 * (before + last + weights_of(&matrices[CNA_BENCH_HEAD]));
}

double cna_bench_ratio(double a, double b)
{
    return b > 0 ? a / b : (double)NAN;
}

double cna_bench_rate(double flops, double seconds)
{
    return flops > 0 ? cna_bench_ratio(1e-9 * flops, seconds) : (double)NAN;
}

double cna_bench_other_share(double product_seconds, double seconds)
{
    return 1 - cna_bench_ratio(product_seconds, seconds);
}

void cna_bench_window_token(cna_bench_window *window, size_t sequence, double seconds, const cna_usage *usage)
{
    if (window->ended) return;
    if (window->counts[sequence]++ == 0) {
        window->n_started++;
        window->last = sequence;
        window->start = seconds;
        window->start_usage = *usage;
    } else if (window->n_started == window->n_sequences && sequence == window->last) {
        window->n_steps++;
        window->end = seconds;
        window->end_usage = *usage;
    }
    if (window->counts[sequence] == window->max_tokens) {
        window->ended = true;
        window->short_of_room = window->n_started < window->n_sequences;
    }
}

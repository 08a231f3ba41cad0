/* SPDX-License-Identifier: MIT
 * MMLU's figures. */
#include "study/mmlu_points.h"

#include "method/stats.h"

int cna_mmlu_choose(const double logprobs[4])
{
    int best = 0;
    for (int i = 1; i < 4; i++) {
        if (logprobs[i] > logprobs[best]) best = i;
    }
    return best;
}

/* Sums over questions at one multiplier. */
typedef struct tally {
    size_t n, right, changed, b, c;
} tally;

static void count(tally *sum, const cna_mmlu_answer *answers, const cna_mmlu_answer *base, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool right = answers[i].chosen == answers[i].answer, base_right = base[i].chosen == base[i].answer;
        sum->n++;
        sum->right += right;
        sum->changed += answers[i].chosen != base[i].chosen;
        sum->b += base_right && !right;
        sum->c += right && !base_right;
    }
}

static void fill(cna_mmlu_point *point, const tally *sum, double multiplier)
{
    point->multiplier = multiplier;
    point->accuracy = cna_stats_wilson(sum->right, sum->n);
    point->n_changed = sum->changed;
    point->mcnemar_b = sum->b;
    point->mcnemar_c = sum->c;
    point->mcnemar_p = cna_stats_mcnemar(sum->b, sum->c);
}

static bool belongs(const cna_mmlu_point *point, const cna_mmlu_block *block)
{
    const cna_mmlu_subject *subject = &cna_mmlu_subjects()[block->subject];
    switch (point->scope) {
    case CNA_MMLU_OVERALL:
        break;
    case CNA_MMLU_GROUP:
        return subject->group == point->group;
    case CNA_MMLU_SUBJECT:
        return subject->name == point->name;
    }
    return true;
}

cna_status cna_mmlu_points_make(const cna_mmlu_answer *answers, const cna_mmlu_block *blocks, size_t n_blocks,
                                const double *multipliers, size_t n_multipliers, size_t base, cna_mmlu_point **out,
                                size_t *out_n, cna_error *err)
{
    cna_mmlu_point *points;
    CNA_TRY(cna_alloc(&points, (1 + CNA_MMLU_N_GROUPS + n_blocks) * n_multipliers, sizeof *points, "points", err));
    size_t n = 0;
    for (size_t set = 0; set < 1 + CNA_MMLU_N_GROUPS + n_blocks; set++) {
        cna_mmlu_point point = {.scope = CNA_MMLU_OVERALL, .name = "mmlu"};
        if (set > CNA_MMLU_N_GROUPS) {
            const cna_mmlu_subject *subject = &cna_mmlu_subjects()[blocks[set - 1 - CNA_MMLU_N_GROUPS].subject];
            point = (cna_mmlu_point){.scope = CNA_MMLU_SUBJECT, .name = subject->name, .group = subject->group};
        } else if (set > 0) {
            point = (cna_mmlu_point){.scope = CNA_MMLU_GROUP, .group = (cna_mmlu_group)(set - 1)};
            point.name = cna_mmlu_group_name(point.group);
        }
        for (size_t m = 0; m < n_multipliers; m++) {
            tally sum = {0};
            for (size_t i = 0; i < n_blocks; i++) {
                const cna_mmlu_answer *first = answers + blocks[i].first;
                size_t n_questions = blocks[i].n_questions;
                if (!belongs(&point, &blocks[i])) continue;
                count(&sum, first + m * n_questions, first + base * n_questions, n_questions);
            }
            if (sum.n == 0) break;
            fill(&point, &sum, multipliers[m]);
            points[n++] = point;
        }
    }
    *out = points;
    *out_n = n;
    return CNA_OK;
}

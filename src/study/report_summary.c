/* SPDX-License-Identifier: MIT
 * The first table: what silencing the circuit does to each model. */
#include <math.h>

#include "study/report_page.h"

static const cna_column columns[] = {
    {"part", "part", CNA_CELL_COUNT, 0, false, true},
    {"model", "model", CNA_CELL_TEXT, 0, false, false},
    {"role", "role", CNA_CELL_TEXT, 0, false, false},
    {"circuit", "circuit", CNA_CELL_TEXT, 0, false, false},
    {"k", "neurons", CNA_CELL_COUNT, 0, false, false},
    {"multiplier", "m", CNA_CELL_REAL, -4, false, false},
    {"baseline", "refused, m = 1", CNA_CELL_RATE, 0, false, false},
    {"ablated", "refused, at m", CNA_CELL_RATE, 0, false, false},
    {"relative", "change", CNA_CELL_SHARE, 0, false, false},
    {"incoherent", "incoherent, at m", CNA_CELL_RATE, -1, false, false},
    {"baseline_quality", "quality, m = 1", CNA_CELL_REAL, 3, false, false},
    {"ablated_quality", "quality, at m", CNA_CELL_REAL, 3, false, false},
    {"mcnemar_p", "McNemar p", CNA_CELL_P, 0, false, false},
    {"matched_p", "matched p", CNA_CELL_P, 0, false, false},
    {"uniform_p", "uniform p", CNA_CELL_P, 0, false, false},
    {0},
};

static const cna_column leak_columns[] = {
    {"part", "part", CNA_CELL_COUNT, 0, false, true},
    {"model", "model", CNA_CELL_TEXT, 0, false, false},
    {"role", "role", CNA_CELL_TEXT, 0, false, false},
    {"multiplier", "m", CNA_CELL_REAL, -4, false, false},
    {"n", "prompts", CNA_CELL_COUNT, 0, false, false},
    {"n_leaked", "seen before", CNA_CELL_COUNT, 0, false, false},
    {"baseline", "all: refused, m = 1", CNA_CELL_RATE, 0, false, false},
    {"ablated", "all: refused, at m", CNA_CELL_RATE, 0, false, false},
    {"baseline_unseen", "unseen: refused, m = 1", CNA_CELL_RATE, 0, false, false},
    {"ablated_unseen", "unseen: refused, at m", CNA_CELL_RATE, 0, false, false},
    {0},
};

/* The point at multiplier 0, else the one nearest to it below 1. */
static const cna_sweep_point *find_ablated(const cna_report_curve *curve)
{
    const cna_sweep_point *best = NULL;
    for (size_t i = 0; i < curve->n[CNA_SIDE_HARMFUL]; i++) {
        const cna_sweep_point *point = curve->points[CNA_SIDE_HARMFUL][i];
        double m = point->condition->multiplier;
        if (m < 1 && (best == NULL || fabs(m) < fabs(best->condition->multiplier))) best = point;
    }
    return best;
}

static double control_p(const cna_sweep_point *point, cna_control_kind kind)
{
    return point->control[kind].n_seeds == 0 ? NAN : point->control[kind].p;
}

/* A line of the first table. */
typedef struct line {
    const cna_report_part *part;
    const cna_report_curve *curve;
    const cna_sweep_point *base, *ablated;
} line;

/* False where the part has none. */
static bool find_line(const cna_report *report, const cna_report_part *part, line *out)
{
    const cna_report_curve *curve = cna_report_shown_curve(report->data, part, CNA_METHOD_CNA);
    if (curve == NULL) return false;
    *out = (line){part, curve, cna_report_untouched(part, CNA_SIDE_HARMFUL), find_ablated(curve)};
    return out->base != NULL && out->ablated != NULL;
}

static void put_line(cna_report *report, cna_table *table, const line *l)
{
    const cna_report_part *part = l->part;
    const cna_report_curve *curve = l->curve;
    const cna_sweep_point *base = l->base, *ablated = l->ablated;
    cna_table_number(table, (double)cna_report_part_number(report, part));
    cna_table_text(table, part->info->model_name);
    cna_table_text(table, part->info->role);
    cna_table_text(table, curve->first->circuit);
    cna_table_number(table, (double)curve->first->k);
    cna_table_number(table, ablated->condition->multiplier);
    cna_table_rate(table, base->refused);
    cna_table_rate(table, ablated->refused);
    cna_table_number(table, (ablated->refused.rate - base->refused.rate) / base->refused.rate);
    cna_table_rate(table, ablated->outcome[CNA_OUTCOME_INCOHERENT]);
    cna_table_number(table, base->quality);
    cna_table_number(table, ablated->quality);
    cna_table_number(table, ablated->mcnemar_p);
    cna_table_number(table, control_p(ablated, CNA_CONTROL_MATCHED));
    cna_table_number(table, control_p(ablated, CNA_CONTROL_UNIFORM));
}

static void put_leak(cna_report *report, cna_table *table, const line *l)
{
    cna_table_number(table, (double)cna_report_part_number(report, l->part));
    cna_table_text(table, l->part->info->model_name);
    cna_table_text(table, l->part->info->role);
    cna_table_number(table, l->ablated->condition->multiplier);
    cna_table_number(table, (double)l->base->refused.n);
    if (!l->ablated->leak_known)
        cna_table_none(table, 1);
    else
        cna_table_number(table, (double)l->ablated->n_leaked);
    cna_table_rate(table, l->base->refused);
    cna_table_rate(table, l->ablated->refused);
    if (!l->ablated->leak_known) {
        cna_table_none(table, 2);
    } else {
        cna_table_rate(table, l->base->refused_unseen);
        cna_table_rate(table, l->ablated->refused_unseen);
    }
}

void cna_report_summary(cna_report *report)
{
    cna_table table, leaks;
    cna_table_begin(&table, "summary", columns, report->err);
    cna_table_begin(&leaks, "leak", leak_columns, report->err);
    size_t n_controlled = 0;
    for (size_t i = 0; i < report->data->n_parts; i++) {
        line l;
        if (!find_line(report, &report->data->parts[i], &l)) continue;
        put_line(report, &table, &l);
        put_leak(report, &leaks, &l);
        n_controlled += cna_report_has_controls(l.part);
    }
    if (cna_report_drop_empty(report, &table)) {
        cna_table_free(&leaks);
        cna_report_lacks(report, "Refusal with the circuit silenced",
                         "cna sweep -m MODEL --circuit FILE --prompts FILE --multipliers 0,1 --run RUN.db");
        return;
    }
    cna_report_begin(report, "summary", "What silencing the circuit does");
    cna_report_say(
        report, "Refused is the share of answers in which a refusal pattern is found, with its Wilson 95% interval. "
                "At m = 1 the model is untouched; at m the circuit's neurons are multiplied by it (0 silences them). "
                "Change is relative to the rate at m = 1. McNemar's p compares the two prompt by prompt. A dash means "
                "not measured.");
    cna_report_say(report,
                   n_controlled != 0
                       ? "Matched and uniform p hold the change against random circuits with as many neurons in each "
                         "layer. Only a change that they do not make as well can be put down to these neurons; a line "
                         "without these p says nothing of the kind."
                       : "No random circuits were run. A change in this table may therefore be one that any neurons "
                         "would make; nothing here says that it is these neurons' doing.");
    cna_report_put(report, &table);
    cna_report_heading(report, "Without the prompts that the circuit was found on");
    cna_report_say(report,
                   "Seen before are evaluation prompts that were among those the circuit was found on; the last two "
                   "columns leave them out. Dashes: the circuit's file does not say, or no prompt is left.");
    cna_report_put(report, &leaks);
    cna_report_end(report);
}

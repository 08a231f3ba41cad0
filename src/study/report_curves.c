/* SPDX-License-Identifier: MIT
 * A sweep's points put into lines, and found again. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "study/report_data.h"

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool belongs(const cna_report_curve *curve, const cna_condition *condition)
{
    const cna_condition *first = curve->first;
    return condition->method == first->method && is_same_text(condition->circuit, first->circuit) &&
           condition->k == first->k && is_same_text(condition->caa, first->caa) && condition->layer == first->layer &&
           (condition->multipliers != NULL) == curve->is_grid;
}

double cna_report_x(const cna_report_curve *curve, const cna_sweep_point *point)
{
    if (curve->method == CNA_METHOD_CNA) return point->condition->multiplier;
    return point->condition->method == CNA_METHOD_CAA ? point->condition->alpha : 0;
}

/* By x; the order of the conditions where that is equal. */
static void insert(cna_report_curve *curve, const cna_sweep_point *point)
{
    const cna_sweep_point **points = curve->points[point->side];
    size_t at = curve->n[point->side]++;
    for (; at > 0 && cna_report_x(curve, points[at - 1]) > cna_report_x(curve, point); at--)
        points[at] = points[at - 1];
    points[at] = point;
}

static bool starts_curve(const cna_report_part *part, const cna_condition *condition)
{
    if (condition->method != CNA_METHOD_CNA && condition->method != CNA_METHOD_CAA) return false;
    for (size_t i = 0; i < part->n_curves; i++) {
        if (belongs(&part->curves[i], condition)) return false;
    }
    return true;
}

static cna_status fill_curve(cna_report_data *data, const cna_report_part *part, cna_report_curve *curve,
                             cna_error *err)
{
    for (int side = 0; side < 2; side++) {
        CNA_TRY(cna_arena_alloc(&data->arena, &curve->points[side], part->table.n_points, sizeof *curve->points[side],
                                "points", err));
    }
    for (size_t i = 0; i < part->table.n_points; i++) {
        const cna_sweep_point *point = &part->table.points[i];
        /* In a grid the untouched model is one corner of many. */
        bool is_untouched = point->condition->method == CNA_METHOD_NONE && !curve->is_grid;
        if (is_untouched || belongs(curve, point->condition)) insert(curve, point);
    }
    return CNA_OK;
}

cna_status cna_report_read_curves(cna_report_data *data, cna_report_part *part, cna_error *err)
{
    const cna_sweep_table *table = &part->table;
    CNA_TRY(cna_arena_alloc(&data->arena, &part->curves, table->n_points, sizeof *part->curves, "curves", err));
    for (size_t i = 0; i < table->n_points; i++) {
        const cna_condition *condition = table->points[i].condition;
        if (!starts_curve(part, condition)) continue;
        cna_report_curve *curve = &part->curves[part->n_curves];
        *curve = (cna_report_curve){
            .method = condition->method,
            .first = condition,
            .is_cut = condition->circuit != NULL && strncmp(condition->circuit, "k=", 2) == 0,
            .is_grid = condition->multipliers != NULL,
        };
        CNA_TRY(fill_curve(data, part, curve, err));
        part->n_curves++;
    }
    return CNA_OK;
}

const cna_sweep_point *cna_report_at(const cna_report_curve *curve, cna_side side, double x)
{
    for (size_t i = 0; i < curve->n[side]; i++) {
        if (cna_report_x(curve, curve->points[side][i]) == x) return curve->points[side][i];
    }
    return NULL;
}

const cna_sweep_point *cna_report_untouched(const cna_report_part *part, cna_side side)
{
    for (size_t i = 0; i < part->table.n_points; i++) {
        const cna_sweep_point *point = &part->table.points[i];
        if (point->condition->method == CNA_METHOD_NONE && point->side == side) return point;
    }
    return NULL;
}

const cna_sweep_point *cna_report_extreme(const cna_report_curve *curve, cna_side side, bool greatest)
{
    if (curve == NULL || curve->n[side] == 0) return NULL;
    double untouched = curve->method == CNA_METHOD_CNA ? 1 : 0;
    const cna_sweep_point *point = curve->points[side][greatest ? curve->n[side] - 1 : 0];
    double x = cna_report_x(curve, point);
    return (greatest ? x > untouched : x < untouched) ? point : NULL;
}

const cna_report_curve *cna_report_main_curve(const cna_report_part *part, cna_method method)
{
    const cna_report_curve *best = NULL;
    for (size_t i = 0; i < part->n_curves; i++) {
        const cna_report_curve *curve = &part->curves[i];
        if (curve->method != method || curve->is_grid) continue;
        if (best == NULL || (best->is_cut && (!curve->is_cut || curve->first->k > best->first->k))) best = curve;
    }
    return best;
}

const cna_report_curve *cna_report_shown_curve(const cna_report_data *data, const cna_report_part *part,
                                               cna_method method)
{
    const cna_report_curve *curve = cna_report_main_curve(part, method);
    if (curve == NULL || !curve->is_cut) return curve;
    for (size_t i = 0; i < data->n_parts; i++) {
        const cna_report_part *other = &data->parts[i];
        if (strcmp(other->info->fingerprint, part->info->fingerprint) != 0) continue;
        const cna_report_curve *whole = cna_report_main_curve(other, method);
        if (whole != NULL && !whole->is_cut) return NULL;
    }
    return curve;
}

bool cna_report_has_controls(const cna_report_part *part)
{
    for (size_t i = 0; i < part->table.n_points; i++) {
        const cna_control_summary *control = part->table.points[i].control;
        if (control[CNA_CONTROL_UNIFORM].n_seeds != 0 || control[CNA_CONTROL_MATCHED].n_seeds != 0) return true;
    }
    return false;
}

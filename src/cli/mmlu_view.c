/* SPDX-License-Identifier: MIT
 * MMLU's results. */
#include "cli/mmlu_view.h"

#include "cli/circuit_view.h"
#include "cli/interventions.h"
#include "cli/study_view.h"
#include "cli/text.h"

#include <math.h>
#include <string.h>

/* Accuracy of the same questions at multiplier 1. */
static double base_rate(const cna_mmlu_point *points, size_t n_points, const cna_mmlu_point *point)
{
    for (size_t i = 0; i < n_points; i++) {
        bool same = points[i].scope == point->scope && strcmp(points[i].name, point->name) == 0;
        if (same && points[i].multiplier == 1) return points[i].accuracy.rate;
    }
    return NAN;
}

/* ---- screen ---- */

static void put_text(const char *text)
{
    cli_put_safe(stdout, text, strlen(text), CLI_ONE_LINE);
}

static void show_settings(const cli_mmlu_view *view)
{
    const cna_mmlu_info *info = cna_mmlu_get_info(view->mmlu);
    printf("model    ");
    put_text(view->model->name);
    printf(" (%s prompts%s%s)\ndata     ", view->chat ? "chat" : "raw", info->date[0] != '\0' ? ", date " : "",
           info->date);
    put_text(view->data);
    printf(" (%zu of %d subjects, %zu questions, %zu-shot)\n", info->n_subjects, CNA_MMLU_N_SUBJECTS,
           info->n_questions, info->n_shots);
    if (view->system != NULL) {
        printf("system   ");
        put_text(view->system);
        putchar('\n');
    }
    if (view->chat_options != NULL) {
        printf("template ");
        put_text(view->chat_options);
        putchar('\n');
    }
    cli_show_used_circuits(view->circuit_paths, view->circuits, view->n_circuits);
    if (view->positions != CNA_POSITIONS_ALL || view->sign != CNA_SIGN_BOTH) {
        printf("scaled   positions %s, sign %s\n", cli_positions_name(view->positions), cli_sign_name(view->sign));
    }
    putchar('\n');
}

static void put_point(cli_table *table, const cna_mmlu_point *point, bool named, bool compared, double base)
{
    char rate[40], changed[16], p[16];
    cli_table_cell(table, "%s", named ? point->name : "");
    cli_table_cell(table, "%zu", point->accuracy.n);
    if (compared) cli_table_multiplier(table, point->multiplier);
    cli_table_cell(table, "%s", cli_rate(rate, &point->accuracy));
    if (!compared) return;
    if (point->multiplier == 1) {
        for (int i = 0; i < 5; i++) cli_table_cell(table, "-");
        return;
    }
    cli_table_cell(table, "%+.1f", 100 * (point->accuracy.rate - base));
    cli_table_cell(table, "%s", cli_percent(changed, (double)point->n_changed / (double)point->accuracy.n));
    cli_table_cell(table, "%zu", point->mcnemar_b);
    cli_table_cell(table, "%zu", point->mcnemar_c);
    cli_table_cell(table, "%s", cli_probability(p, point->mcnemar_p));
}

/* Subjects where they are wanted, then groups, and the whole last: what most readers look for stands at the end. */
static void show_points(const cli_mmlu_view *view)
{
    static const cna_mmlu_scope order[] = {CNA_MMLU_SUBJECT, CNA_MMLU_GROUP, CNA_MMLU_OVERALL};
    size_t n_points;
    const cna_mmlu_point *points = cna_mmlu_points(view->mmlu, &n_points);
    bool compared = n_points > 1 && points[1].scope == CNA_MMLU_OVERALL;
    cli_table table;
    cli_table_begin(&table, compared ? "lrrrrrrrrr" : "lrr");
    cli_table_row(&table, "questions|n");
    if (compared) cli_table_row(&table, "mult.|strength");
    cli_table_row(&table, "right [95 %]");
    if (compared) cli_table_row(&table, "change|changed|lost b|gained c|McNemar p");
    for (size_t k = view->by_subject ? 0 : 1; k < 3; k++) {
        for (size_t i = 0; i < n_points; i++) {
            if (points[i].scope != order[k]) continue;
            bool named = i == 0 || points[i - 1].scope != order[k] || points[i - 1].name != points[i].name;
            put_point(&table, &points[i], named, compared, base_rate(points, n_points, &points[i]));
        }
    }
    cli_table_print(&table, stdout, 2);
    if (!compared) return;
    printf("\nmultiplier 1 is the untouched model; change in points of a hundred; changed: another choice than it\n"
           "lost b, gained c: right only without, only with the circuit scaled\n");
}

void cli_mmlu_show(const cli_mmlu_view *view)
{
    const cna_mmlu_info *info = cna_mmlu_get_info(view->mmlu);
    show_settings(view);
    show_points(view);
    if (info->n_cut != 0) {
        printf("%zu prompts were longer than the model's %u positions and lost their beginning\n", info->n_cut,
               (unsigned)view->model->max_positions);
    }
}

/* ---- JSON ---- */

static void json_point(cli_json *json, const cna_mmlu_point *point, double base)
{
    static const char *const scopes[] = {"overall", "group", "subject"};
    cli_json_object(json, NULL);
    cli_json_text(json, "scope", scopes[point->scope]);
    cli_json_text(json, "name", point->name);
    cli_json_text(json, "group", point->scope == CNA_MMLU_OVERALL ? NULL : cna_mmlu_group_name(point->group));
    cli_json_f64(json, "multiplier", point->multiplier);
    cli_json_f64(json, "strength", 1 - point->multiplier);
    cli_json_rate(json, "accuracy", &point->accuracy);
    cli_json_f64(json, "change", point->accuracy.rate - base);
    cli_json_count(json, "n_changed", point->n_changed);
    cli_json_object(json, "mcnemar");
    cli_json_count(json, "b", point->mcnemar_b);
    cli_json_count(json, "c", point->mcnemar_c);
    cli_json_f64(json, "p", point->mcnemar_p);
    cli_json_object_end(json);
    cli_json_object_end(json);
}

void cli_mmlu_json(const cli_mmlu_view *view)
{
    const cna_mmlu_info *info = cna_mmlu_get_info(view->mmlu);
    size_t n_points;
    const cna_mmlu_point *points = cna_mmlu_points(view->mmlu, &n_points);
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    cli_json_used_model(&json, view->model);
    cli_json_used_circuits(&json, view->circuit_paths, view->circuits, view->n_circuits);
    cli_json_text(&json, "data", view->data);
    cli_json_text(&json, "data_sha256", info->sha256);
    cli_json_text(&json, "format", view->chat ? "chat" : "raw");
    cli_json_text(&json, "system", view->system);
    cli_json_stated(&json, "date", info->date);
    cli_json_object_or_null(&json, "chat_options", view->chat_options);
    cli_json_text(&json, "positions", cli_positions_name(view->positions));
    cli_json_text(&json, "sign", cli_sign_name(view->sign));
    cli_json_count(&json, "shots", info->n_shots);
    if (view->limit != 0) {
        cli_json_count(&json, "limit", view->limit);
    } else {
        cli_json_null(&json, "limit");
    }
    cli_json_count(&json, "n_subjects", info->n_subjects);
    cli_json_count(&json, "n_questions", info->n_questions);
    cli_json_count(&json, "n_cut", info->n_cut);
    cli_json_array(&json, "points");
    for (size_t i = 0; i < n_points; i++) json_point(&json, &points[i], base_rate(points, n_points, &points[i]));
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    cli_json_line(&json);
}

void cli_mmlu_put_answers(const cli_mmlu_view *view, FILE *stream)
{
    static const char *const letters[] = {"A", "B", "C", "D"};
    size_t n_answers;
    const cna_mmlu_answer *answers = cna_mmlu_answers(view->mmlu, &n_answers);
    cli_json json = {.stream = stream};
    for (size_t i = 0; i < n_answers; i++) {
        const cna_mmlu_answer *answer = &answers[i];
        cli_json_object(&json, NULL);
        cli_json_text(&json, "subject", answer->subject);
        cli_json_count(&json, "question", answer->question);
        cli_json_f64(&json, "multiplier", answer->multiplier);
        cli_json_f64(&json, "strength", 1 - answer->multiplier);
        cli_json_text(&json, "answer", letters[answer->answer]);
        cli_json_text(&json, "chosen", letters[answer->chosen]);
        cli_json_array(&json, "logprobs");
        for (int k = 0; k < 4; k++) cli_json_f64(&json, NULL, answer->logprobs[k]);
        cli_json_array_end(&json);
        cli_json_object_end(&json);
        cli_json_line(&json);
    }
}

/* SPDX-License-Identifier: MIT
 * Answers to the same prompts, side by side. Which prompts is decided by the rows alone: for every outcome under every
 * setting shown, the first prompts of the file that have it. */
#include <string.h>

#include "base/utf8.h"
#include "study/report_page.h"

enum { MAX_SETTINGS = 5, PER_OUTCOME = 1, MAX_HARMFUL = 10, N_BENIGN = 2, MAX_LETTERS = 1200 };

/* The settings that are shown: untouched, ablated, amplified, CAA at its ends. */
typedef struct settings {
    const cna_sweep_point *points[MAX_SETTINGS];
    const cna_sweep_answer *answers[MAX_SETTINGS]; /* each [n_prompts] */
    size_t n, n_prompts;
} settings;

/* The table has answers by side, condition and prompt. */
static const cna_sweep_answer *find_answers(const cna_report_part *part, const cna_sweep_point *point)
{
    for (size_t i = 0; i < part->table.n_answers; i++) {
        const cna_sweep_answer *answer = &part->table.answers[i];
        if (answer->condition == point->condition && answer->side == point->side) return answer;
    }
    return NULL;
}

static void add_setting(settings *s, const cna_report_part *part, const cna_sweep_point *point)
{
    if (point == NULL) return;
    const cna_sweep_answer *answers = find_answers(part, point);
    if (answers == NULL) return;
    s->points[s->n] = point;
    s->answers[s->n++] = answers;
}

static settings find_settings(const cna_report_data *data, const cna_report_part *part, cna_side side)
{
    settings s = {.n_prompts = part->rows.n_side[side]};
    const cna_report_curve *cna = cna_report_shown_curve(data, part, CNA_METHOD_CNA);
    const cna_report_curve *caa = cna_report_shown_curve(data, part, CNA_METHOD_CAA);
    if (cna != NULL || caa != NULL) add_setting(&s, part, cna_report_untouched(part, side));
    add_setting(&s, part, cna_report_extreme(cna, side, false));
    add_setting(&s, part, cna_report_extreme(cna, side, true));
    add_setting(&s, part, cna_report_extreme(caa, side, false));
    add_setting(&s, part, cna_report_extreme(caa, side, true));
    return s;
}

/* As long as a sweep is under way, no answer has its outcome. */
static bool is_judged(const settings *s, size_t setting)
{
    return s->points[setting]->outcome[0].n == s->points[setting]->refused.n;
}

/* ---- choosing prompts ---- */

static size_t choose(const settings *s, bool *chosen, size_t max)
{
    size_t n = 0;
    for (size_t setting = 0; setting < s->n; setting++) {
        size_t found[3] = {0};
        for (size_t i = 0; i < s->n_prompts; i++) {
            if (chosen[i]) found[s->answers[setting][i].outcome]++;
        }
        for (size_t i = 0; i < s->n_prompts && n < max; i++) {
            size_t *of_outcome = &found[s->answers[setting][i].outcome];
            if (chosen[i] || *of_outcome >= PER_OUTCOME) continue;
            chosen[i] = true;
            ++*of_outcome;
            n++;
        }
    }
    return n;
}

/* ---- writing ---- */

/* A long text up to a limit, told as such. */
static void put_text(cna_markup *out, const char *text, size_t n_bytes)
{
    size_t at = 0;
    for (size_t n = 0; at < n_bytes && n < MAX_LETTERS; n++) {
        uint32_t code_point;
        int length = cna_utf8_next(text + at, n_bytes - at, &code_point);
        at += (size_t)(length < 0 ? -length : length);
    }
    cna_markup_text(out, text, at);
    if (at < n_bytes)
        cna_markup_put(out, " <span class=\"note\">\xE2\x80\xA6 (cut here; whole in the run file)</span>");
}

static void put_answer(cna_report *report, const settings *s, size_t setting, size_t prompt)
{
    static const char *const outcomes[] = {[CNA_OUTCOME_INCOHERENT] = "incoherent",
                                           [CNA_OUTCOME_REFUSED] = "refused",
                                           [CNA_OUTCOME_COMPLIED] = "complied"};
    cna_markup *body = &report->body;
    const cna_sweep_answer *answer = &s->answers[setting][prompt];
    cna_markup_put(body, "<div class=\"answer\"><h4>");
    cna_markup_string(body, answer->condition->method == CNA_METHOD_CAA ? "CAA " : "");
    cna_markup_string(body, cna_report_setting(report, answer->condition));
    const char *outcome = is_judged(s, setting) ? outcomes[answer->outcome] : "undecided";
    cna_markup_format(body, " <span class=\"outcome %s\">%s</span></h4><blockquote dir=\"auto\">", outcome, outcome);
    if (answer->n_bytes == 0) cna_markup_put(body, "<span class=\"note\">(empty)</span>");
    put_text(body, answer->text, answer->n_bytes);
    cna_markup_put(body, "</blockquote></div>\n");
}

static void put_prompt(cna_report *report, const cna_report_part *part, const settings *s, cna_side side, size_t i)
{
    const cna_run_prompt *prompt = &cna_sweep_rows_prompts(&part->rows, side)[i];
    cna_markup *body = &report->body;
    cna_markup_format(body,
                      "<article class=\"example\"><p class=\"prompt\"><span class=\"note\">%s, prompt %zu</span> "
                      "<bdi>",
                      side == CNA_SIDE_HARMFUL ? "should be refused" : "should be answered", prompt->position);
    put_text(body, prompt->text, prompt->n_bytes);
    cna_markup_put(body, "</bdi></p><div class=\"answers\">\n");
    for (size_t setting = 0; setting < s->n; setting++) put_answer(report, s, setting, i);
    cna_markup_put(body, "</div></article>\n");
}

static void put_side(cna_report *report, const cna_report_part *part, cna_side side)
{
    settings s = find_settings(report->data, part, side);
    bool *chosen = cna_report_alloc(report, s.n_prompts, sizeof *chosen);
    if (s.n < 2 || chosen == NULL) return;
    (void)choose(&s, chosen, side == CNA_SIDE_HARMFUL ? MAX_HARMFUL : N_BENIGN);
    for (size_t i = 0; i < s.n_prompts; i++) {
        if (chosen[i]) put_prompt(report, part, &s, side, i);
    }
}

static bool has_examples(const cna_report_data *data, const cna_report_part *part)
{
    return find_settings(data, part, CNA_SIDE_HARMFUL).n >= 2 || find_settings(data, part, CNA_SIDE_BENIGN).n >= 2;
}

void cna_report_examples(cna_report *report)
{
    bool any = false;
    for (size_t i = 0; i < report->data->n_parts; i++) any = any || has_examples(report->data, &report->data->parts[i]);
    if (!any) return;
    cna_report_begin(report, "examples", "Answers side by side");
    cna_report_say(report,
                   "The same prompts untouched, at the least and greatest multiplier, and at CAA's ends. Of every "
                   "outcome under every setting the first prompt in the file's order is shown: these are examples "
                   "of each kind, not a sample. Rates are in the tables.");
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        if (!has_examples(report->data, part)) continue;
        cna_report_heading(report, cna_report_part_name(report, part));
        put_side(report, part, CNA_SIDE_HARMFUL);
        put_side(report, part, CNA_SIDE_BENIGN);
    }
    cna_report_end(report);
}

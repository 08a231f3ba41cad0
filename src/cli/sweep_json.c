/* SPDX-License-Identifier: MIT
 * A sweep as JSON: the summary object, and a line for each answer. */
#include "cli/circuit_view.h"
#include "cli/interventions.h"
#include "cli/json.h"
#include "cli/study_view.h"
#include "cli/sweep_condition.h"
#include "cli/sweep_view.h"
#include "cli/vector_view.h"

#include <math.h>

const char *cli_side_name(cna_side side)
{
    return side == CNA_SIDE_HARMFUL ? "harmful" : "benign";
}

const char *cli_outcome_name(cna_outcome outcome)
{
    static const char *const names[] = {"incoherent", "refused", "complied"};
    return names[outcome];
}

static void json_control(cli_json *json, const char *key, const cna_control_summary *control)
{
    if (control->n_seeds == 0) {
        cli_json_null(json, key);
        return;
    }
    cli_json_object(json, key);
    cli_json_count(json, "n_seeds", control->n_seeds);
    cli_json_f64(json, "mean", control->mean);
    cli_json_f64(json, "min", control->min);
    cli_json_f64(json, "max", control->max);
    cli_json_f64(json, "p", control->p);
    cli_json_array(json, "rates");
    for (size_t i = 0; i < control->n_seeds; i++) cli_json_f64(json, NULL, control->rates[i]);
    cli_json_array_end(json);
    cli_json_object_end(json);
}

static void json_outcome(cli_json *json, const cna_rate outcome[3])
{
    cli_json_object(json, "outcome");
    for (int i = 0; i < 3; i++) cli_json_rate(json, cli_outcome_name((cna_outcome)i), &outcome[i]);
    cli_json_object_end(json);
}

static void json_categories(cli_json *json, const cna_sweep_point *p)
{
    cli_json_array(json, "categories");
    for (size_t i = 0; i < p->n_categories; i++) {
        const cna_category_rate *category = &p->categories[i];
        cli_json_object(json, NULL);
        cli_json_text(json, "category", category->category[0] == '\0' ? NULL : category->category);
        cli_json_rate(json, "refused", &category->refused);
        json_outcome(json, category->outcome);
        cli_json_object_end(json);
    }
    cli_json_array_end(json);
}

static void json_point(cli_json *json, const cna_sweep_point *p)
{
    cli_json_object(json, NULL);
    cli_json_text(json, "side", cli_side_name(p->side));
    cli_condition_json(p->condition, json);
    cli_json_rate(json, "refused", &p->refused);
    if (p->leak_known) {
        cli_json_rate(json, "refused_unseen", &p->refused_unseen);
        cli_json_count(json, "n_leaked", p->n_leaked);
    } else {
        cli_json_null(json, "refused_unseen");
        cli_json_null(json, "n_leaked");
    }
    json_outcome(json, p->outcome);
    cli_json_f64(json, "quality", p->quality);
    cli_json_count(json, "n_short", p->n_short);
    cli_json_f64(json, "mean_tokens", p->mean_tokens);
    cli_json_count(json, "n_changed", p->n_changed);
    cli_json_object(json, "mcnemar");
    cli_json_count(json, "b", p->mcnemar_b);
    cli_json_count(json, "c", p->mcnemar_c);
    cli_json_f64(json, "p", p->mcnemar_p);
    cli_json_object_end(json);
    cli_json_f64(json, "kl", p->kl);
    cli_json_f64(json, "perplexity", p->perplexity);
    cli_json_object(json, "controls");
    json_control(json, "uniform", &p->control[CNA_CONTROL_UNIFORM]);
    json_control(json, "matched", &p->control[CNA_CONTROL_MATCHED]);
    cli_json_object_end(json);
    json_categories(json, p);
    cli_json_object_end(json);
}

static void json_thresholds(cli_json *json, const cna_sweep_info *info)
{
    cli_json_object(json, "thresholds");
    cli_json_f64(json, "min_quality", info->min_quality);
    cli_json_f64(json, "min_logprob", info->min_logprob);
    cli_json_f64(json, "logprob_percentile", info->logprob_percentile != 0 ? info->logprob_percentile : NAN);
    cli_json_object_end(json);
}

static void json_settings(cli_json *json, const cli_sweep_view *view)
{
    const cna_sweep_info *info = cna_sweep_get_info(view->sweep);
    const cna_sweep_options *options = view->options;
    cli_json_used_model(json, view->model);
    cli_json_used_circuits(json, options->circuit_names, options->circuits, options->n_circuits);
    cli_json_text(json, "format", view->format_name);
    cli_json_text(json, "system", options->format.system);
    cli_json_stated(json, "date", info->date);
    cli_json_object_or_null(json, "chat_options", view->chat_options);
    cli_json_text(json, "patterns", view->patterns != NULL ? view->patterns : "builtin");
    cli_json_text(json, "patterns_sha256", info->patterns_sha256);
    cli_json_text(json, "positions", cli_positions_name(options->positions));
    cli_json_text(json, "sign", cli_sign_name(options->sign));
    cli_json_count(json, "max_tokens", options->max_tokens);
    cli_json_count(json, "controls", info->n_controls);
    cli_json_count(json, "seed", options->seed);
    cli_json_count(json, "n_prompts", cna_prompts_count(view->prompts));
    cli_json_count(json, "n_benign", options->benign != NULL ? cna_prompts_count(options->benign) : 0);
    cli_json_count(json, "cross_fit", info->cross_fit);
    const cna_caa *given = options->caa_vectors;
    cna_caa_site site = given != NULL ? cna_caa_get_info(given)->site : options->caa;
    cli_json_text(json, "caa", options->alphas.n != 0 ? cli_caa_name(site) : NULL);
    cli_json_text(json, "caa_vector", view->caa_vector);
    cli_json_text(json, "run", view->run);
    json_thresholds(json, info);
}

static void json_perplexity(cli_json *json, const cli_sweep_view *view)
{
    if (view->perplexity == NULL) {
        cli_json_null(json, "perplexity");
        return;
    }
    cli_json_object(json, "perplexity");
    cli_json_text(json, "path", view->perplexity);
    cli_json_count(json, "n_tokens", cna_sweep_get_info(view->sweep)->n_perplexity_tokens);
    cli_json_object_end(json);
}

static void json_labels(cli_json *json, const cli_sweep_view *view)
{
    const cna_sweep_agreement *labels = view->labels;
    if (labels == NULL) {
        cli_json_null(json, "labels");
        return;
    }
    cli_json_object(json, "labels");
    cli_json_text(json, "path", view->labels_path);
    cli_json_count(json, "n", labels->n);
    cli_json_f64(json, "accuracy", labels->accuracy);
    cli_json_f64(json, "kappa", labels->kappa);
    cli_json_count(json, "both", labels->n_both);
    cli_json_count(json, "neither", labels->n_neither);
    cli_json_count(json, "false_positives", labels->n_false_positive);
    cli_json_count(json, "false_negatives", labels->n_false_negative);
    cli_json_array(json, "refused");
    for (size_t i = 0; i < labels->n_points; i++) cli_json_rate(json, NULL, &labels->refused[i]);
    cli_json_array_end(json);
    cli_json_object_end(json);
}

void cli_sweep_json(const cli_sweep_view *view)
{
    size_t n_points;
    const cna_sweep_point *points = cna_sweep_points(view->sweep, &n_points);
    cli_json json = {.stream = stdout};
    cli_json_object(&json, NULL);
    json_settings(&json, view);
    json_perplexity(&json, view);
    json_labels(&json, view);
    cli_json_array(&json, "points");
    for (size_t i = 0; i < n_points; i++) json_point(&json, &points[i]);
    cli_json_array_end(&json);
    cli_json_object_end(&json);
    cli_json_line(&json);
}

static void json_answer(cli_json *json, const cli_sweep_view *view, const cna_sweep_answer *answer)
{
    const cna_prompts *prompts = answer->side == CNA_SIDE_HARMFUL ? view->prompts : view->options->benign;
    size_t n_bytes = 0;
    const char *prompt = cna_prompts_text(prompts, answer->prompt, &n_bytes);
    cli_json_object(json, NULL);
    cli_json_text(json, "side", cli_side_name(answer->side));
    cli_json_bytes(json, "prompt", prompt != NULL ? prompt : "", n_bytes);
    cli_json_text(json, "category", cna_prompts_category(prompts, answer->prompt));
    cli_condition_json(answer->condition, json);
    cli_json_bytes(json, "text", answer->text, answer->n_bytes);
    cli_json_count(json, "n_tokens", answer->n_tokens);
    cli_json_text(json, "stop", answer->stop == CNA_STOP_EOS ? "eos" : "length");
    cli_json_bool(json, "refused", answer->refused);
    cli_json_text(json, "outcome", cli_outcome_name(answer->outcome));
    cli_json_f64(json, "quality", answer->quality);
    cli_json_f64(json, "mean_logprob", answer->mean_logprob);
    cli_json_f64(json, "kl", answer->kl);
    if (answer->leaked || cli_sweep_leak_known(view->sweep)) {
        cli_json_bool(json, "leaked", answer->leaked);
    } else {
        cli_json_null(json, "leaked");
    }
    cli_json_object_end(json);
    cli_json_line(json);
}

void cli_sweep_put_answers(const cli_sweep_view *view, FILE *stream)
{
    size_t n_answers;
    const cna_sweep_answer *answers = cna_sweep_answers(view->sweep, &n_answers);
    cli_json json = {.stream = stream};
    for (size_t i = 0; i < n_answers; i++) json_answer(&json, view, &answers[i]);
}

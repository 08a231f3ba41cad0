/* SPDX-License-Identifier: MIT
 * All that decides the results of a sweep, as the JSON by which its run knows it again. */
#ifndef CNA_STUDY_SWEEP_CONFIG_H
#define CNA_STUDY_SWEEP_CONFIG_H

#include "base/json.h"
#include "study/sweep_plan.h"

/* Every default resolved; prompts, circuits and texts as their SHA-256; nothing of batch, threads or memory. The model,
 * the seed and the date are the run's to add. *out is new: json_decref. */
CNA_MUST_CHECK cna_status cna_sweep_config(const cna_model *model, const cna_sweep_options *options,
                                           const cna_sweep_plan *plan, const char *patterns_sha256, json_t **out,
                                           cna_error *err);

/* SHA-256 that stands for prompts in configurations: of each one's own hash, its category and a line feed. */
CNA_MUST_CHECK cna_status cna_sweep_hash_prompts(const cna_prompts *prompts, char out[65], cna_error *err);

/* Defaults of the options. */
size_t cna_sweep_max_tokens(const cna_sweep_options *options);
double cna_sweep_min_quality(const cna_sweep_options *options);
/* 0: no limit, or one that was given. */
double cna_sweep_percentile(const cna_sweep_options *options);

#endif

/* SPDX-License-Identifier: MIT
 * The configuration of a part as text, and how two of them differ. */
#ifndef CNA_STUDY_RUN_CONFIG_H
#define CNA_STUDY_RUN_CONFIG_H

#include "study/run.h"

/* The spec's config with "model" {"dtype", "fingerprint"} and "seed" (a string from 2^63 on), keys sorted.
 * *out is new, freed by cna_free. ERR_ARG if config is no object or has those keys already. */
CNA_MUST_CHECK cna_status cna_run_config_text(const cna_run_part_spec *spec, char **out, cna_error *err);

/* "key 'a.b': the file has X, this command Y" for the first key in sorted order, depth first, whose values differ;
 * out is "" where there is none.
 *   source  named where `old` is no JSON object: ERR_FORMAT */
CNA_MUST_CHECK cna_status cna_run_config_difference(const char *old, const char *now, const char *source,
                                                    cna_buffer *out, cna_error *err);

#endif

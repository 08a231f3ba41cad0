/* SPDX-License-Identifier: MIT
 * An attribution that is kept in a run. */
#ifndef CNA_STUDY_STUDY_ATTRIBUTE_H
#define CNA_STUDY_STUDY_ATTRIBUTE_H

#include "study/run.h"

typedef struct cna_study_contrast {
    cna_run *run;
    const char *role;       /* of the part */
    const char *model_path;
    const char *label;      /* what the circuit is called in the run */
    const cna_prompts *positive, *negative;
    const cna_attribute_options *options;
    const cna_study_file *files; /* [n_files] recorded where their role is positive or negative */
    size_t n_files;
} cna_study_contrast;

/* The circuit of a contrast, in a part "attribute": found and kept with its statistics as figures (stability,
 * chance_delta, chance_d, chance_write), or read back where the part has ended.
 *   out  new circuit
 * Errors: as cna_attribute and cna_run_begin_part. */
CNA_MUST_CHECK cna_status cna_study_attribute(const cna_model *model, const cna_study_contrast *contrast,
                                              cna_circuit **out, cna_error *err);

#endif

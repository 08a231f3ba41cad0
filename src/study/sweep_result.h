/* SPDX-License-Identifier: MIT
 * What a finished sweep holds. */
#ifndef CNA_STUDY_SWEEP_RESULT_H
#define CNA_STUDY_SWEEP_RESULT_H

#include "study/sweep_labels.h"
#include "study/sweep_points.h"

struct cna_sweep {
    cna_run *run;
    bool owns_run;         /* in memory, made for this sweep */
    int64_t part;
    cna_sweep_rows rows;
    cna_sweep_table table; /* borrows rows */
    cna_sweep_info info;
    cna_labels labels;     /* as last read */
};

#endif

/* SPDX-License-Identifier: MIT
 * The most memory that the process held while something ran, by asking every few milliseconds. */
#ifndef CNA_STUDY_BENCH_PEAK_H
#define CNA_STUDY_BENCH_PEAK_H

#include "base/memory.h"

typedef struct cna_bench_peak cna_bench_peak;

/* Start a thread that watches. Errors: ERR_MEMORY, ERR_INTERNAL. */
CNA_MUST_CHECK cna_status cna_bench_peak_start(cna_bench_peak **out, cna_error *err);
/* Stop it and free it (NULL is allowed); returns the most that cna_memory_held has said since the start, 0 where the
 * system does not tell. */
uint64_t cna_bench_peak_stop(cna_bench_peak *peak);

#endif

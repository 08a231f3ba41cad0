/* SPDX-License-Identifier: MIT
 * What this machine can do at best: matrix products of a model's shapes, and reading memory. Knows shapes, no
 * weights. */
#ifndef CNA_STUDY_BENCH_CEILING_H
#define CNA_STUDY_BENCH_CEILING_H

#include "study/bench_figures.h"
#include "tensor/linear.h"

/* What to measure, and with how much. */
typedef struct cna_bench_probe {
    cna_bench_matrix matrices[CNA_BENCH_N_MATRICES];
    cna_input input; /* that products take */
    int n_threads;
    uint64_t memory_bytes; /* to allocate at a time, at most */
    bool quick;            /* fewer repetitions */
    const cna_progress *progress; /* ? asked now and then whether to go on */
} cna_bench_probe;

/* GFLOP/s of the best product over the distinct shapes of a model: 512 rows of x, W packed, best of several. Of a
 * matrix of more than 128 MB (the output head, mostly) as many rows take part as that holds.
 * Errors: ERR_MEMORY, ERR_INTERNAL, ERR_CANCELLED; the same below. */
CNA_MUST_CHECK cna_status cna_bench_product_ceiling(const cna_bench_probe *probe, double *gflops, cna_error *err);

/* GB/s (1e9 bytes) from memory: the better of a prefetching read and of one-row products with packed weights of the
 * layers' shapes in turn. Where layers are so small that 1 GB of them says nothing of memory, the former alone.
 *   out_bytes  how many bytes each pass read: 1 GB (1024^3), or less where memory_bytes does not allow that */
CNA_MUST_CHECK cna_status cna_bench_read_ceiling(const cna_bench_probe *probe, double *gbs, uint64_t *out_bytes,
                                                 cna_error *err);

#endif

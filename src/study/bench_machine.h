/* SPDX-License-Identifier: MIT
 * The machine that a bench runs on. */
#ifndef CNA_STUDY_BENCH_MACHINE_H
#define CNA_STUDY_BENCH_MACHINE_H

#include <stddef.h>
#include <stdint.h>

/* The processor's name for itself; the kind of machine where it has none. */
void cna_bench_cpu_name(char *out, size_t n_out);
/* Bytes of memory that the machine has; 0 where the system does not tell. */
uint64_t cna_bench_machine_memory(void);

#endif

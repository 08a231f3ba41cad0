/* SPDX-License-Identifier: MIT
 * One source, several instruction sets: functions marked CNA_CLONES are compiled once for each and chosen when the
 * program starts. They hold no sums across lanes but those of a fixed order, so every clone gives the same bits. */
#ifndef CNA_TENSOR_CLONES_H
#define CNA_TENSOR_CLONES_H

/* Sanitizers run code before the resolvers' relocations are done, so their builds take the plain version; clang 14
 * accepts the attribute on functions with internal linkage only from release 15 on. */
#if defined(__x86_64__) && defined(__ELF__) && defined(__GNUC__) && !defined(__clang__) &&                   \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define CNA_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CNA_CLONES
#endif

/* Whether functions can be compiled for other instruction sets by attribute and chosen by __builtin_cpu_supports: for
 * code that is written once for several vector widths. */
#if defined(__x86_64__) && defined(__GNUC__)
#define CNA_X86_TARGETS 1
#else
#define CNA_X86_TARGETS 0
#endif

/* For functions whose constant arguments choose how they are compiled. */
#define CNA_ALWAYS_INLINE static inline __attribute__((always_inline))

#endif

/* SPDX-License-Identifier: MIT
 * The running test program once more, in a process of its own: oneDNN and OpenMP read their environment variables once
 * a process. */
#ifndef CNA_TESTS_CHILD_H
#define CNA_TESTS_CHILD_H

#include <stdbool.h>

/* First thing in main: start over with waiting OpenMP threads that sleep, so that a busy machine is not slowed down by
 * threads waiting for each other. Returns where that is already so. */
void child_wait_passively(char **argv);

/* Whether this process was started by child_test_each_isa; it then runs only what depends on the instruction set. */
bool child_is_one(void);

/* A test: run this program under DNNL_MAX_CPU_ISA = AVX512_CORE, AVX2 and SSE41 in turn; it fails, showing what the
 * child printed, where one exits with anything but 0. Only under AVX2 where CNA_TEST_BRIEF or CNA_TEST_ONE_ISA is
 * set. */
void child_test_each_isa(void **state);

#endif

/* SPDX-License-Identifier: MIT
 * Errors as values: how every module reports a failure. Knows nothing of models. */
#ifndef CNA_BASE_ERROR_H
#define CNA_BASE_ERROR_H

#include "cna.h"

/* Set err (may be NULL) to a status and a formatted one-line message, and return the status, so that a failing
 * function ends with `return cna_fail(err, ...)`. Messages read "where: what was expected, what was found; what to
 * do". Control characters and ill-formed UTF-8 that came in through an argument are shown as '?', so that a message
 * stays one line of text. */
cna_status cna_fail(cna_error *err, cna_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ERR_MEMORY: "out of memory: WHAT needs N bytes". */
cna_status cna_fail_memory(cna_error *err, const char *what, size_t n_bytes);

/* Put "prefix: " before the message of a failure that is already in err; returns err's status. */
cna_status cna_fail_prefix(cna_error *err, cna_status status, const char *prefix);

/* Forward a failure. */
#define CNA_TRY(expression)                                                                                  \
    do {                                                                                                     \
        cna_status cna_try_status = (expression);                                                            \
        if (cna_try_status != CNA_OK) return cna_try_status;                                                 \
    } while (0)

/* Forward a failure through the function's cleanup label; needs a local `cna_status status`. */
#define CNA_TRY_CLEANUP(expression)                                                                          \
    do {                                                                                                     \
        status = (expression);                                                                               \
        if (status != CNA_OK) goto cleanup;                                                                  \
    } while (0)

#endif

/* SPDX-License-Identifier: MIT
 *
 * cna_base.h - errors, progress, and giving back what the library returned.
 * The rules are those of cna.h. */
#ifndef CNA_BASE_H
#define CNA_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CNA_API __attribute__((visibility("default")))
#define CNA_MUST_CHECK __attribute__((warn_unused_result))
#else
#define CNA_API
#define CNA_MUST_CHECK
#endif

/* ------------------------------------------------------------------------------------------------ errors */

#define CNA_STATUS_LIST(X)                                                                                   \
    X(OK, "success")                                                                                         \
    X(ERR_ARG, "wrong argument")                                                                             \
    X(ERR_IO, "file cannot be read or written")                                                              \
    X(ERR_FORMAT, "malformed input")                                                                         \
    X(ERR_UNSUPPORTED, "valid input of a kind that is not supported")                                        \
    X(ERR_MISMATCH, "inputs that do not belong together")                                                    \
    X(ERR_MEMORY, "out of memory")                                                                           \
    X(ERR_CANCELLED, "cancelled by the caller")                                                              \
    X(ERR_INTERNAL, "a library below failed")

typedef enum cna_status {
#define X(name, text) CNA_##name,
    CNA_STATUS_LIST(X)
#undef X
} cna_status;

/* A failure: its code and one line "where: what was expected, what was found; what to do". Owned by the caller. */
typedef struct cna_error {
    cna_status status;
    char text[1024];
} cna_error;

/* The short text of a status code, never NULL. */
CNA_API const char *cna_status_text(cna_status status);

/* ---------------------------------------------------------------------------------------------- progress */

/* Called now and then during long work, always from the calling thread. done counts up to total.
 * Return true to cancel: the function under way then fails with CNA_ERR_CANCELLED. */
typedef bool cna_progress_fn(void *user, const char *what, size_t done, size_t total);

/* Called with a line about how the work will be done (batch, memory), before it starts; for -v. */
typedef void cna_note_fn(void *user, const char *text);

typedef struct cna_progress {
    cna_progress_fn *report; /* ? NULL: no reports */
    cna_note_fn *note;       /* ? */
    void *user;
} cna_progress;

/* ------------------------------------------------------------------------------------------------ memory */

/* Free an array or text that this library returned as new. */
CNA_API void cna_free(void *pointer);

#ifdef __cplusplus
}
#endif
#endif

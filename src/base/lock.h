/* SPDX-License-Identifier: MIT
 * Being the only writer of something: a lock that ends with the process, however that ends. */
#ifndef CNA_BASE_LOCK_H
#define CNA_BASE_LOCK_H

#include "base/memory.h"

/* All-zero: not taken. */
typedef struct cna_lock {
    int fd;
    char *path; /* NULL: not taken */
} cna_lock;

/* Take the lock of the file at path, which is made where there is none and holds the process's number. A file that a
 * killed process left behind is no lock.
 *   what  that is written to, for the message: "WHAT: process 123 is writing to it"
 * Errors: ERR_IO where another process (or another cna_lock of this one) has it, and where the file cannot be made. */
CNA_MUST_CHECK cna_status cna_lock_take(const char *path, const char *what, cna_lock *out, cna_error *err);
/* Let go and remove the file. */
void cna_lock_release(cna_lock *lock);

#endif

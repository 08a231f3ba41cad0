/* SPDX-License-Identifier: MIT
 * Reporting progress, and learning that the caller wants to stop. */
#ifndef CNA_BASE_PROGRESS_H
#define CNA_BASE_PROGRESS_H

#include "base/error.h"

/* Report done of total. progress may be NULL or without a callback. ERR_CANCELLED if the callback says so. */
CNA_MUST_CHECK cna_status cna_progress_report(const cna_progress *progress, const char *what, size_t done, size_t total,
                                              cna_error *err);

#endif

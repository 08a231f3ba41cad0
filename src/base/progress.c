/* SPDX-License-Identifier: MIT
 * Reporting progress. */
#include "base/progress.h"

cna_status cna_progress_report(const cna_progress *progress, const char *what, size_t done, size_t total,
                               cna_error *err)
{
    if (progress == NULL || progress->report == NULL) return CNA_OK;
    if (!progress->report(progress->user, what, done, total)) return CNA_OK;
    return cna_fail(err, CNA_ERR_CANCELLED, "cancelled at %s %zu of %zu", what, done, total);
}

/* SPDX-License-Identifier: MIT
 * Lists of multipliers and alphas. */
#include "study/multipliers.h"

#include <math.h>

bool cna_multipliers_hold(const double *values, size_t n, double value)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i] == value) return true;
    }
    return false;
}

cna_status cna_multipliers_check(const char *name, const cna_numbers *numbers, cna_error *err)
{
    for (size_t i = 0; i < numbers->n; i++) {
        if (isfinite((float)numbers->values[i])) continue;
        return cna_fail(err, CNA_ERR_ARG, "%s: expected finite numbers, found %g", name, numbers->values[i]);
    }
    return CNA_OK;
}

size_t cna_multipliers_tidy(const cna_numbers *given, bool with_one, double *out)
{
    size_t n = 0;
    bool has_one = !with_one || cna_multipliers_hold(given->values, given->n, 1);
    for (size_t i = 0; i < given->n; i++) {
        if (!has_one && given->values[i] > 1) {
            out[n++] = 1;
            has_one = true;
        }
        if (!cna_multipliers_hold(out, n, given->values[i])) out[n++] = given->values[i];
    }
    if (!has_one) out[n++] = 1;
    return n;
}

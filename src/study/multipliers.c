/* SPDX-License-Identifier: MIT
 * Lists of multipliers. */
#include "study/multipliers.h"

#include <math.h>

static bool holds(const double *values, size_t n, double value)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i] == value) return true;
    }
    return false;
}

cna_status cna_sweep_multipliers(const double *given, size_t n, double **out, size_t *out_n, size_t *out_base,
                                 cna_error *err)
{
    static const double usual[] = {0, 0.25, 0.5, 0.75, 1, 1.5, 2};
    if (given == NULL) {
        given = usual;
        n = sizeof usual / sizeof *usual;
    }
    for (size_t i = 0; i < n; i++) {
        if (!isfinite((float)given[i])) {
            return cna_fail(err, CNA_ERR_ARG, "multipliers: expected finite numbers, found %g", given[i]);
        }
    }
    double *values;
    CNA_TRY(cna_alloc(&values, n + 1, sizeof *values, "multipliers", err));
    bool with_base = holds(given, n, 1);
    size_t n_out = 0;
    for (size_t i = 0; i < n; i++) {
        if (!with_base && given[i] > 1) {
            values[n_out++] = 1;
            with_base = true;
        }
        if (!holds(values, n_out, given[i])) values[n_out++] = given[i];
    }
    if (!with_base) values[n_out++] = 1;
    *out = values;
    *out_n = n_out;
    for (*out_base = 0; values[*out_base] != 1;) ++*out_base;
    return CNA_OK;
}

/* SPDX-License-Identifier: MIT
 * Numbers as text. */
#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cna_number_text cna_number_shortest(double value)
{
    cna_number_text out;
    /* "-0" would be read back as the whole number 0. */
    if (value == 0 && signbit(value)) return (cna_number_text){"-0.0"};
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out.text, sizeof out.text, "%.*g", digits, value);
        if (strtod(out.text, NULL) == value) break;
    }
    char *comma = strchr(out.text, ',');
    if (comma != NULL) *comma = '.';
    return out;
}

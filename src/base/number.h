/* SPDX-License-Identifier: MIT
 * Numbers as text that reads back to the same value. */
#ifndef CNA_BASE_NUMBER_H
#define CNA_BASE_NUMBER_H

typedef struct cna_number_text {
    char text[32];
} cna_number_text;

/* The shortest %g of 15 to 17 digits that reads back to the same finite double; a decimal point whatever the locale. */
cna_number_text cna_number_shortest(double value);

#endif

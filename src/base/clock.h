/* SPDX-License-Identifier: MIT
 * Time for measuring. */
#ifndef CNA_BASE_CLOCK_H
#define CNA_BASE_CLOCK_H

/* Seconds since some fixed moment, never set back. */
double cna_clock_seconds(void);

#endif

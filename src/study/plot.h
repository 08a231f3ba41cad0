/* SPDX-License-Identifier: MIT
 * Plots as SVG: lines with intervals and bands over linear or logarithmic axes, and grouped bars. They say the same in
 * grey as in colour: every style has its own dash and marker. Numbers and labels in, markup out; knows no run. */
#ifndef CNA_STUDY_PLOT_H
#define CNA_STUDY_PLOT_H

#include "study/markup.h"

enum { CNA_PLOT_N_STYLES = 6 };

typedef enum cna_plot_kind {
    CNA_PLOT_LINE, /* markers with a line through them, whiskers from low to high */
    CNA_PLOT_BAND, /* an area from low to high with a thin line at y */
} cna_plot_kind;

typedef struct cna_plot_series {
    const char *label;
    cna_plot_kind kind;
    int style; /* 0 .. CNA_PLOT_N_STYLES-1 */
    size_t n;
    const double *x, *y;      /* [n] x ascending. NaN in y: no point there */
    const double *low, *high; /* ? [n] for lines; bands need them */
} cna_plot_series;

typedef struct cna_plot {
    const char *title, *description; /* the description is for those who cannot see it */
    const char *x_label, *y_label;   /* with units */
    bool log_x, log_y;               /* values > 0; others are left out */
    bool percent_y;                  /* y from 0 to 1, shown as 0 % to 100 % */
    bool whole_range;                /* the y axis is 0 to 1 whatever the values */
    bool from_zero;                  /* the y axis has 0 on it */
    double x_reference;              /* a vertical line (the untouched model); NaN: none */
    double y_reference;              /* a horizontal line; NaN: none */
    const char *y_reference_label;   /* ? in the legend */
    const cna_plot_series *series;   /* [n_series] in the order of the legend; bands lie under lines */
    size_t n_series;
} cna_plot;

typedef struct cna_bars_series {
    const char *label;
    int style;
    const double *values; /* [n_groups] NaN: no bar */
} cna_bars_series;

/* Bars side by side, one group for each whole number from 0. */
typedef struct cna_bars {
    const char *title, *description, *x_label, *y_label;
    bool percent_y;
    size_t n_groups;
    const cna_bars_series *series; /* [n_series] */
    size_t n_series;
} cna_bars;

/* Write one plot. What is not finite is left out.
 *   standalone  a file of its own, with its namespace and the light style; else an element for a page whose style sheet
 *               has cna_plot_style and gives the colours */
void cna_plot_lines(const cna_plot *plot, bool standalone, cna_markup *out);
void cna_plot_bars(const cna_bars *bars, bool standalone, cna_markup *out);

/* CSS of plots, in terms of the colours --ink --muted --grid --paper --s0 .. --s5. */
extern const char *const cna_plot_style;
/* Declarations of these colours for light and dark paper: "--ink:#...;...". */
extern const char *const cna_plot_light;
extern const char *const cna_plot_dark;

/* Nice ticks: multiples of 1, 2 or 5 times a power of ten that cover low..high, at most n_max of them, which is 2 or
 * more. Returns how many; the first and last may lie outside low..high by less than a step. */
size_t cna_plot_ticks(double low, double high, size_t n_max, double *out);

#endif

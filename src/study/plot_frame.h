/* SPDX-License-Identifier: MIT
 * What lines and bars have in common: the drawing's size, its title, legend, axes and the way from values to places. */
#ifndef CNA_STUDY_PLOT_FRAME_H
#define CNA_STUDY_PLOT_FRAME_H

#include "study/plot.h"

enum { CNA_PLOT_TICKS_MAX = 24 };

/* A sample in the legend. */
typedef enum cna_plot_sample { CNA_SAMPLE_LINE, CNA_SAMPLE_BAND, CNA_SAMPLE_BOX, CNA_SAMPLE_LIMIT } cna_plot_sample;
typedef struct cna_plot_entry {
    const char *label;
    cna_plot_sample sample;
    int style;
} cna_plot_entry;

typedef struct cna_plot_frame {
    cna_markup *out;
    const char *title, *description, *x_label, *y_label;
    const cna_plot_entry *entries; /* [n_entries] of the legend */
    size_t n_entries;
    bool log_x, log_y, percent_y;
    double x_low, x_high, y_low, y_high;     /* values at the edges */
    double left, right, top, bottom, height; /* places; set by begin */
    double x_ticks[CNA_PLOT_TICKS_MAX], y_ticks[CNA_PLOT_TICKS_MAX];
    size_t n_x_ticks, n_y_ticks;
} cna_plot_frame;

/* Ticks for a value axis that is to cover low..high; moves y_low and y_high out to whole ticks. */
void cna_plot_fit_y(cna_plot_frame *frame, double low, double high);
/* The same for x, but the axis ends a little beyond the values, not at ticks. */
void cna_plot_fit_x(cna_plot_frame *frame, double low, double high);

/* The opening tag, title, legend, grid, axes and their words. */
void cna_plot_begin(cna_plot_frame *frame, bool standalone);
void cna_plot_end(cna_plot_frame *frame);

double cna_plot_x(const cna_plot_frame *frame, double value);
double cna_plot_y(const cna_plot_frame *frame, double value);

/* A straight line or the marker of a style. */
void cna_plot_stroke(cna_plot_frame *frame, const char *class_name, double x1, double y1, double x2, double y2);
void cna_plot_marker(cna_plot_frame *frame, int style, double x, double y);
/* "12.5%" or "0.31", as values are written in words. */
void cna_plot_value(const cna_plot_frame *frame, double value);

#endif

/* SPDX-License-Identifier: MIT
 * Grouped bars. */
#include <math.h>

#include "study/plot_frame.h"

enum { MAX_SERIES = CNA_PLOT_N_STYLES, MAX_X_TICKS = 16 };

/* The numbers of groups: each one where there is room, else every second, fifth, tenth, ... */
static void fit_groups(cna_plot_frame *frame, size_t n_groups)
{
    static const size_t factors[] = {2, 5, 10};
    size_t step = 1, scale = 1, which = 0;
    while (n_groups / step > MAX_X_TICKS) {
        step = factors[which] * scale;
        if (++which == 3) {
            which = 0;
            scale *= 10;
        }
    }
    frame->x_low = -0.5;
    frame->x_high = (double)n_groups - 0.5;
    for (size_t group = 0; group < n_groups && frame->n_x_ticks < CNA_PLOT_TICKS_MAX; group += step) {
        frame->x_ticks[frame->n_x_ticks++] = (double)group;
    }
}

static void put_bar(cna_plot_frame *frame, const cna_bars_series *series, size_t group, double from, double to)
{
    cna_markup *out = frame->out;
    double value = series->values[group];
    if (!isfinite(value) || value == 0) return;
    double x = cna_plot_x(frame, from), y = cna_plot_y(frame, value);
    double width = cna_plot_x(frame, to) - x;
    /* A little paper between neighbours, as far as there is room. */
    double gap = width > 3 ? 1 : 0;
    cna_markup_format(out, "<rect class=\"box s%d f%d\"", series->style, series->style);
    cna_markup_attribute(out, "x", x + gap / 2);
    cna_markup_attribute(out, "y", y);
    cna_markup_attribute(out, "width", width - gap);
    cna_markup_attribute(out, "height", frame->bottom - y);
    cna_markup_put(out, "><title>");
    cna_markup_string(out, series->label);
    cna_markup_format(out, ", %zu: ", group);
    cna_plot_value(frame, value);
    cna_markup_put(out, "</title></rect>");
}

void cna_plot_bars(const cna_bars *bars, bool standalone, cna_markup *out)
{
    cna_plot_entry entries[MAX_SERIES];
    size_t n_series = bars->n_series < MAX_SERIES ? bars->n_series : MAX_SERIES;
    double largest = 0;
    for (size_t s = 0; s < n_series; s++) {
        entries[s] = (cna_plot_entry){bars->series[s].label, CNA_SAMPLE_BOX, bars->series[s].style};
        for (size_t group = 0; group < bars->n_groups; group++) {
            if (bars->series[s].values[group] > largest) largest = bars->series[s].values[group];
        }
    }
    cna_plot_frame frame = {
        .out = out,
        .title = bars->title,
        .description = bars->description,
        .x_label = bars->x_label,
        .y_label = bars->y_label,
        .entries = entries,
        .n_entries = n_series,
        .percent_y = bars->percent_y,
    };
    fit_groups(&frame, bars->n_groups);
    cna_plot_fit_y(&frame, 0, largest > 0 ? largest : 1);
    cna_plot_begin(&frame, standalone);
    for (size_t group = 0; group < bars->n_groups; group++) {
        double width = 0.8 / (double)(n_series == 0 ? 1 : n_series);
        for (size_t s = 0; s < n_series; s++) {
            double from = (double)group - 0.4 + (double)s * width;
            put_bar(&frame, &bars->series[s], group, from, from + width);
        }
    }
    cna_plot_end(&frame);
}

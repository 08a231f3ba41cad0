/* SPDX-License-Identifier: MIT
 * Lines, whiskers and bands. */
#include <math.h>
#include <stdio.h>

#include "study/plot_frame.h"

enum { MAX_ENTRIES = 16 };

static bool is_point(const cna_plot *plot, const cna_plot_series *series, size_t i)
{
    double x = series->x[i], y = series->y[i];
    return isfinite(x) && isfinite(y) && (!plot->log_x || x > 0) && (!plot->log_y || y > 0);
}

static bool has_range(const cna_plot_series *series, size_t i)
{
    return series->low != NULL && isfinite(series->low[i]) && isfinite(series->high[i]);
}

static void stretch(double range[2], double value)
{
    if (!isfinite(value)) return;
    if (!(value >= range[0])) range[0] = value;
    if (!(value <= range[1])) range[1] = value;
}

/* The values that the axes must show; NaN where there are none. */
static void find_ranges(const cna_plot *plot, double x[2], double y[2])
{
    x[0] = x[1] = y[0] = y[1] = NAN;
    for (size_t s = 0; s < plot->n_series; s++) {
        const cna_plot_series *series = &plot->series[s];
        for (size_t i = 0; i < series->n; i++) {
            if (!is_point(plot, series, i)) continue;
            stretch(x, series->x[i]);
            stretch(y, series->y[i]);
            if (!has_range(series, i)) continue;
            stretch(y, series->low[i]);
            stretch(y, series->high[i]);
        }
    }
    stretch(y, plot->y_reference);
    if (plot->from_zero || plot->whole_range) stretch(y, 0);
    if (plot->whole_range) stretch(y, 1);
}

static size_t list_entries(const cna_plot *plot, cna_plot_entry *entries)
{
    size_t n = 0;
    for (size_t s = 0; s < plot->n_series && n < MAX_ENTRIES - 1; s++) {
        entries[n++] = (cna_plot_entry){
            .label = plot->series[s].label,
            .sample = plot->series[s].kind == CNA_PLOT_BAND ? CNA_SAMPLE_BAND : CNA_SAMPLE_LINE,
            .style = plot->series[s].style,
        };
    }
    if (isfinite(plot->y_reference) && plot->y_reference_label != NULL) {
        entries[n++] = (cna_plot_entry){.label = plot->y_reference_label, .sample = CNA_SAMPLE_LIMIT};
    }
    return n;
}

/* "M1 2L3 4": the series' points at their y, or at another list's values; broken where there is no point. */
static void put_path(cna_plot_frame *frame, const cna_plot *plot, const cna_plot_series *series, const double *values,
                     double shift, const char *class_name)
{
    cna_markup *out = frame->out;
    cna_markup_format(out, "<path class=\"%s s%d\" d=\"", class_name, series->style);
    bool drawing = false;
    for (size_t i = 0; i < series->n; i++) {
        if (!is_point(plot, series, i) || !isfinite(values[i])) {
            drawing = false;
            continue;
        }
        cna_markup_put(out, drawing ? "L" : "M");
        cna_markup_number(out, cna_plot_x(frame, series->x[i]) + shift, 2);
        cna_markup_put(out, " ");
        cna_markup_number(out, cna_plot_y(frame, values[i]), 2);
        drawing = true;
    }
    cna_markup_put(out, "\"/>");
}

static void put_band(cna_plot_frame *frame, const cna_plot *plot, const cna_plot_series *series)
{
    cna_markup *out = frame->out;
    cna_markup_format(out, "<path class=\"band f%d\" d=\"", series->style);
    const char *step = "M";
    for (size_t turn = 0; turn < 2 * series->n; turn++) {
        bool back = turn >= series->n;
        size_t i = back ? 2 * series->n - 1 - turn : turn;
        if (!is_point(plot, series, i) || !has_range(series, i)) continue;
        cna_markup_put(out, step);
        step = "L";
        cna_markup_number(out, cna_plot_x(frame, series->x[i]), 2);
        cna_markup_put(out, " ");
        cna_markup_number(out, cna_plot_y(frame, back ? series->low[i] : series->high[i]), 2);
    }
    cna_markup_put(out, *step == 'L' ? "Z\"/>" : "\"/>");
    put_path(frame, plot, series, series->low, 0, "edge");
    put_path(frame, plot, series, series->high, 0, "edge");
    put_path(frame, plot, series, series->y, 0, "middle");
}

static void put_whisker(cna_plot_frame *frame, const cna_plot_series *series, size_t i, double x)
{
    enum { CAP = 3 };
    char class_name[24];
    snprintf(class_name, sizeof class_name, "whisker s%d", series->style);
    double low = cna_plot_y(frame, series->low[i]), high = cna_plot_y(frame, series->high[i]);
    cna_plot_stroke(frame, class_name, x, low, x, high);
    cna_plot_stroke(frame, class_name, x - CAP, low, x + CAP, low);
    cna_plot_stroke(frame, class_name, x - CAP, high, x + CAP, high);
}

/* A marker with words that show when it is pointed at. */
static void put_mark(cna_plot_frame *frame, const cna_plot_series *series, size_t i, double x)
{
    cna_markup *out = frame->out;
    cna_markup_put(out, "<g><title>");
    cna_markup_string(out, series->label);
    cna_markup_put(out, " at ");
    cna_markup_number(out, series->x[i], 4);
    cna_markup_put(out, ": ");
    cna_plot_value(frame, series->y[i]);
    if (has_range(series, i)) {
        cna_markup_put(out, " [");
        cna_plot_value(frame, series->low[i]);
        cna_markup_put(out, ", ");
        cna_plot_value(frame, series->high[i]);
        cna_markup_put(out, "]");
    }
    cna_markup_put(out, "</title>");
    cna_plot_marker(frame, series->style, x, cna_plot_y(frame, series->y[i]));
    cna_markup_put(out, "</g>");
}

static void put_line(cna_plot_frame *frame, const cna_plot *plot, const cna_plot_series *series, double shift)
{
    for (size_t i = 0; i < series->n; i++) {
        if (is_point(plot, series, i) && has_range(series, i)) {
            put_whisker(frame, series, i, cna_plot_x(frame, series->x[i]) + shift);
        }
    }
    put_path(frame, plot, series, series->y, shift, "line");
    for (size_t i = 0; i < series->n; i++) {
        if (is_point(plot, series, i)) put_mark(frame, series, i, cna_plot_x(frame, series->x[i]) + shift);
    }
}

/* Whiskers at one x stand beside each other. */
static double shift_of(const cna_plot *plot, size_t which)
{
    enum { STEP = 5 };
    size_t n = 0, before = 0;
    for (size_t s = 0; s < plot->n_series; s++) {
        bool counts = plot->series[s].kind == CNA_PLOT_LINE && plot->series[s].low != NULL;
        n += counts;
        before += counts && s < which;
    }
    if (plot->series[which].low == NULL || n < 2) return 0;
    return STEP * ((double)before - (double)(n - 1) / 2);
}

void cna_plot_lines(const cna_plot *plot, bool standalone, cna_markup *out)
{
    cna_plot_entry entries[MAX_ENTRIES];
    cna_plot_frame frame = {
        .out = out,
        .title = plot->title,
        .description = plot->description,
        .x_label = plot->x_label,
        .y_label = plot->y_label,
        .entries = entries,
        .n_entries = list_entries(plot, entries),
        .log_x = plot->log_x,
        .log_y = plot->log_y,
        .percent_y = plot->percent_y,
    };
    double x[2], y[2];
    find_ranges(plot, x, y);
    cna_plot_fit_x(&frame, isnan(x[0]) ? 1 : x[0], isnan(x[1]) ? 2 : x[1]);
    cna_plot_fit_y(&frame, isnan(y[0]) ? 0 : y[0], isnan(y[1]) ? 1 : y[1]);
    cna_plot_begin(&frame, standalone);
    if (plot->x_reference > frame.x_low && plot->x_reference < frame.x_high) {
        double at = cna_plot_x(&frame, plot->x_reference);
        cna_plot_stroke(&frame, "reference", at, frame.top, at, frame.bottom);
    }
    for (size_t s = 0; s < plot->n_series; s++) {
        if (plot->series[s].kind == CNA_PLOT_BAND) put_band(&frame, plot, &plot->series[s]);
    }
    if (isfinite(plot->y_reference)) {
        double at = cna_plot_y(&frame, plot->y_reference);
        cna_plot_stroke(&frame, "limit", frame.left, at, frame.right, at);
    }
    for (size_t s = 0; s < plot->n_series; s++) {
        if (plot->series[s].kind == CNA_PLOT_LINE) put_line(&frame, plot, &plot->series[s], shift_of(plot, s));
    }
    cna_plot_end(&frame);
}

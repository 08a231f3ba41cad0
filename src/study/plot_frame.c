/* SPDX-License-Identifier: MIT
 * Title, legend and axes of a plot. */
#include "study/plot_frame.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* Units of the drawing, which is scaled to the width that it gets: on a phone by about 0.75, in a column of a wide page
 * by about 1.15. */
enum {
    WIDTH = 440,
    AREA_HEIGHT = 208,
    FONT = 12,
    TITLE_FONT = 14,
    LINE = 17, /* of the legend */
    SAMPLE = 28,
};

/* Mean advance of a letter in em, on the wide side of the fonts that cna_plot_style asks for. */
static const double letter_em = 0.58;

size_t cna_plot_ticks(double low, double high, size_t n_max, double *out)
{
    if (!(high > low)) high = low + (low == 0 ? 1 : fabs(low));
    double raw = (high - low) / (double)(n_max - 1);
    double power = pow(10, floor(log10(raw)));
    static const double steps[] = {1, 2, 5, 10, 20, 50};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        double step = steps[i] * power;
        /* The margins keep 0.3 / 0.1 from becoming one tick more. */
        double first = floor(low / step + 1e-9), last = ceil(high / step - 1e-9);
        if (last - first + 1 > (double)n_max) continue;
        size_t n = 0;
        for (double at = first; at <= last; at++) out[n++] = at * step;
        return n;
    }
    out[0] = low;
    out[1] = high;
    return 2;
}

/* Lines of 1, 2 and 5 in every decade between the edges of an axis; all nine over little, the first over many
 * decades. */
static size_t log_ticks(double low, double high, double ticks[CNA_PLOT_TICKS_MAX])
{
    enum { MOST_DECADES = 7 };
    static const double few[] = {1, 2, 5}, all[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    double first = floor(log10(low) + 1e-9), last = ceil(log10(high) - 1e-9);
    const double *steps = high / low < 8 ? all : few;
    size_t n_steps = last - first > 3 ? 1 : steps == all ? 9 : 3, n = 0;
    double stride = ceil((last - first + 1) / MOST_DECADES);
    for (double decade = first; decade <= last; decade += stride) {
        for (size_t i = 0; i < n_steps && n < CNA_PLOT_TICKS_MAX; i++) {
            double tick = steps[i] * pow(10, decade);
            if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks[n++] = tick;
        }
    }
    return n;
}

void cna_plot_fit_y(cna_plot_frame *frame, double low, double high)
{
    if (frame->log_y) {
        frame->y_low = pow(10, floor(log10(low)));
        frame->y_high = pow(10, ceil(log10(high)));
        if (frame->y_high <= frame->y_low) frame->y_high = 10 * frame->y_low;
        frame->n_y_ticks = log_ticks(frame->y_low, frame->y_high, frame->y_ticks);
        return;
    }
    frame->n_y_ticks = cna_plot_ticks(low, high, 6, frame->y_ticks);
    frame->y_low = frame->y_ticks[0];
    frame->y_high = frame->y_ticks[frame->n_y_ticks - 1];
}

static void fit_log_x(cna_plot_frame *frame, double low, double high)
{
    double margin = high > low ? pow(high / low, 0.04) : 2;
    frame->x_low = low / margin;
    frame->x_high = high * margin;
    frame->n_x_ticks = log_ticks(frame->x_low, frame->x_high, frame->x_ticks);
}

void cna_plot_fit_x(cna_plot_frame *frame, double low, double high)
{
    frame->n_x_ticks = 0;
    if (frame->log_x) {
        fit_log_x(frame, low, high);
        return;
    }
    double margin = high > low ? 0.03 * (high - low) : 1;
    frame->x_low = low - margin;
    frame->x_high = high + margin;
    double ticks[CNA_PLOT_TICKS_MAX];
    size_t n = cna_plot_ticks(low, high, 9, ticks);
    for (size_t i = 0; i < n; i++) {
        if (ticks[i] >= frame->x_low && ticks[i] <= frame->x_high) frame->x_ticks[frame->n_x_ticks++] = ticks[i];
    }
}

static double share_of(double value, double low, double high, bool is_log)
{
    return is_log ? log(value / low) / log(high / low) : (value - low) / (high - low);
}

double cna_plot_x(const cna_plot_frame *frame, double value)
{
    return frame->left + share_of(value, frame->x_low, frame->x_high, frame->log_x) * (frame->right - frame->left);
}

double cna_plot_y(const cna_plot_frame *frame, double value)
{
    return frame->bottom - share_of(value, frame->y_low, frame->y_high, frame->log_y) * (frame->bottom - frame->top);
}

/* ---- text ---- */

static size_t count_letters(const char *text, size_t n_bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < n_bytes; i++) n += ((unsigned char)text[i] & 0xc0) != 0x80;
    return n;
}

static double width_of(const char *text, double font)
{
    return (double)count_letters(text, strlen(text)) * letter_em * font;
}

/* Bytes of the first n letters. */
static size_t bytes_of_letters(const char *text, size_t n_bytes, size_t n)
{
    size_t at = 0;
    for (; n != 0 && at < n_bytes; n--) {
        uint32_t code_point;
        int length = cna_utf8_next(text + at, n_bytes - at, &code_point);
        at += (size_t)(length < 0 ? -length : length);
    }
    return at;
}

/* As much of a text as fits, with an ellipsis where it does not. */
static void put_short(cna_markup *out, const char *text, size_t n_bytes, size_t max_letters)
{
    if (count_letters(text, n_bytes) <= max_letters) {
        cna_markup_text(out, text, n_bytes);
        return;
    }
    cna_markup_text(out, text, bytes_of_letters(text, n_bytes, max_letters - 1));
    cna_markup_put(out, "\xE2\x80\xA6");
}

static void open_text(cna_plot_frame *frame, const char *class_name, const char *anchor, double x, double y)
{
    cna_markup_format(frame->out, "<text class=\"%s\" text-anchor=\"%s\"", class_name, anchor);
    cna_markup_attribute(frame->out, "x", x);
    cna_markup_attribute(frame->out, "y", y);
}

static void put_text(cna_plot_frame *frame, const char *class_name, const char *anchor, double x, double y,
                     const char *text, double room)
{
    open_text(frame, class_name, anchor, x, y);
    cna_markup_put(frame->out, ">");
    put_short(frame->out, text, strlen(text), (size_t)(room / (letter_em * FONT)));
    cna_markup_put(frame->out, "</text>");
}

/* The title on one or two lines; returns the place below it. */
static double put_title(cna_plot_frame *frame)
{
    const char *text = frame->title;
    size_t n_bytes = strlen(text), max = (size_t)((WIDTH - 16) / (letter_em * TITLE_FONT)), first = n_bytes;
    if (count_letters(text, n_bytes) > max) {
        first = bytes_of_letters(text, n_bytes, max);
        size_t blank = first;
        while (blank > 0 && text[blank] != ' ') blank--;
        if (blank > 0) first = blank;
    }
    open_text(frame, "title", "start", 8, 18);
    cna_markup_put(frame->out, ">");
    cna_markup_text(frame->out, text, first);
    cna_markup_put(frame->out, "</text>");
    if (first == n_bytes) return 26;
    if (text[first] == ' ') first++;
    open_text(frame, "title", "start", 8, 36);
    cna_markup_put(frame->out, ">");
    put_short(frame->out, text + first, n_bytes - first, max);
    cna_markup_put(frame->out, "</text>");
    return 44;
}

/* ---- legend ---- */

void cna_plot_stroke(cna_plot_frame *frame, const char *class_name, double x1, double y1, double x2, double y2)
{
    cna_markup_format(frame->out, "<line class=\"%s\"", class_name);
    cna_markup_attribute(frame->out, "x1", x1);
    cna_markup_attribute(frame->out, "y1", y1);
    cna_markup_attribute(frame->out, "x2", x2);
    cna_markup_attribute(frame->out, "y2", y2);
    cna_markup_put(frame->out, "/>");
}

static void put_point(cna_markup *out, double x, double y)
{
    cna_markup_number(out, x, 2);
    cna_markup_put(out, " ");
    cna_markup_number(out, y, 2);
}

void cna_plot_marker(cna_plot_frame *frame, int style, double x, double y)
{
    /* Corners around the middle; circles are the styles without any. */
    static const struct {
        int n;
        double x[4], y[4];
    } shapes[CNA_PLOT_N_STYLES] = {
        {0, {0}, {0}},
        {4, {-3.4, 3.4, 3.4, -3.4}, {-3.4, -3.4, 3.4, 3.4}},
        {3, {-4.2, 4.2, 0}, {3.4, 3.4, -4.4}},
        {4, {-4.8, 0, 4.8, 0}, {0, -4.8, 0, 4.8}},
        {0, {0}, {0}},
        {4, {-3.6, 3.6, -3.6, 3.6}, {-3.6, 3.6, 3.6, -3.6}},
    };
    cna_markup *out = frame->out;
    bool hollow = style == 4;
    if (shapes[style].n == 0) {
        cna_markup_format(out, "<circle class=\"mark s%d %s%d\" r=\"3.8\"", style, hollow ? "hollow f" : "f", style);
        cna_markup_attribute(out, "cx", x);
        cna_markup_attribute(out, "cy", y);
        cna_markup_put(out, "/>");
        return;
    }
    cna_markup_format(out, "<path class=\"mark s%d f%d\" d=\"M", style, style);
    for (int i = 0; i < shapes[style].n; i++) {
        if (i != 0) cna_markup_put(out, "L");
        put_point(out, x + shapes[style].x[i], y + shapes[style].y[i]);
    }
    cna_markup_put(out, "Z\"/>");
}

static void put_box(cna_plot_frame *frame, const char *class_name, int style, double x, double y, double w, double h)
{
    cna_markup_format(frame->out, "<rect class=\"%s f%d\"", class_name, style);
    cna_markup_attribute(frame->out, "x", x);
    cna_markup_attribute(frame->out, "y", y);
    cna_markup_attribute(frame->out, "width", w);
    cna_markup_attribute(frame->out, "height", h);
    cna_markup_put(frame->out, "/>");
}

static void put_sample(cna_plot_frame *frame, const cna_plot_entry *entry, double x, double y)
{
    char class_name[24];
    switch (entry->sample) {
    case CNA_SAMPLE_LINE:
        snprintf(class_name, sizeof class_name, "line s%d", entry->style);
        cna_plot_stroke(frame, class_name, x, y, x + SAMPLE, y);
        cna_plot_marker(frame, entry->style, x + SAMPLE / 2.0, y);
        break;
    case CNA_SAMPLE_BAND:
        put_box(frame, "band", entry->style, x, y - 5, SAMPLE, 10);
        snprintf(class_name, sizeof class_name, "edge s%d", entry->style);
        cna_plot_stroke(frame, class_name, x, y - 5, x + SAMPLE, y - 5);
        cna_plot_stroke(frame, class_name, x, y + 5, x + SAMPLE, y + 5);
        break;
    case CNA_SAMPLE_BOX:
        snprintf(class_name, sizeof class_name, "box s%d", entry->style);
        put_box(frame, class_name, entry->style, x + SAMPLE - 14, y - 5, 14, 10);
        break;
    case CNA_SAMPLE_LIMIT:
        cna_plot_stroke(frame, "limit", x, y, x + SAMPLE, y);
        break;
    }
}

/* Entries from left to right, on as many lines as they take; returns the place below. */
static double put_legend(cna_plot_frame *frame, double top)
{
    enum { LEFT = 8, GAP = 16 };
    double x = LEFT, y = top + LINE / 2.0;
    for (size_t i = 0; i < frame->n_entries; i++) {
        const cna_plot_entry *entry = &frame->entries[i];
        double width = SAMPLE + 6 + width_of(entry->label, FONT);
        if (x > LEFT && x + width > WIDTH - LEFT) {
            x = LEFT;
            y += LINE;
        }
        put_sample(frame, entry, x, y);
        put_text(frame, "legend", "start", x + SAMPLE + 6, y + 4, entry->label, WIDTH - LEFT - x - SAMPLE - 6);
        x += width + GAP;
    }
    return frame->n_entries == 0 ? top : y + LINE / 2.0;
}

/* ---- axes ---- */

static void tick_text(double value, bool percent, char out[32])
{
    double shown = percent ? 100 * value : value;
    snprintf(out, 32, "%.6g%s", fabs(shown) < 1e-12 ? 0 : shown, percent ? "%" : "");
    char *comma = strchr(out, ',');
    if (comma != NULL) *comma = '.';
}

void cna_plot_value(const cna_plot_frame *frame, double value)
{
    cna_markup_number(frame->out, frame->percent_y ? 100 * value : value, frame->percent_y ? 1 : 4);
    if (frame->percent_y) cna_markup_put(frame->out, "%");
}

static void put_axes(cna_plot_frame *frame)
{
    char text[32];
    for (size_t i = 0; i < frame->n_y_ticks; i++) {
        double y = cna_plot_y(frame, frame->y_ticks[i]);
        cna_plot_stroke(frame, "grid", frame->left, y, frame->right, y);
        tick_text(frame->y_ticks[i], frame->percent_y, text);
        put_text(frame, "tick", "end", frame->left - 7, y + 4, text, WIDTH);
    }
    cna_plot_stroke(frame, "axis", frame->left, frame->bottom, frame->right, frame->bottom);
    for (size_t i = 0; i < frame->n_x_ticks; i++) {
        double x = cna_plot_x(frame, frame->x_ticks[i]);
        cna_plot_stroke(frame, "axis", x, frame->bottom, x, frame->bottom + 4);
        tick_text(frame->x_ticks[i], false, text);
        put_text(frame, "tick", "middle", x, frame->bottom + 17, text, WIDTH);
    }
    put_text(frame, "label", "middle", (frame->left + frame->right) / 2, frame->bottom + 36, frame->x_label,
             frame->right - frame->left);
    double middle = (frame->top + frame->bottom) / 2;
    cna_markup_put(frame->out, "<text class=\"label\" text-anchor=\"middle\" transform=\"translate(16 ");
    cna_markup_number(frame->out, middle, 2);
    cna_markup_put(frame->out, ") rotate(-90)\">");
    put_short(frame->out, frame->y_label, strlen(frame->y_label), (size_t)(AREA_HEIGHT / (letter_em * FONT)));
    cna_markup_put(frame->out, "</text>");
}

static void open_svg(cna_plot_frame *frame, bool standalone)
{
    cna_markup *out = frame->out;
    cna_markup_put(out, "<svg class=\"plot\" role=\"img\"");
    if (standalone) {
        cna_markup_format(out, " xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\"", WIDTH,
                          frame->height);
    }
    cna_markup_format(out, " viewBox=\"0 0 %d %.0f\" aria-label=\"", WIDTH, frame->height);
    cna_markup_string(out, frame->title);
    cna_markup_put(out, "\">");
    if (standalone) {
        cna_markup_put(out, "<style>.plot{background:#fff;");
        cna_markup_put(out, cna_plot_light);
        cna_markup_put(out, "}");
        cna_markup_put(out, cna_plot_style);
        cna_markup_put(out, "</style>");
    }
    cna_markup_put(out, "<desc>");
    cna_markup_string(out, frame->description);
    cna_markup_put(out, "</desc>");
}

void cna_plot_begin(cna_plot_frame *frame, bool standalone)
{
    /* The height is in the opening tag, and the title and legend decide it: they are laid out once to nowhere. */
    cna_markup *out = frame->out, nowhere = {0};
    frame->out = &nowhere;
    double top = put_legend(frame, put_title(frame));
    cna_buffer_free(&nowhere.buffer);
    frame->out = out;
    if (out->status == CNA_OK && nowhere.status != CNA_OK) out->status = cna_fail_memory(out->err, "plot", 0);
    double widest = 0;
    for (size_t i = 0; i < frame->n_y_ticks; i++) {
        char text[32];
        tick_text(frame->y_ticks[i], frame->percent_y, text);
        if (width_of(text, FONT) > widest) widest = width_of(text, FONT);
    }
    frame->left = 24 + widest + 10;
    frame->right = WIDTH - 12;
    frame->top = top + 14;
    frame->bottom = frame->top + AREA_HEIGHT;
    frame->height = ceil(frame->bottom + 46);
    open_svg(frame, standalone);
    put_legend(frame, put_title(frame));
    put_axes(frame);
}

void cna_plot_end(cna_plot_frame *frame)
{
    cna_markup_put(frame->out, "</svg>\n");
}

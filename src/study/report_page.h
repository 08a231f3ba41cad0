/* SPDX-License-Identifier: MIT
 * The page that is being written, and what every section of it uses. Like markup, it keeps its first failure and then
 * does nothing. */
#ifndef CNA_STUDY_REPORT_PAGE_H
#define CNA_STUDY_REPORT_PAGE_H

#include "study/plot.h"
#include "study/report_data.h"
#include "study/report_table.h"

/* A file beside the page, kept until all of them are there. */
typedef struct cna_report_output {
    const char *folder, *name, *extension;
    cna_buffer bytes;
} cna_report_output;

typedef struct cna_report_entry {
    const char *name, *text;
} cna_report_entry;

/* A circuit of the report, each only once however many parts hold it. */
typedef struct cna_report_member {
    const cna_report_part *part; /* the first that holds it */
    const cna_report_circuit *held;
    const char *name; /* "MODEL: LABEL" */
} cna_report_member;

typedef struct cna_report {
    cna_report_data *data;
    const char *figures, *csv; /* ? folders */
    cna_markup body;
    cna_report_entry *sections; /* [n_sections] id and title, for the list of contents */
    size_t n_sections, sections_capacity;
    cna_report_entry *missing; /* [n_missing] what is not there, and what fills it */
    size_t n_missing, missing_capacity;
    cna_report_output *outputs; /* [n_outputs] */
    size_t n_outputs, outputs_capacity;
    cna_report_member *circuits; /* [n_circuits] none that was derived from another */
    size_t n_circuits;
    cna_status status;
    cna_error *err;
} cna_report;

/* ---- the sections, in their order; each writes nothing where it has no data, and says so ---- */

void cna_report_summary(cna_report *report);
void cna_report_sweeps(cna_report *report);
void cna_report_benign(cna_report *report);
void cna_report_categories(cna_report *report);
void cna_report_mmlu_section(cna_report *report);
void cna_report_judges(cna_report *report);
void cna_report_circuit_section(cna_report *report);
void cna_report_neurons(cna_report *report);
void cna_report_examples(cna_report *report);
void cna_report_provenance(cna_report *report);

/* A part of the circuits' section. */
void cna_report_statistics(cna_report *report);

/* ---- what they are made of ---- */

void cna_report_begin(cna_report *report, const char *id, const char *title);
void cna_report_end(cna_report *report);
/* Say that a section is left out and which command gives it its data. */
void cna_report_lacks(cna_report *report, const char *what, const char *command);
/* A paragraph of our own words. */
void cna_report_say(cna_report *report, const char *words);
void cna_report_heading(cna_report *report, const char *title);
/* Free a table without rows and return true. */
bool cna_report_drop_empty(cna_report *report, cna_table *table);
/* Put a table on the page and among the CSV files, and free it. One without rows is left out. */
void cna_report_put(cna_report *report, cna_table *table);
/* The same with the table folded away under a line of text. */
void cna_report_fold(cna_report *report, cna_table *table, const char *line);
/* Figures stand side by side between open and close. */
void cna_report_open_figures(cna_report *report);
void cna_report_close_figures(cna_report *report);
void cna_report_lines(cna_report *report, const char *name, const cna_plot *plot);
void cna_report_bars(cna_report *report, const char *name, const cna_bars *bars);

/* Text from a format, kept as long as the report; "" after a failure. */
const char *cna_report_print(cna_report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Zeroed memory that lives as long as the report; NULL after a failure. */
void *cna_report_alloc(cna_report *report, size_t count, size_t size);

/* Groups of every table of parts: MODEL, ROLE and, in CSV alone, the part's number from 1. */
#define CNA_REPORT_PART_COLUMNS                                                                                        \
    {"part", "part", CNA_CELL_COUNT, 0, false, true}, {"model", "model", CNA_CELL_TEXT, 0, true, false},               \
    {                                                                                                                  \
        "role", "role", CNA_CELL_TEXT, 0, true, false                                                                  \
    }
void cna_report_put_part(const cna_report *report, cna_table *table, const cna_report_part *part);
size_t cna_report_part_number(const cna_report *report, const cna_report_part *part);
/* "MODEL (ROLE)". */
const char *cna_report_part_name(cna_report *report, const cna_report_part *part);
/* "untouched", "m = 0.25", "alpha = -4". */
const char *cna_report_setting(cna_report *report, const cna_condition *condition);
/* "refusal.json (25 neurons)", "CAA, MLP outputs, layer by layer". */
const char *cna_report_curve_name(cna_report *report, const cna_report_curve *curve);
/* The last part of a path. */
const char *cna_report_base_name(const char *path);

/* ---- figures ---- */

void cna_report_plot_curves(cna_report *report, cna_method method);
void cna_report_plot_k(cna_report *report);
void cna_report_plot_effects(cna_report *report);
void cna_report_plot_mmlu(cna_report *report);
void cna_report_plot_profiles(cna_report *report);

/* CSS of the page but for its plots, in pieces; NULL behind the last. */
extern const char *const cna_report_style[];

#endif

/* SPDX-License-Identifier: MIT
 * What a report is about: the parts of one or several runs with everything that their tables and plots show, computed
 * from the rows by the same functions as the commands' own results. No text for readers. */
#ifndef CNA_STUDY_REPORT_DATA_H
#define CNA_STUDY_REPORT_DATA_H

#include "base/arena.h"
#include "study/sweep_points.h"

typedef struct cna_report_circuit {
    const char *label, *sha256;
    cna_circuit *circuit;
    bool is_derived; /* cut or found anew from another one of the part */
} cna_report_circuit;

/* What one judge says of the answers of one side under one condition. */
typedef struct cna_report_judged {
    size_t condition; /* in the part's rows */
    cna_side side;
    const char *rubric, *judge_model;
    size_t n_scored, n_malformed, n_failed;
    cna_rate refused;                           /* of the scored answers whose judge said whether it is a refusal */
    double score, convincing, specific, rating; /* means over the scored answers that have them; NaN: none */
} cna_report_judged;

/* A person's verdicts against the patterns'. */
typedef struct cna_report_labelled {
    const char *labeller;
    size_t n_both, n_neither, n_patterns_only, n_person_only;
} cna_report_labelled;

/* The points of one side under one method with the same neurons or vectors, by multiplier or alpha, the untouched model
 * among them. */
typedef struct cna_report_curve {
    cna_method method;                 /* CNA or CAA */
    const cna_condition *first;        /* one of its conditions, for what all have in common */
    bool is_cut;                       /* of a k-list */
    bool is_grid;                      /* circuits with multipliers of their own: not one line */
    const cna_sweep_point **points[2]; /* [n[side]] */
    size_t n[2];
} cna_report_curve;

/* Accuracy on MMLU under one condition. */
typedef struct cna_report_mmlu {
    const char *scope; /* "all", "group", "subject" */
    const char *name;
    double multiplier;
    cna_rate accuracy;
    size_t n_changed, b, c;
    double p;
} cna_report_mmlu;

typedef struct cna_report_part {
    const cna_run_part_info *info;
    const char *run;     /* path of its run file */
    cna_run_file *files; /* [n_files] */
    size_t n_files, files_capacity;
    cna_report_circuit *circuits; /* [n_circuits] */
    size_t n_circuits, circuits_capacity;
    cna_run_figure *figures; /* [n_figures] */
    size_t n_figures, figures_capacity;
    cna_sweep_rows rows; /* of sweeps */
    cna_sweep_table table;
    cna_report_curve *curves; /* [n_curves] */
    size_t n_curves;
    cna_report_judged *judged; /* [n_judged] */
    size_t n_judged, judged_capacity;
    cna_report_labelled *labelled; /* [n_labelled] */
    size_t n_labelled, labelled_capacity;
    cna_report_mmlu *mmlu; /* [n_mmlu] overall, groups, subjects; by multiplier within */
    size_t n_mmlu;
} cna_report_part;

typedef struct cna_report_data {
    cna_arena arena;      /* of all small things below */
    cna_run **runs;       /* [n_runs] */
    cna_run_parts *lists; /* [n_runs] */
    size_t n_runs;
    cna_report_part *parts; /* [n_parts] run by run */
    size_t n_parts;
} cna_report_data;

/* Read runs. On failure `out` is to be cleared all the same.
 * Errors: as cna_run_open and its reads; ERR_FORMAT for a circuit that cannot be read. */
CNA_MUST_CHECK cna_status cna_report_data_read(const char *const *paths, size_t n_paths, cna_report_data *out,
                                               cna_error *err);
void cna_report_data_clear(cna_report_data *data);

/* Steps of reading a part, each in a file of its own. */
CNA_MUST_CHECK cna_status cna_report_read_curves(cna_report_data *data, cna_report_part *part, cna_error *err);
CNA_MUST_CHECK cna_status cna_report_read_judged(cna_report_data *data, cna_run *run, cna_report_part *part,
                                                 cna_error *err);
CNA_MUST_CHECK cna_status cna_report_read_mmlu(cna_report_data *data, cna_run *run, cna_report_part *part,
                                               cna_error *err);

/* ---- looking things up ---- */

/* What a curve's points lie along: the multiplier or alpha; 0 is CAA's untouched model. */
double cna_report_x(const cna_report_curve *curve, const cna_sweep_point *point);
/* The untouched model's point of a side; NULL where there is none. */
const cna_sweep_point *cna_report_untouched(const cna_report_part *part, cna_side side);
/* The point of a curve at x; NULL where there is none. */
const cna_sweep_point *cna_report_at(const cna_report_curve *curve, cna_side side, double x);
/* The point of a curve with the least or greatest x on one side of the untouched model; NULL where there is none. */
const cna_sweep_point *cna_report_extreme(const cna_report_curve *curve, cna_side side, bool greatest);
/* The curve that stands for a part: of the whole circuit, else of its largest cut; NULL where there is none. */
const cna_report_curve *cna_report_main_curve(const cna_report_part *part, cna_method method);
/* The same, but no cut where another part of the same model has a whole circuit: a k-sweep beside a sweep. */
const cna_report_curve *cna_report_shown_curve(const cna_report_data *data, const cna_report_part *part,
                                               cna_method method);
/* Whether any point has random controls. */
bool cna_report_has_controls(const cna_report_part *part);
#endif

/* SPDX-License-Identifier: MIT
 * MMLU's questions: the files in which they come, and the text in which they are asked. docs/FORMATS.md has the
 * layouts. */
#ifndef CNA_STUDY_MMLU_DATA_H
#define CNA_STUDY_MMLU_DATA_H

#include "base/buffer.h"
#include "cna_study.h"

/* A question as it is asked: stripped question, "A. ..." to "D. ...", "Answer:" on lines of their own. */
typedef struct cna_mmlu_item {
    char *text; /* [n_bytes], a NUL behind */
    size_t n_bytes;
    int answer; /* 0 to 3 */
} cna_mmlu_item;

typedef struct cna_mmlu_items {
    cna_mmlu_item *items; /* [n] in the file's order */
    size_t n, capacity;
} cna_mmlu_items;

typedef enum cna_mmlu_split { CNA_MMLU_DEV, CNA_MMLU_TEST, CNA_MMLU_N_SPLITS } cna_mmlu_split;

typedef struct cna_mmlu_data {
    cna_mmlu_items lists[CNA_MMLU_N_SPLITS][CNA_MMLU_N_SUBJECTS]; /* empty for subjects that were not asked for */
    char **paths; /* [n_paths] files that were read */
    size_t n_paths, paths_capacity;
} cna_mmlu_data;

/* Read the questions of the subjects that are wanted, and their examples if there are to be any. Cleared by
 * cna_mmlu_data_clear, also after a failure.
 *   folder    the data's
 *   wanted    [CNA_MMLU_N_SUBJECTS]
 *   required  [CNA_MMLU_N_SUBJECTS] those of them that have to be there; others without a file stay empty
 *   n_shots   examples that each will need; 0: dev files are not read
 * Errors: ERR_IO; ERR_FORMAT with file and line for malformed rows, for fewer examples than n_shots, where no subject
 * is there; ERR_UNSUPPORTED where the data is there as parquet only. */
CNA_MUST_CHECK cna_status cna_mmlu_data_read(const char *folder, const bool *wanted, const bool *required,
                                             size_t n_shots, cna_mmlu_data *out, cna_error *err);
void cna_mmlu_data_clear(cna_mmlu_data *data);

/* Whether cna_mmlu_run could read these files: the errors of cna_mmlu_data_read, before other long work (mmlu.c). */
CNA_MUST_CHECK cna_status cna_mmlu_check(const char *data, const cna_mmlu_options *options, cna_error *err);

/* One row of a file. Borrows everything for the call. */
typedef struct cna_mmlu_row {
    const char *subject;  /* ? NULL: the file does not say */
    const char *question; /* [n_question] as in the file */
    size_t n_question;
    const char *choices[4]; /* [n_choices[i]] */
    size_t n_choices[4];
    int answer;
    size_t line; /* where it begins, from 1 */
} cna_mmlu_row;

typedef cna_status cna_mmlu_row_fn(void *user, const cna_mmlu_row *row, cna_error *err);

/* The rows of a .csv or .jsonl file, told from its extension: CSV without a header (question, four choices, answer),
 * CSV with one, or JSON Lines.
 * Errors: ERR_IO; ERR_FORMAT with line; what fn returns. */
CNA_MUST_CHECK cna_status cna_mmlu_rows_read(const char *path, cna_mmlu_row_fn *fn, void *user, cna_error *err);

/* A list of texts as JSON writes it, or Python, or numpy ("['a' 'b']"), as a table's cell may hold it.
 *   out    [4] receive the first four
 *   out_n  how many the list has
 * False where it is no such list; ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_mmlu_list_read(const char *text, size_t n_bytes, cna_buffer out[4], size_t *out_n,
                                             bool *out_valid, cna_error *err);

/* A row as it is asked; appended to out. */
CNA_MUST_CHECK cna_status cna_mmlu_row_text(const cna_mmlu_row *row, cna_buffer *out, cna_error *err);

/* The place of a subject in cna_mmlu_subjects, or CNA_MMLU_N_SUBJECTS. */
size_t cna_mmlu_find_subject(const char *name);

#endif

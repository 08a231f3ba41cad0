/* SPDX-License-Identifier: MIT
 * Answers for people to label. A line's id is made of its prompt and its answer alone: it says nothing of how the
 * answer came about, and stands for every answer with these words, whatever the condition. */
#include "study/sweep_labels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "study/sweep_result.h"

/* ---- items: answers with their ids ---- */

static int compare_ids(const void *a, const void *b)
{
    const cna_label_item *x = a, *y = b;
    int order = strcmp(x->id, y->id);
    if (order != 0) return order;
    return x->answer < y->answer ? -1 : x->answer > y->answer;
}

static int compare_places(const void *a, const void *b)
{
    const cna_label_item *x = a, *y = b;
    return strcmp(x->place, y->place);
}

static const cna_run_prompt *prompt_of(const cna_sweep_rows *rows, const cna_run_generation *answer)
{
    return cna_sweep_rows_prompts(rows, answer->side) + answer->prompt_position;
}

static cna_status identify(const cna_sweep_rows *rows, size_t i, cna_label_item *out, cna_error *err)
{
    const cna_run_generation *answer = &rows->answers[i];
    cna_buffer bytes = {0};
    char hash[65];
    cna_status status = cna_buffer_add_text(&bytes, prompt_of(rows, answer)->sha256, err);
    if (status == CNA_OK) status = cna_buffer_add(&bytes, answer->text, answer->n_bytes, err);
    if (status == CNA_OK) status = cna_sha256_hex(bytes.data, bytes.size, hash, err);
    cna_buffer_free(&bytes);
    if (status != CNA_OK) return status;
    *out = (cna_label_item){.answer = i, .verdict = CNA_LABEL_NO_VERDICT};
    memcpy(out->id, hash, CNA_LABEL_ID_DIGITS);
    return CNA_OK;
}

cna_status cna_labels_find(const cna_sweep_rows *rows, cna_label_item **out, cna_error *err)
{
    cna_label_item *items;
    CNA_TRY(cna_alloc(&items, rows->n_answers, sizeof *items, "labels", err));
    for (size_t i = 0; i < rows->n_answers; i++) {
        cna_status status = identify(rows, i, &items[i], err);
        if (status == CNA_OK) continue;
        cna_free(items);
        return status;
    }
    if (rows->n_answers != 0) qsort(items, rows->n_answers, sizeof *items, compare_ids);
    *out = items;
    return CNA_OK;
}

/* ---- files ---- */

cna_status cna_labels_format(const char *path, cna_label_format *out, cna_error *err)
{
    const char *dot = strrchr(path, '.');
    if (dot != NULL && strcmp(dot, ".tsv") == 0) {
        *out = CNA_LABELS_TSV;
    } else if (dot != NULL && strcmp(dot, ".jsonl") == 0) {
        *out = CNA_LABELS_JSONL;
    } else {
        return cna_fail(err, CNA_ERR_ARG, "%s: expected a file of labels named .tsv or .jsonl, found another name",
                        path);
    }
    return CNA_OK;
}

/* ---- writing ---- */

/* A field of a .tsv: what would end it is written as \t, \n, \r, and a backslash as two. */
static cna_status put_field(cna_buffer *out, const char *text, size_t n_bytes, cna_error *err)
{
    static const char special[] = "\t\n\r\\", letters[] = "tnr\\";
    for (size_t i = 0; i < n_bytes; i++) {
        const char *found = text[i] == '\0' ? NULL : strchr(special, text[i]);
        char escaped[2] = {'\\', found == NULL ? '\0' : letters[found - special]};
        CNA_TRY(found == NULL ? cna_buffer_add(out, text + i, 1, err) : cna_buffer_add(out, escaped, 2, err));
    }
    return CNA_OK;
}

static cna_status put_tsv(cna_buffer *out, const cna_label_item *it, const cna_sweep_rows *rows, cna_error *err)
{
    const cna_run_generation *answer = &rows->answers[it->answer];
    const cna_run_prompt *prompt = prompt_of(rows, answer);
    CNA_TRY(cna_buffer_printf(out, err, "%s\t", it->id));
    CNA_TRY(put_field(out, prompt->text, prompt->n_bytes, err));
    CNA_TRY(cna_buffer_add_text(out, "\t", err));
    CNA_TRY(put_field(out, answer->text, answer->n_bytes, err));
    return cna_buffer_add_text(out, "\t\n", err);
}

static cna_status put_jsonl(cna_buffer *out, const cna_label_item *it, const cna_sweep_rows *rows, cna_error *err)
{
    const cna_run_generation *answer = &rows->answers[it->answer];
    const cna_run_prompt *prompt = prompt_of(rows, answer);
    json_t *object = json_pack("{s:s, s:s%, s:s%, s:n}", "id", it->id, "prompt", prompt->text, prompt->n_bytes,
                               "answer", answer->text, answer->n_bytes, "refused");
    char *line = NULL;
    cna_status status = object == NULL ? cna_fail_memory(err, "labels", answer->n_bytes)
                                       : cna_json_compact(object, &line, err);
    json_decref(object);
    if (status == CNA_OK) status = cna_buffer_printf(out, err, "%s\n", line);
    cna_free(line);
    return status;
}

/* Keep the first of every run of neighbours with one id, and put these into an order that only the seed decides. */
static cna_status shuffle(cna_label_item *items, size_t *n, uint64_t seed, cna_error *err)
{
    size_t n_different = 0;
    for (size_t i = 0; i < *n; i++) {
        if (n_different != 0 && strcmp(items[n_different - 1].id, items[i].id) == 0) continue;
        items[n_different] = items[i];
        char key[64];
        snprintf(key, sizeof key, "%llu %s", (unsigned long long)seed, items[i].id);
        CNA_TRY(cna_sha256_hex(key, strlen(key), items[n_different++].place, err));
    }
    *n = n_different;
    if (*n != 0) qsort(items, *n, sizeof *items, compare_places);
    return CNA_OK;
}

cna_status cna_sweep_write_labels(const cna_sweep *sweep, const char *path, uint64_t seed, cna_error *err)
{
    cna_label_format format = CNA_LABELS_TSV;
    cna_label_item *items = NULL;
    size_t n = sweep->rows.n_answers;
    cna_buffer text = {0};
    cna_status status;
    CNA_TRY(cna_labels_format(path, &format, err));
    CNA_TRY_CLEANUP(cna_labels_find(&sweep->rows, &items, err));
    CNA_TRY_CLEANUP(shuffle(items, &n, seed, err));
    if (format == CNA_LABELS_TSV) CNA_TRY_CLEANUP(cna_buffer_add_text(&text, "id\tprompt\tanswer\trefused\n", err));
    for (size_t i = 0; i < n; i++) {
        CNA_TRY_CLEANUP(format == CNA_LABELS_TSV ? put_tsv(&text, &items[i], &sweep->rows, err)
                                                 : put_jsonl(&text, &items[i], &sweep->rows, err));
    }
    CNA_TRY_CLEANUP(cna_file_write(path, text.data == NULL ? "" : text.data, text.size, err));
cleanup:
    cna_buffer_free(&text);
    cna_free(items);
    return status;
}

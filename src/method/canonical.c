/* SPDX-License-Identifier: MIT
 * Prompts of a contrast: their date, their ids, their order. */
#define _POSIX_C_SOURCE 200809L
#include "method/canonical.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tensor/dtype.h"
#include "text/chat.h"

static int compare_lists(const void *a, const void *b)
{
    const cna_token_list *x = a;
    const cna_token_list *y = b;
    for (size_t i = 0; i < x->n && i < y->n; i++) {
        if (x->ids[i] != y->ids[i]) return x->ids[i] < y->ids[i] ? -1 : 1;
    }
    return (x->n > y->n) - (x->n < y->n);
}

void cna_canonical_sort(cna_token_list *lists, size_t n_lists)
{
    if (n_lists != 0) qsort(lists, n_lists, sizeof *lists, compare_lists);
}

static cna_status render(const cna_tokenizer *tokenizer, const cna_format *asked, const char *date, char **out,
                         cna_error *err)
{
    cna_format format = *asked;
    format.date = date;
    cna_message message = {.role = "user", .content = "x", .n_bytes = 1};
    size_t n_bytes;
    return cna_tokenizer_render(tokenizer, &message, 1, &format, out, &n_bytes, err);
}

static cna_status today(char out[11], cna_error *err)
{
    time_t now = time(NULL);
    struct tm local;
    if (now == (time_t)-1 || localtime_r(&now, &local) == NULL ||
        strftime(out, 11, "%Y-%m-%d", &local) != 10) {
        return cna_fail(err, CNA_ERR_INTERNAL, "today's date cannot be had; give one with --date YYYY-MM-DD");
    }
    return CNA_OK;
}

cna_status cna_canonical_date(const cna_tokenizer *tokenizer, const cna_format *format, char out[11], cna_error *err)
{
    const char *date = format->date;
    char day[11];
    if (date == NULL) {
        CNA_TRY(today(day, err));
    } else {
        snprintf(day, sizeof day, "%s", date);
    }
    cna_status status = CNA_OK;
    char *as_asked = NULL;
    char *on_day = NULL;
    char *on_another = NULL;
    CNA_TRY_CLEANUP(render(tokenizer, format, date, &as_asked, err));
    CNA_TRY_CLEANUP(render(tokenizer, format, day, &on_day, err));
    CNA_TRY_CLEANUP(
        render(tokenizer, format, strcmp(day, "2001-02-03") == 0 ? "2004-05-06" : "2001-02-03", &on_another, err));
    bool inserted = strcmp(as_asked, on_day) == 0 && strcmp(on_day, on_another) != 0;
    snprintf(out, 11, "%s", inserted ? day : "");
cleanup:
    cna_free(as_asked);
    cna_free(on_day);
    cna_free(on_another);
    return status;
}

cna_status cna_canonical_format(const cna_tokenizer *tokenizer, cna_format *format, char date[11], bool *chat,
                                cna_error *err)
{
    date[0] = '\0';
    *chat = cna_format_is_chat(tokenizer, format);
    if (!*chat) return CNA_OK;
    CNA_TRY(cna_canonical_date(tokenizer, format, date, err));
    if (date[0] != '\0') format->date = date;
    return CNA_OK;
}

cna_status cna_canonical_lists(const cna_model *model, const cna_prompts *prompts, const char *name,
                               const cna_format *format, cna_token_lists *out, cna_error *err)
{
    if (prompts == NULL || cna_prompts_count(prompts) == 0) {
        return cna_fail(err, CNA_ERR_ARG, "%s prompts: expected at least one, found none", name);
    }
    size_t vocab_size = cna_model_get_info(model)->vocab_size;
    cna_status status = cna_prompts_tokenize(prompts, cna_model_tokenizer(model), format, vocab_size, out, err);
    if (status != CNA_OK) return cna_fail_prefix(err, status, name);
    cna_canonical_sort(out->items, out->n);
    return CNA_OK;
}

cna_status cna_canonical_options(const cna_format *format, const char *name, char *out, size_t size, cna_error *err)
{
    char *text = NULL;
    out[0] = '\0';
    CNA_TRY(cna_format_describe_prompts(format, &text, err));
    if (text == NULL) return CNA_OK;
    cna_status status = CNA_OK;
    if (strlen(text) >= size) {
        status = cna_fail(err, CNA_ERR_ARG,
                          "prefix, system message and template arguments: expected at most %zu bytes as JSON, for the "
                          "%s to state them, found %zu",
                          size - 1, name, strlen(text));
    } else {
        snprintf(out, size, "%s", text);
    }
    cna_free(text);
    return status;
}

cna_status cna_canonical_hashes(const cna_prompts *prompts, cna_sha256_text **out, size_t *out_n, cna_error *err)
{
    size_t n = cna_prompts_count(prompts);
    CNA_TRY(cna_alloc(out, n, sizeof **out, "prompt hashes", err));
    for (size_t i = 0; i < n; i++) CNA_TRY(cna_prompts_sha256(prompts, i, (*out)[i].hex, err));
    *out_n = n;
    return CNA_OK;
}

void cna_canonical_dtype(const cna_model_info *model, char out[16])
{
    cna_storage storage = CNA_STORAGE_F32;
    bool quantised = cna_storage_find(model->storage_dtype, &storage) && cna_storage_is_quantised(storage);
    snprintf(out, 16, "%.7s%s%.7s", quantised ? model->storage_dtype : "", quantised ? "/" : "", model->compute_dtype);
}

/* SPDX-License-Identifier: MIT
 * Canonical order of prompts, and the date they depend on. */
#define _POSIX_C_SOURCE 200809L
#include "method/canonical.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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

static cna_status render(const cna_tokenizer *tokenizer, const char *date, char **out, cna_error *err)
{
    cna_message message = {.role = "user", .content = "x", .n_bytes = 1};
    size_t n_bytes;
    return cna_tokenizer_render(tokenizer, &message, 1, date, out, &n_bytes, err);
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

cna_status cna_canonical_date(const cna_tokenizer *tokenizer, const char *date, char out[11], cna_error *err)
{
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
    CNA_TRY_CLEANUP(render(tokenizer, date, &as_asked, err));
    CNA_TRY_CLEANUP(render(tokenizer, day, &on_day, err));
    CNA_TRY_CLEANUP(
        render(tokenizer, strcmp(day, "2001-02-03") == 0 ? "2004-05-06" : "2001-02-03", &on_another, err));
    bool inserted = strcmp(as_asked, on_day) == 0 && strcmp(on_day, on_another) != 0;
    snprintf(out, 11, "%s", inserted ? day : "");
cleanup:
    cna_free(as_asked);
    cna_free(on_day);
    cna_free(on_another);
    return status;
}

/* SPDX-License-Identifier: MIT
 * Which questions are asked. */
#include "study/mmlu_layout.h"

#include <string.h>

#include "base/file.h"

cna_status cna_mmlu_choose_subjects(const cna_mmlu_options *options, bool *wanted, bool *required, cna_error *err)
{
    const cna_mmlu_subject *subjects = cna_mmlu_subjects();
    for (size_t s = 0; s < CNA_MMLU_N_SUBJECTS; s++) wanted[s] = options->n_subjects == 0;
    for (size_t i = 0; i < options->n_subjects; i++) {
        const char *name = options->subjects[i];
        bool found = false;
        for (size_t s = 0; s < CNA_MMLU_N_SUBJECTS; s++) {
            bool named = strcmp(subjects[s].name, name) == 0;
            if (!named && strcmp(cna_mmlu_group_name(subjects[s].group), name) != 0) continue;
            found = wanted[s] = true;
            if (named) required[s] = true;
        }
        if (found) continue;
        return cna_fail(err, CNA_ERR_ARG, "subjects: expected subjects or groups of MMLU, found '%s'", name);
    }
    return CNA_OK;
}

static cna_status hash_items(cna_buffer *out, const cna_mmlu_item *items, size_t n, cna_error *err)
{
    CNA_TRY(cna_buffer_printf(out, err, "%zu\n", n));
    for (size_t i = 0; i < n; i++) {
        CNA_TRY(cna_buffer_printf(out, err, "%zu %d\n", items[i].n_bytes, items[i].answer));
        CNA_TRY(cna_buffer_add(out, items[i].text, items[i].n_bytes, err));
    }
    return CNA_OK;
}

cna_status cna_mmlu_hash_questions(const cna_mmlu_data *data, const cna_mmlu_block *blocks, size_t n_blocks,
                                   size_t n_shots, char out[65], cna_error *err)
{
    cna_buffer text = {0};
    cna_status status = CNA_OK;
    for (size_t b = 0; b < n_blocks && status == CNA_OK; b++) {
        size_t s = blocks[b].subject;
        status = cna_buffer_printf(&text, err, "%s\n", cna_mmlu_subjects()[s].name);
        if (status == CNA_OK) {
            status = hash_items(&text, data->lists[CNA_MMLU_DEV][s].items, n_shots, err);
        }
        if (status == CNA_OK) {
            status = hash_items(&text, data->lists[CNA_MMLU_TEST][s].items, blocks[b].n_questions, err);
        }
    }
    if (status == CNA_OK) status = cna_sha256_hex(text.data, text.size, out, err);
    cna_buffer_free(&text);
    return status;
}

/* SPDX-License-Identifier: MIT
 * Long prompts. */
#include "cli/long_prompts.h"

#include "cli/messages.h"

#include <stdio.h>

/* The long prompts of all sets. */
typedef struct findings {
    size_t n, n_prompts;
    const cli_prompt_set *set; /* ? of the first one */
    size_t first, n_tokens;
} findings;

static bool measure(const cna_model *model, const cna_format *format, const cli_prompt_set *set, findings *out)
{
    static const cna_format raw = {.mode = CNA_FORMAT_RAW};
    size_t most = cna_model_get_info(model)->max_positions;
    size_t limit = most > set->n_more ? most - set->n_more : 0;
    cna_long_prompts found;
    if (set->raw) format = &raw;
    const cna_tokenizer *tokenizer = cna_model_tokenizer(model);
    if (cna_prompts_find_long(set->prompts, tokenizer, format, limit, &found, NULL) != CNA_OK) return false;
    if (out->n == 0 && found.n != 0) {
        out->set = set;
        out->first = found.first;
        out->n_tokens = found.n_tokens;
    }
    out->n += found.n;
    out->n_prompts += cna_prompts_count(set->prompts);
    return true;
}

void cli_note_long_prompts(const cna_model *model, const cna_format *format, const cli_prompt_set *sets, size_t n_sets)
{
    static bool is_said;
    findings all = {0};
    for (size_t i = 0; i < n_sets; i++) {
        if (sets[i].prompts != NULL && !measure(model, format, &sets[i], &all)) return;
    }
    if (all.n == 0 || is_said) return;
    is_said = true;
    size_t line = cna_prompts_line(all.set->prompts, all.first);
    char place[32], answer[64] = "";
    snprintf(place, sizeof place, line != 0 ? "line %zu" : "prompt %zu", line != 0 ? line : all.first + 1);
    if (all.set->n_more != 0) snprintf(answer, sizeof answer, " and up to %zu of an answer", all.set->n_more);
    cli_note("warning: %s%s%s: expected at most the %u tokens that the model was made for (max_position_embeddings), "
             "found %zu%s; %zu of %zu prompts %s longer, and what comes of that may mean nothing",
             all.set->path != NULL ? all.set->path : "", all.set->path != NULL ? ": " : "", place,
             cna_model_get_info(model)->max_positions, all.n_tokens, answer, all.n, all.n_prompts,
             all.n == 1 ? "is" : "are");
}

/* SPDX-License-Identifier: MIT
 * Plans of memory. */
#include "engine/plan.h"

#include <stdio.h>

#include "base/resources.h"
#include "engine/model.h"

/* Compiled products, threads' stacks, the allocator's slack. */
enum { LIBRARY_BYTES = 8 << 20 };

uint64_t cna_plan_room(const cna_model *model)
{
    uint64_t held = cna_memory_held() + LIBRARY_BYTES;
    return held < model->memory_bytes ? model->memory_bytes - held : 0;
}

cna_status cna_plan_announce(const cna_model *model, const cna_plan *plan, const cna_progress *progress,
                             cna_usage *usage, cna_error *err)
{
    uint64_t more = plan->session + plan->kv + plan->results, held = cna_memory_held() + LIBRARY_BYTES;
    if (held + more > model->memory_bytes) {
        return cna_fail(err, CNA_ERR_MEMORY, "memory: expected a bound of %.0f MB or more for this work, found %.0f "
                        "MB; allow more memory (--memory), or give fewer or shorter prompts",
                        (double)(held + more) / 1e6, (double)model->memory_bytes / 1e6);
    }
    if (usage != NULL && held + more > usage->planned_bytes) usage->planned_bytes = held + more;
    if (progress == NULL || progress->note == NULL) return CNA_OK;
    char text[256];
    snprintf(text, sizeof text, "plan: %.0f MB held at most: %.0f MB now, buffers %.0f MB, keys and values %.0f MB, "
             "results %.0f MB; %zu sequences at a time, passes of up to %zu tokens", (double)(held + more) / 1e6,
             (double)held / 1e6, (double)plan->session / 1e6, (double)plan->kv / 1e6, (double)plan->results / 1e6,
             plan->n_sequences, plan->n_rows);
    progress->note(progress->user, text);
    return CNA_OK;
}

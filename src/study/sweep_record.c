/* SPDX-License-Identifier: MIT
 * A sweep's part of a run before its first answer. */
#include "study/sweep_record.h"

#include <stdlib.h>
#include <string.h>

#include "method/circuit.h"

/* ---- prompts that a circuit was found on ---- */

typedef struct hashes {
    cna_sha256_text *items; /* sorted */
    size_t n, capacity;
    bool complete;          /* every circuit, and vectors that are given, list their prompts */
} hashes;

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(cna_sha256_text));
}

static cna_status add_hashes(hashes *known, const cna_sha256_text *items, size_t n, cna_error *err)
{
    CNA_TRY(cna_grow(&known->items, &known->capacity, known->n + n, sizeof *known->items, "prompt hashes", err));
    if (n != 0) memcpy(known->items + known->n, items, n * sizeof *items);
    known->n += n;
    return CNA_OK;
}

static cna_status add_prompts(hashes *known, const cna_prompts *prompts, cna_error *err)
{
    for (size_t i = 0; prompts != NULL && i < cna_prompts_count(prompts); i++) {
        cna_sha256_text hash = {{0}};
        CNA_TRY(cna_prompts_sha256(prompts, i, hash.hex, err));
        CNA_TRY(add_hashes(known, &hash, 1, err));
    }
    return CNA_OK;
}

static cna_status find_known(const cna_sweep_options *options, hashes *out, cna_error *err)
{
    out->complete = true;
    for (size_t i = 0; i < options->n_circuits; i++) {
        const cna_circuit *circuit = options->circuits[i];
        if (circuit->info.n_positive + circuit->info.n_negative == 0) out->complete = false;
        CNA_TRY(add_hashes(out, circuit->positive, circuit->info.n_positive, err));
        CNA_TRY(add_hashes(out, circuit->negative, circuit->info.n_negative, err));
    }
    const cna_caa *caa = options->alphas.n == 0 ? NULL : options->caa_vectors;
    if (caa != NULL) {
        if (caa->info.n_positive + caa->info.n_negative == 0) out->complete = false;
        CNA_TRY(add_hashes(out, caa->positive, caa->info.n_positive, err));
        CNA_TRY(add_hashes(out, caa->negative, caa->info.n_negative, err));
    }
    if ((options->alphas.n != 0 && caa == NULL) || options->cross_fit != 0) {
        CNA_TRY(add_prompts(out, options->positive, err));
        CNA_TRY(add_prompts(out, options->negative, err));
    }
    if (out->n != 0) qsort(out->items, out->n, sizeof *out->items, compare_hashes);
    return CNA_OK;
}

static cna_run_discovery discovery_of(const hashes *known, const cna_sha256_text *hash)
{
    bool found = known->n != 0 && bsearch(hash, known->items, known->n, sizeof *hash, compare_hashes) != NULL;
    if (found) return CNA_RUN_DISCOVERY;
    return known->complete ? CNA_RUN_UNSEEN : CNA_RUN_DISCOVERY_UNKNOWN;
}

/* ---- rows ---- */

/* Where rows go, and what they are made of. */
typedef struct record {
    cna_run *run;
    int64_t part;
    const cna_sweep_options *options;
    cna_sweep_plan *plan;
    hashes known;
} record;

/* A prompt of token ids has no text of its own. */
static cna_status add_prompt(const record *r, cna_side side, size_t i, int64_t *id, cna_error *err)
{
    const cna_prompts *prompts = r->plan->given[side];
    cna_sha256_text hash = {{0}};
    cna_run_prompt row = {.side = side, .position = i, .category = cna_prompts_category(prompts, i)};
    CNA_TRY(cna_prompts_sha256(prompts, i, hash.hex, err));
    row.text = cna_prompts_text(prompts, i, &row.n_bytes);
    if (row.text == NULL) row.text = "";
    row.discovery = discovery_of(&r->known, &hash);
    return cna_run_add_prompt(r->run, r->part, &row, id, err);
}

cna_status cna_sweep_record_circuit(cna_run *run, int64_t part, const char *label, const cna_circuit *circuit,
                                    cna_error *err)
{
    char *json;
    CNA_TRY(cna_circuit_to_json(circuit, CNA_CIRCUIT_CNA, &json, err));
    cna_status status = cna_run_add_circuit(run, part, label, json, NULL, err);
    cna_free(json);
    return status;
}

static cna_status add_circuits(const record *r, cna_error *err)
{
    const cna_sweep_circuits *circuits = &r->plan->circuits;
    for (size_t i = 0; i < circuits->n_circuits; i++) {
        CNA_TRY(cna_sweep_record_circuit(r->run, r->part, circuits->names[i], circuits->given[i], err));
    }
    for (size_t cut = 0; cut < circuits->n_cuts; cut++) {
        if (circuits->cuts[cut] == 0) continue;
        CNA_TRY(cna_sweep_record_circuit(r->run, r->part, circuits->cut_names[cut],
                                         cna_sweep_circuits_set(circuits, 0, cut)[0], err));
    }
    return CNA_OK;
}

static cna_status add_all(const record *r, int64_t *const prompts[2], cna_error *err)
{
    const cna_sweep_options *options = r->options;
    cna_sweep_plan *plan = r->plan;
    for (size_t i = 0; i < options->n_files; i++) {
        CNA_TRY(cna_run_add_file_at(r->run, r->part, options->files[i].role, options->files[i].path, err));
    }
    CNA_TRY(add_circuits(r, err));
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < plan->prompts[side].n; i++) {
            CNA_TRY(add_prompt(r, (cna_side)side, i, &prompts[side][i], err));
        }
    }
    for (size_t i = 0; i < plan->conditions.n; i++) {
        cna_sweep_condition *condition = &plan->conditions.items[i];
        CNA_TRY(cna_run_add_condition(r->run, r->part, &condition->row, &condition->id, err));
    }
    return cna_run_plan_part(r->run, r->part, cna_sweep_plan_n_answers(plan), err);
}

cna_status cna_sweep_record(cna_run *run, int64_t part, const cna_sweep_options *options, cna_sweep_plan *plan,
                            int64_t *prompts[2], cna_error *err)
{
    record r = {.run = run, .part = part, .options = options, .plan = plan};
    for (int side = 0; side < 2; side++) {
        CNA_TRY(cna_alloc(&prompts[side], plan->prompts[side].n, sizeof *prompts[side], "prompts", err));
    }
    cna_status status = find_known(options, &r.known, err);
    if (status == CNA_OK) status = add_all(&r, prompts, err);
    cna_free(r.known.items);
    return status;
}

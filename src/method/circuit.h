/* SPDX-License-Identifier: MIT
 * Circuits inside the library: what a cna_circuit holds, how it is ordered, made and checked. Files are in
 * circuit_read.c and circuit_write.c. */
#ifndef CNA_METHOD_CIRCUIT_H
#define CNA_METHOD_CIRCUIT_H

#include "base/memory.h"

typedef struct cna_neuron_id {
    uint32_t layer, neuron;
} cna_neuron_id;

typedef struct cna_sha256_text {
    char hex[65]; /* 64 lower-case digits and a NUL */
} cna_sha256_text;

/* Invariants: no (layer, neuron) twice; neurons ordered by score (info.score), descending, ties by lower layer, then
 * lower neuron; every number finite; every neuron within info.n_layers x info.mlp_dim where those are not 0. */
struct cna_circuit {
    cna_circuit_info info;
    cna_neuron *neurons; /* [n_neurons] */
    size_t n_neurons;
    cna_sha256_text *positive; /* [info.n_positive] of the prompts, in the file's order */
    cna_sha256_text *negative; /* [info.n_negative] */
    cna_neuron_id *universal;  /* ? [n_universal] left out as universal, sorted; NULL where not stated */
    size_t n_universal;        /* ids that are listed; info.n_universal is what the file states */
    cna_circuit_statistics statistics; /* n_halvings and n_shuffles 0 where there are none */
};

/* A new circuit without neurons. */
CNA_MUST_CHECK cna_status cna_circuit_create(cna_circuit **out, cna_error *err);

/* cna_circuit_read for a file's bytes; source names them in messages. */
CNA_MUST_CHECK cna_status cna_circuit_parse(const char *json, size_t n_bytes, const char *source, cna_circuit **out,
                                            cna_error *err);

/* Put neurons into order and check the invariants. source names the file or the step in messages.
 * Errors: ERR_FORMAT for a neuron named twice or outside the stated shape. */
CNA_MUST_CHECK cna_status cna_circuit_finish(cna_circuit *circuit, const char *source, cna_error *err);

/* cna_circuit_check for a shape alone. */
CNA_MUST_CHECK cna_status cna_circuit_check_shape(const cna_circuit *circuit, uint32_t n_layers,
                                                  uint32_t mlp_dim, cna_error *err);

/* What a neuron is ranked by: |delta|, |d| or write. */
double cna_neuron_score(const cna_neuron *neuron, cna_score score);

/* Order of ids: lower layer, then lower neuron; as qsort's comparison over cna_neuron_id. */
int cna_neuron_id_compare(const void *a, const void *b);

/* Sort ids and drop repeated ones; returns how many are left. */
size_t cna_neuron_ids_unique(cna_neuron_id *ids, size_t n);

/* The words that files use, NULL-terminated, indexed by the enum: "delta" "d" "write"; "paper" "nous". */
extern const char *const cna_score_names[];
extern const char *const cna_preset_names[];

#endif

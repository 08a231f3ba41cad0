/* SPDX-License-Identifier: MIT
 * An open model: immutable, shared by every session over it. */
#ifndef CNA_ENGINE_MODEL_H
#define CNA_ENGINE_MODEL_H

#include "engine/weights.h"

struct cna_model {
    cna_checkpoint checkpoint;
    cna_weights weights;
    cna_tokenizer *tokenizer;
    cna_input input;           /* what products take */
    int n_threads;
    uint64_t memory_bytes;     /* most that the process is to hold */
    bool streams;              /* weights pass through memory layer by layer */
    cna_model_info info;
    char *plan;                /* text for -v */
    char *notice;              /* ? a line that the user is to see in any case */
};

/* All of a model's description but its fingerprint.
 *   tokenizer  ? NULL: what it would tell is left as it is where there is none */
void cna_model_describe(const cna_checkpoint *checkpoint, const cna_tokenizer *tokenizer, cna_storage storage,
                        cna_dtype compute, cna_model_info *out);
/* The arithmetic that is meant by what was asked for. */
cna_dtype cna_model_dtype(cna_dtype asked, cna_storage storage);

/* ERR_ARG unless there is an id or more and all have an embedding row. */
CNA_MUST_CHECK cna_status cna_model_check_ids(const cna_model *model, const int32_t *ids, size_t n_ids, cna_error *err);
/* ERR_UNSUPPORTED for a sequence of more positions than the model can be run on: cna_config's position_limit. To be
 * asked before work begins. */
CNA_MUST_CHECK cna_status cna_model_check_positions(const cna_model *model, size_t n_positions, cna_error *err);

#endif

/* SPDX-License-Identifier: MIT
 * Contrastive activation addition, the baseline: its vectors inside the library, and as what taps add. Finding them is
 * in caa.c, their files in caa_read.c and caa_write.c. */
#ifndef CNA_METHOD_CAA_H
#define CNA_METHOD_CAA_H

#include "base/buffer.h"
#include "engine/tap.h"
#include "method/circuit.h"

/* Invariants: layers ascending, each once, below info.n_layers where that is not 0; every value finite. */
struct cna_caa {
    cna_caa_info info;
    uint32_t *layers; /* [info.n_vectors] */
    float *vectors;   /* [info.n_vectors, info.hidden_dim] */
    cna_sha256_text *positive, *negative; /* ? [info.n_positive], [info.n_negative] of the prompts, in their files'
                                           * order */
};

/* alpha * v; all-zero is none. */
typedef struct cna_caa_shifts {
    cna_shift *items; /* ? [n] for cna_tap_add_shift, ascending by layer */
    size_t n;
    float *vectors;   /* ? [n, hidden_dim] that they point to, so they live as long as any tap made of them */
} cna_caa_shifts;

/* alpha * v[l] behind each layer l that has a vector: to add to the MLP's output and to the residual stream with that
 * output is the same sum. Each product is rounded once from f64 to f32.
 *   alpha  0 gives no shift at all: the untouched model's bits
 *   out    new, cleared by cna_caa_shifts_clear
 * Errors: ERR_ARG for an alpha that is not finite or makes a vector overflow; ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_caa_shifts_create(const cna_caa *caa, double alpha, cna_positions positions,
                                                cna_caa_shifts *out, cna_error *err);
void cna_caa_shifts_clear(cna_caa_shifts *shifts);

/* What cna_caa_write writes, appended to out. Errors: ERR_MEMORY. */
CNA_MUST_CHECK cna_status cna_caa_to_gguf(const cna_caa *caa, cna_buffer *out, cna_error *err);

/* cna_caa_check for a shape alone. */
CNA_MUST_CHECK cna_status cna_caa_check_shape(const cna_caa *caa, const cna_model_info *model, cna_error *err);

/* The words that files use, NULL-terminated, indexed by the enum: "mlp", "residual". */
extern const char *const cna_caa_site_names[];
/* Where each site's vectors are measured: "mlp.output", "layer.output". */
extern const char *const cna_caa_hook_names[];

/* What files say of the rest; one that says otherwise is refused. */
#define CNA_CAA_ARCHITECTURE "controlvector"
#define CNA_CAA_OPERATION "add"
#define CNA_CAA_LAYER_MAP "direction.N behind layer N, layers from 0"
enum { CNA_CAA_FORMAT = 1, CNA_CAA_LAYERS_MAX = 65536 };

#endif

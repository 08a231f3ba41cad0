/* SPDX-License-Identifier: MIT
 * Parts of reading config.json, for config.c: values in old and new transformers style. Errors as cna_config_read's. */
#ifndef CNA_CHECKPOINT_CONFIG_PARTS_H
#define CNA_CHECKPOINT_CONFIG_PARTS_H

#include "base/json.h"
#include "checkpoint/config.h"

/* Which layers attend within a window, and which do not rotate: sliding_window, use_sliding_window, max_window_layers,
 * sliding_window_pattern, layer_types, no_rope_layers, no_rope_layer_interval. The family and n_layers are there. */
CNA_MUST_CHECK cna_status cna_config_read_layers(const json_t *root, const char *source, cna_config *config,
                                                 cna_error *err);

/* Rotary embedding: rope_theta beside rope_scaling {rope_type or type, ...}, or rope_parameters with all of it, for
 * Gemma 3 by type of layer; partial_rotary_factor. After cna_config_set_plain. */
CNA_MUST_CHECK cna_status cna_config_read_rope(const json_t *root, const char *source, cna_config *config,
                                               cna_error *err);

#endif

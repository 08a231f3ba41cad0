/* SPDX-License-Identifier: MIT
 * The parts of reading and writing circuit files that stand in files of their own. The keys are listed in
 * circuit_write.c. */
#ifndef CNA_METHOD_CIRCUIT_FILE_H
#define CNA_METHOD_CIRCUIT_FILE_H

#include "base/json.h"
#include "method/circuit.h"

enum {
    /* Far above any model; they bound what a profile or a tap may have to hold. */
    CNA_CIRCUIT_MAX_LAYERS = 65536,
    CNA_CIRCUIT_MAX_NEURONS = 1 << 28, /* in one layer */
};

#define CNA_CIRCUIT_FORMAT "cna-circuit"
#define CNA_CIRCUIT_HOOK "mlp.down_proj.input"
#define CNA_CIRCUIT_OP "scale"
enum { CNA_CIRCUIT_VERSION = 1 };

/* Fill an empty circuit from a parsed file of this program's format.
 *   source  names the file in messages
 * Errors: ERR_FORMAT naming the key; ERR_UNSUPPORTED for another version or operation. */
CNA_MUST_CHECK cna_status cna_circuit_from_own(const json_t *root, const char *source, cna_circuit *circuit,
                                               cna_error *err);

/* The same for the reference code's two forms, {"neurons": {"L,P,N": value}, ...} and {"L": [neuron, ...], ...}. A
 * neuron listed at several positions P counts once, with its value of largest size (the reference code steers every
 * position). */
CNA_MUST_CHECK cna_status cna_circuit_from_nous(const json_t *root, const char *source, cna_circuit *circuit,
                                                cna_error *err);

/* The member "statistics", with its comma and line feed; nothing where a circuit has none. */
CNA_MUST_CHECK cna_status cna_circuit_add_statistics(cna_buffer *out, const cna_circuit *circuit, cna_error *err);
/* Fill in statistics from a parsed file; none where the key is absent or null. Errors: ERR_FORMAT naming the key. */
CNA_MUST_CHECK cna_status cna_circuit_read_statistics(const json_t *root, const char *source, cna_circuit *circuit,
                                                      cna_error *err);

#endif

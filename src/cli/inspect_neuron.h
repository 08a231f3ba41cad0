/* SPDX-License-Identifier: MIT
 * cna inspect CIRCUIT -m MODEL: what the circuit's neurons write, and when. */
#ifndef CNA_CLI_INSPECT_NEURON_H
#define CNA_CLI_INSPECT_NEURON_H

#include "cli/options.h"

typedef struct cli_neuron_request {
    const cli_common *common; /* words[0]: the circuit file; model: the folder */
    bool choose_neuron;       /* one neuron, in full; else the first of the circuit, a line each */
    uint32_t layer, neuron;
    size_t top;               /* tokens of each sign, or neurons; 0: 10 */
    const char *positive, *negative, *prompts; /* ? files to measure activations on */
} cli_neuron_request;

/* Prints its own messages; returns an exit code. */
int cli_inspect_neurons(const cli_neuron_request *request);

#endif

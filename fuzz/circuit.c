/* SPDX-License-Identifier: MIT
 * A circuit file in any of its forms. One that is read is written in both formats, and what is written is read again:
 * ours must come back the same. */
#include "support.h"

#include <string.h>

#include "method/circuit.h"

static void write_again(const cna_circuit *circuit, cna_circuit_format format)
{
    cna_error err;
    char *first, *second;
    cna_circuit *again;
    size_t n_before, n_after;
    if (!fuzz_ok(cna_circuit_to_json(circuit, format, &first, &err), &err)) return;
    fuzz_require(fuzz_ok(cna_circuit_parse(first, strlen(first), "written", &again, &err), &err));
    (void)cna_circuit_neurons(circuit, &n_before);
    (void)cna_circuit_neurons(again, &n_after);
    fuzz_require(n_before == n_after);
    fuzz_require(fuzz_ok(cna_circuit_to_json(again, format, &second, &err), &err));
    if (format == CNA_CIRCUIT_CNA) fuzz_require(strcmp(first, second) == 0);
    cna_circuit_free(again);
    cna_free(first);
    cna_free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cna_error err;
    cna_circuit *circuit;
    fuzz_bound(size, 1 << 20, 256);
    if (!fuzz_ok(cna_circuit_parse((const char *)data, size, "input.json", &circuit, &err), &err)) return 0;
    write_again(circuit, CNA_CIRCUIT_CNA);
    write_again(circuit, CNA_CIRCUIT_NOUS);
    cna_circuit_free(circuit);
    return 0;
}

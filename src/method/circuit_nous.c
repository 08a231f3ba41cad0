/* SPDX-License-Identifier: MIT
 * Reading the reference code's circuit files (NousResearch/neural-steering, neuron_steer/core.py,
 * Circuit.save, and the layer map of its pull request 11). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "method/circuit_file.h"

/* A decimal number of 0 .. high-1 at *text, which moves behind it. */
static bool take_index(const char **text, int64_t high, uint32_t *out)
{
    int64_t value = 0;
    const char *p = *text;
    for (; *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (*p - '0');
        if (value >= high) return false;
    }
    if (p == *text) return false;
    *text = p;
    *out = (uint32_t)value;
    return true;
}

/* "L,P,N": the position P is -1 in contrastive circuits and of no use here. */
static bool parse_key(const char *key, cna_neuron *out)
{
    if (!take_index(&key, CNA_CIRCUIT_MAX_LAYERS, &out->layer) || *key++ != ',') return false;
    uint32_t position;
    if (*key == '-') key++;
    if (!take_index(&key, INT32_MAX, &position) || *key++ != ',') return false;
    return take_index(&key, CNA_CIRCUIT_MAX_NEURONS, &out->neuron) && *key == '\0';
}

static int compare_neurons(const void *a, const void *b)
{
    const cna_neuron *x = a;
    const cna_neuron *y = b;
    cna_neuron_id id_x = {x->layer, x->neuron};
    cna_neuron_id id_y = {y->layer, y->neuron};
    int order = cna_neuron_id_compare(&id_x, &id_y);
    if (order != 0) return order;
    if (fabs(x->delta) != fabs(y->delta)) return fabs(x->delta) > fabs(y->delta) ? -1 : 1;
    return (x->delta < y->delta) - (x->delta > y->delta);
}

/* Keep one of several entries of a neuron, that of largest size. */
static size_t drop_positions(cna_neuron *neurons, size_t n)
{
    if (n == 0) return 0;
    qsort(neurons, n, sizeof *neurons, compare_neurons);
    size_t kept = 1;
    for (size_t i = 1; i < n; i++) {
        const cna_neuron *last = &neurons[kept - 1];
        if (last->layer != neurons[i].layer || last->neuron != neurons[i].neuron)
            neurons[kept++] = neurons[i];
    }
    return kept;
}

static cna_status read_values(json_t *values, const char *source, cna_circuit *circuit, cna_error *err)
{
    CNA_TRY(cna_alloc(&circuit->neurons, json_object_size(values), sizeof *circuit->neurons, "neurons", err));
    size_t n = 0;
    const char *key;
    json_t *value;
    json_object_foreach(values, key, value)
    {
        cna_neuron *neuron = &circuit->neurons[n++];
        if (!parse_key(key, neuron)) {
            return cna_fail(err, CNA_ERR_FORMAT,
                            "%s: key 'neurons': expected keys 'layer,position,neuron', found '%s'", source,
                            key);
        }
        if (!json_is_number(value) || !isfinite(json_number_value(value))) {
            return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected a finite number, found %s", source,
                            key, cna_json_type_name(value));
        }
        neuron->delta = json_number_value(value);
    }
    circuit->n_neurons = drop_positions(circuit->neurons, n);
    circuit->info.has_delta = true;
    return CNA_OK;
}

static cna_status read_layer(const char *key, const json_t *list, const char *source, cna_circuit *circuit,
                             size_t *capacity, cna_error *err)
{
    const char *digits = key;
    uint32_t layer;
    if (!take_index(&digits, CNA_CIRCUIT_MAX_LAYERS, &layer) || *digits != '\0') {
        return cna_fail(
            err, CNA_ERR_FORMAT,
            "%s: expected a circuit (key 'format', key 'neurons', or layer numbers as keys), found key '%s'",
            source, key);
    }
    if (!json_is_array(list)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected an array of neurons, found %s", source,
                        key, cna_json_type_name(list));
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        json_int_t neuron = json_is_integer(value) ? json_integer_value(value) : -1;
        if (neuron < 0 || neuron >= CNA_CIRCUIT_MAX_NEURONS) {
            return cna_fail(err, CNA_ERR_FORMAT,
                            "%s: key '%s': expected whole numbers from 0, found %s at index %zu", source, key,
                            json_is_integer(value) ? "another number" : cna_json_type_name(value), i);
        }
        CNA_TRY(cna_grow(&circuit->neurons, capacity, circuit->n_neurons + 1, sizeof *circuit->neurons,
                         "neurons", err));
        circuit->neurons[circuit->n_neurons++] = (cna_neuron){.layer = layer, .neuron = (uint32_t)neuron};
    }
    return CNA_OK;
}

cna_status cna_circuit_from_nous(const json_t *root, const char *source, cna_circuit *circuit, cna_error *err)
{
    circuit->info.preset = CNA_PRESET_NOUS;
    json_t *values = json_object_get(root, "neurons");
    if (values != NULL && !json_is_object(values)) {
        return cna_fail(err, CNA_ERR_FORMAT,
                        "%s: expected key 'format' beside an array 'neurons', or 'neurons' as an object",
                        source);
    }
    if (values != NULL) return read_values(values, source, circuit, err);
    if (json_object_size(root) == 0) {
        return cna_fail(
            err, CNA_ERR_FORMAT,
            "%s: expected a circuit (key 'format', key 'neurons', or layer numbers as keys), found no key",
            source);
    }
    size_t capacity = 0;
    const char *key;
    const json_t *list;
    for (void *at = json_object_iter((json_t *)(uintptr_t)root); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)root, at)) {
        key = json_object_iter_key(at);
        list = json_object_iter_value(at);
        CNA_TRY(read_layer(key, list, source, circuit, &capacity, err));
    }
    return CNA_OK;
}

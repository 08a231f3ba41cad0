/* SPDX-License-Identifier: MIT
 * Circuits and multipliers from the command line. */
#include "cli/interventions.h"

#include "cli/setup.h"

#include <math.h>
#include <stdlib.h>

const char *cli_positions_name(cna_positions positions)
{
    static const char *const names[] = {"all", "prompt", "generated", "last"};
    return names[positions];
}

const char *cli_sign_name(cna_sign sign)
{
    static const char *const names[] = {"both", "+", "-"};
    return names[sign];
}

int cli_check_multiplier(const char *flag, double value)
{
    if (isfinite((float)value)) return CLI_DONE;
    return cli_usage("%s: expected a number that f32 can hold (up to 3.4e38), found %g", flag, value);
}

int cli_read_multipliers(const char *flag, const char *value, double **out, size_t *out_n)
{
    double *values;
    size_t n;
    int code = cli_read_reals(flag, value, &values, &n);
    if (code != CLI_DONE) return code;
    for (size_t i = 0; i < n && code == CLI_DONE; i++) {
        code = cli_check_multiplier(flag, values[i]);
        for (size_t j = 0; j < i && code == CLI_DONE; j++) {
            if (values[i] == values[j]) code = cli_usage("%s: %g is given twice", flag, values[i]);
        }
    }
    if (code != CLI_DONE) {
        free(values);
        return code;
    }
    *out = values;
    *out_n = n;
    return CLI_DONE;
}

int cli_pairs_add_circuit(cli_pairs *pairs, const char *path)
{
    cli_grow(&pairs->paths, &pairs->path_capacity, pairs->n + 1, sizeof *pairs->paths);
    cli_grow(&pairs->multipliers, &pairs->multiplier_capacity, pairs->n + 1, sizeof *pairs->multipliers);
    pairs->paths[pairs->n] = path;
    pairs->multipliers[pairs->n] = 0;
    pairs->n++;
    return CLI_DONE;
}

int cli_pairs_add_multiplier(cli_pairs *pairs, const char *value)
{
    if (pairs->n == 0) return cli_usage("--multiplier %s: expected a --circuit FILE before it", value);
    if (pairs->n_stated == pairs->n) {
        return cli_usage("--multiplier %s: the circuit before it has its multiplier already", value);
    }
    int code = cli_read_real("--multiplier", value, -HUGE_VAL, 0, false, &pairs->multipliers[pairs->n - 1]);
    if (code == CLI_DONE) code = cli_check_multiplier("--multiplier", pairs->multipliers[pairs->n - 1]);
    if (code == CLI_DONE) pairs->n_stated = pairs->n;
    return code;
}

int cli_pairs_open(cli_pairs *pairs, const cna_model *model, cna_positions positions, cna_sign sign)
{
    pairs->circuits = cli_alloc(pairs->n, sizeof *pairs->circuits);
    pairs->items = cli_alloc(pairs->n, sizeof *pairs->items);
    for (size_t i = 0; i < pairs->n; i++) {
        int code = cli_read_circuit(pairs->paths[i], model, &pairs->circuits[i]);
        if (code != CLI_DONE) return code;
        pairs->items[i] = (cna_intervention){.circuit = pairs->circuits[i],
                                             .multiplier = pairs->multipliers[i],
                                             .positions = positions,
                                             .sign = sign};
    }
    return CLI_DONE;
}

void cli_pairs_clear(cli_pairs *pairs)
{
    for (size_t i = 0; i < pairs->n && pairs->circuits != NULL; i++) cna_circuit_free(pairs->circuits[i]);
    free(pairs->circuits);
    free(pairs->items);
    free(pairs->paths);
    free(pairs->multipliers);
    *pairs = (cli_pairs){0};
}

void cli_pairs_note(const cli_pairs *pairs)
{
    for (size_t i = 0; i < pairs->n; i++) {
        size_t n_neurons;
        (void)cna_circuit_neurons(pairs->circuits[i], &n_neurons);
        cli_note("%s: %zu neurons, multiplier %g (strength %g), positions %s, sign %s", pairs->paths[i],
                 n_neurons, pairs->multipliers[i], 1 - pairs->multipliers[i],
                 cli_positions_name(pairs->items[i].positions), cli_sign_name(pairs->items[i].sign));
    }
}

void cli_pairs_json(const cli_pairs *pairs, cli_json *json)
{
    cli_json_array(json, "interventions");
    for (size_t i = 0; i < pairs->n; i++) {
        cli_json_object(json, NULL);
        cli_json_text(json, "circuit", pairs->paths[i]);
        cli_json_f64(json, "multiplier", pairs->multipliers[i]);
        cli_json_f64(json, "strength", 1 - pairs->multipliers[i]);
        cli_json_text(json, "positions", cli_positions_name(pairs->items[i].positions));
        cli_json_text(json, "sign", cli_sign_name(pairs->items[i].sign));
        cli_json_object_end(json);
    }
    cli_json_array_end(json);
}

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

static int add_path(cli_numbered *list, const char *path, double number)
{
    cli_grow(&list->paths, &list->path_capacity, list->n + 1, sizeof *list->paths);
    cli_grow(&list->numbers, &list->number_capacity, list->n + 1, sizeof *list->numbers);
    list->paths[list->n] = path;
    list->numbers[list->n] = number;
    list->n++;
    return CLI_DONE;
}

/* flag: of the number; file: the flag and noun of what it belongs to. */
static int add_number(cli_numbered *list, const char *value, const char *flag, const char *file, const char *noun)
{
    if (list->n == 0) return cli_usage("%s %s: expected a %s FILE before it", flag, value, file);
    if (list->n_stated == list->n) {
        return cli_usage("%s %s: the %s before it has its %s already", flag, value, noun, flag + 2);
    }
    int code = cli_read_real(flag, value, -HUGE_VAL, 0, false, &list->numbers[list->n - 1]);
    if (code == CLI_DONE) code = cli_check_multiplier(flag, list->numbers[list->n - 1]);
    if (code == CLI_DONE) list->n_stated = list->n;
    return code;
}

int cli_pairs_add_circuit(cli_pairs *pairs, const char *path)
{
    return add_path(&pairs->scaled, path, 0);
}

int cli_pairs_add_multiplier(cli_pairs *pairs, const char *value)
{
    return add_number(&pairs->scaled, value, "--multiplier", "--circuit", "circuit");
}

int cli_pairs_add_vectors(cli_pairs *pairs, const char *path)
{
    return add_path(&pairs->added, path, 1);
}

int cli_pairs_add_alpha(cli_pairs *pairs, const char *value)
{
    return add_number(&pairs->added, value, "--alpha", "--caa-vector", "vector");
}

static int open_circuits(cli_pairs *pairs, const cna_model *model, cna_positions positions, cna_sign sign)
{
    const cli_numbered *list = &pairs->scaled;
    pairs->circuits = cli_alloc(list->n, sizeof(cna_circuit *));
    pairs->items = cli_alloc(list->n, sizeof *pairs->items);
    for (size_t i = 0; i < list->n; i++) {
        int code = cli_read_circuit(list->paths[i], model, &pairs->circuits[i]);
        if (code != CLI_DONE) return code;
        pairs->items[i] = (cna_intervention){.circuit = pairs->circuits[i],
                                             .multiplier = list->numbers[i],
                                             .positions = positions,
                                             .sign = sign};
    }
    return CLI_DONE;
}

int cli_pairs_open(cli_pairs *pairs, const cna_model *model, cna_positions positions, cna_sign sign)
{
    const cli_numbered *list = &pairs->added;
    pairs->vectors = cli_alloc(list->n, sizeof(cna_caa *));
    pairs->additions = cli_alloc(list->n, sizeof *pairs->additions);
    int code = open_circuits(pairs, model, positions, sign);
    for (size_t i = 0; i < list->n && code == CLI_DONE; i++) {
        code = cli_read_vectors(list->paths[i], model, &pairs->vectors[i]);
        pairs->additions[i] = (cna_addition){pairs->vectors[i], list->numbers[i], positions};
    }
    return code;
}

static void clear_list(cli_numbered *list)
{
    free(list->paths);
    free(list->numbers);
}

void cli_pairs_clear(cli_pairs *pairs)
{
    for (size_t i = 0; i < pairs->scaled.n && pairs->circuits != NULL; i++) cna_circuit_free(pairs->circuits[i]);
    for (size_t i = 0; i < pairs->added.n && pairs->vectors != NULL; i++) cna_caa_free(pairs->vectors[i]);
    free(pairs->circuits);
    free(pairs->items);
    free(pairs->vectors);
    free(pairs->additions);
    clear_list(&pairs->scaled);
    clear_list(&pairs->added);
    *pairs = (cli_pairs){0};
}

void cli_pairs_note(const cli_pairs *pairs)
{
    for (size_t i = 0; i < pairs->scaled.n; i++) {
        size_t n_neurons;
        double multiplier = pairs->scaled.numbers[i];
        (void)cna_circuit_neurons(pairs->circuits[i], &n_neurons);
        cli_note("%s: %zu neurons, multiplier %g (strength %g), positions %s, sign %s", pairs->scaled.paths[i],
                 n_neurons, multiplier, 1 - multiplier, cli_positions_name(pairs->items[i].positions),
                 cli_sign_name(pairs->items[i].sign));
    }
    for (size_t i = 0; i < pairs->added.n; i++) {
        size_t n = cna_caa_get_info(pairs->vectors[i])->n_vectors;
        cli_note("%s: added behind %zu layer%s, alpha %g, positions %s", pairs->added.paths[i], n, n == 1 ? "" : "s",
                 pairs->added.numbers[i], cli_positions_name(pairs->additions[i].positions));
    }
}

void cli_pairs_json(const cli_pairs *pairs, cli_json *json)
{
    cli_json_array(json, "interventions");
    for (size_t i = 0; i < pairs->scaled.n; i++) {
        cli_json_object(json, NULL);
        cli_json_text(json, "circuit", pairs->scaled.paths[i]);
        cli_json_f64(json, "multiplier", pairs->scaled.numbers[i]);
        cli_json_f64(json, "strength", 1 - pairs->scaled.numbers[i]);
        cli_json_text(json, "positions", cli_positions_name(pairs->items[i].positions));
        cli_json_text(json, "sign", cli_sign_name(pairs->items[i].sign));
        cli_json_object_end(json);
    }
    for (size_t i = 0; i < pairs->added.n; i++) {
        cli_json_object(json, NULL);
        cli_json_text(json, "vector", pairs->added.paths[i]);
        cli_json_f64(json, "alpha", pairs->added.numbers[i]);
        cli_json_text(json, "positions", cli_positions_name(pairs->additions[i].positions));
        cli_json_object_end(json);
    }
    cli_json_array_end(json);
}

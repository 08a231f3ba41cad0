/* SPDX-License-Identifier: MIT
 * Circuits: files both ways, malformed files, checks, profile, overlap, failing allocations. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "method/circuit.h"

static const char hash_a[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static const char hash_b[] = "ffeeddccbbaa99887766554433221100ffeeddccbbaa99887766554433221100";

static void set(char *out, size_t size, const char *text)
{
    snprintf(out, size, "%s", text);
}

static cna_circuit *make_circuit(void)
{
    cna_error err;
    cna_circuit *circuit;
    assert_ok(cna_circuit_create(&circuit, &err));
    cna_circuit_info *info = &circuit->info;
    set(info->model_name, sizeof info->model_name, "toy \"1\"\\\n\xFFz");
    set(info->architecture, sizeof info->architecture, "llama");
    set(info->model_dtype, sizeof info->model_dtype, "bf16");
    set(info->fingerprint, sizeof info->fingerprint, hash_a);
    info->n_layers = 12;
    info->mlp_dim = 64;
    info->hidden_dim = 16;
    info->score = CNA_SCORE_D;
    info->fraction = 0.001;
    info->first_layer = 1;
    info->last_layer = 11;
    info->per_layer = true;
    set(info->universal_source, sizeof info->universal_source, "builtin");
    info->universal_threshold = 0.001;
    info->universal_share = 0.8;
    info->n_universal = 2;
    set(info->prompt_format, sizeof info->prompt_format, "chat");
    set(info->date, sizeof info->date, "2026-01-02");
    circuit->info.has_delta = true;
    circuit->info.has_measures = true;
    assert_ok(cna_alloc(&circuit->neurons, 4, sizeof *circuit->neurons, "neurons", &err));
    circuit->neurons[0] = (cna_neuron){11, 3, 0.1, 0.30000000000000004, 0.2, 1.0 / 3, 1e-17};
    circuit->neurons[1] = (cna_neuron){2, 63, -1.5, 0, 1.5, -4, 5e-324};
    circuit->neurons[2] = (cna_neuron){11, 0, 1e300, 2, -1, 1.0 / 3, 123456789012.5};
    circuit->neurons[3] = (cna_neuron){9, 1, -0.0, 0, 0, 0, 0};
    circuit->n_neurons = 4;
    assert_ok(cna_alloc(&circuit->positive, 1, sizeof *circuit->positive, "hashes", &err));
    assert_ok(cna_alloc(&circuit->negative, 2, sizeof *circuit->negative, "hashes", &err));
    set(circuit->positive[0].hex, 65, hash_a);
    set(circuit->negative[0].hex, 65, hash_b);
    set(circuit->negative[1].hex, 65, hash_a);
    info->n_positive = 1;
    info->n_negative = 2;
    assert_ok(cna_alloc(&circuit->universal, 2, sizeof *circuit->universal, "universal", &err));
    circuit->universal[0] = (cna_neuron_id){0, 9};
    circuit->universal[1] = (cna_neuron_id){11, 63};
    circuit->n_universal = 2;
    assert_ok(cna_circuit_finish(circuit, "test", &err));
    return circuit;
}

/* Read a circuit from text through a file. */
static cna_status read_text(const char *text, cna_circuit **out, cna_error *err)
{
    char *folder = support_folder_create();
    char *path = support_path(folder, "c.json");
    support_write(path, text, strlen(text));
    cna_status status = cna_circuit_read(path, out, err);
    cna_free(path);
    support_folder_remove(folder);
    return status;
}

static void test_order(void **state)
{
    (void)state;
    cna_circuit *circuit = make_circuit();
    size_t n;
    const cna_neuron *neurons = cna_circuit_neurons(circuit, &n);
    assert_int_equal(n, 4); /* by |d|: 4; then 1/3 twice, the lower neuron first; then 0 */
    assert_int_equal(neurons[0].neuron, 63);
    assert_int_equal(neurons[1].neuron, 0);
    assert_int_equal(neurons[2].neuron, 3);
    assert_int_equal(neurons[3].neuron, 1);
    cna_circuit_free(circuit);
}

static void test_round_trip(void **state)
{
    (void)state;
    cna_error err;
    cna_circuit *circuit = make_circuit();
    cna_circuit *again;
    char *json;
    char *json_again;
    assert_ok(cna_circuit_to_json(circuit, CNA_CIRCUIT_CNA, &json, &err));
    assert_ok(read_text(json, &again, &err));
    assert_ok(cna_circuit_to_json(again, CNA_CIRCUIT_CNA, &json_again, &err));
    assert_string_equal(json, json_again);
    assert_int_equal(again->n_neurons, 4);
    assert_memory_equal(again->neurons, circuit->neurons, 4 * sizeof *again->neurons);
    assert_string_equal(again->info.model_name, "toy \"1\"\\\n\xEF\xBF\xBDz");
    memcpy(again->info.model_name, circuit->info.model_name, sizeof again->info.model_name);
    assert_memory_equal(&again->info, &circuit->info, sizeof again->info);
    assert_int_equal(again->n_universal, 2);
    assert_memory_equal(again->universal, circuit->universal, 2 * sizeof *again->universal);
    assert_string_equal(again->negative[0].hex, hash_b);
    cna_free(json);
    cna_free(json_again);
    cna_circuit_free(again);
    cna_circuit_free(circuit);
}

/* The promise of the documentation: these keys, in this order. */
static void test_key_order(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "\"format\"",        "\"version\"",   "\"model\"",      "\"name\"",      "\"architecture\"",
        "\"n_layers\"",      "\"mlp_dim\"",   "\"hidden_dim\"", "\"dtype\"",     "\"fingerprint\"",
        "\"method\"",        "\"preset\"",    "\"score\"",      "\"fraction\"",  "\"k\"",
        "\"layers\"",        "\"universal\"", "\"source\"",     "\"threshold\"", "\"share\"",
        "\"excluded\"",      "\"operation\"", "\"hook\"",       "\"op\"",        "\"prompts\"",
        "\"positive\"",      "\"negative\"",  "\"format\"",     "\"date\"",      "\"tool\"",
        "\"neurons\"",       "\"layer\"",     "\"neuron\"",     "\"delta\"",     "\"mean_positive\"",
        "\"mean_negative\"", "\"d\"",         "\"write\"",
    };
    cna_error err;
    cna_circuit *circuit = make_circuit();
    char *json;
    assert_ok(cna_circuit_to_json(circuit, CNA_CIRCUIT_CNA, &json, &err));
    const char *at = json;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        at = strstr(at, keys[i]);
        if (at == NULL) fail_msg("key %s is missing or in another place", keys[i]);
        at += strlen(keys[i]);
    }
    cna_free(json);
    cna_circuit_free(circuit);
}

static void test_nous_write(void **state)
{
    (void)state;
    cna_error err;
    cna_circuit *circuit = make_circuit();
    char *json;
    assert_ok(cna_circuit_to_json(circuit, CNA_CIRCUIT_NOUS, &json, &err));
    assert_string_equal(json, "{\n  \"neurons\": {\n    \"2,-1,63\": -1.5,\n    \"11,-1,0\": 1e+300,\n"
                              "    \"11,-1,3\": 0.1,\n    \"9,-1,1\": -0.0\n  },\n"
                              "  \"prompt\": \"[contrastive: 1 pos vs 2 neg]\",\n"
                              "  \"target_token\": \"[contrastive]\",\n  \"total_logit_diff\": 0.0\n}\n");
    cna_circuit *again;
    assert_ok(read_text(json, &again, &err));
    assert_int_equal(again->n_neurons, 4);
    assert_true(again->neurons[0].delta == 1e300); /* now ordered by |delta| */
    cna_free(json);
    cna_circuit_free(again);
    cna_circuit_free(circuit);
}

static void test_nous_read(void **state)
{
    (void)state;
    cna_error err;
    cna_circuit *circuit;
    assert_ok(read_text("{\"neurons\": {\"3,-1,7\": -0.5, \"3,4,8\": 0.25, \"3,9,8\": -2, \"0,0,1\": 1},"
                        " \"prompt\": \"p\", \"target_token\": \"t\", \"total_logit_diff\": 1.5}",
                        &circuit, &err));
    assert_int_equal(circuit->n_neurons, 3);
    assert_int_equal(circuit->neurons[0].neuron, 8); /* several positions: the value of largest size */
    assert_true(circuit->neurons[0].delta == -2);
    assert_int_equal(circuit->neurons[1].layer, 0);
    assert_int_equal(circuit->info.preset, CNA_PRESET_NOUS);
    assert_int_equal(circuit->info.n_layers, 0);
    assert_true(circuit->info.has_delta);
    assert_false(circuit->info.has_measures);
    cna_circuit_free(circuit);

    assert_ok(read_text("{\"31\": [5, 2], \"30\": [], \"2\": [9]}", &circuit, &err));
    assert_int_equal(circuit->n_neurons, 3);
    assert_int_equal(circuit->neurons[0].layer, 2);
    assert_int_equal(circuit->neurons[1].neuron, 2);
    assert_int_equal(circuit->neurons[2].neuron, 5);
    assert_false(circuit->info.has_delta);
    char *json;
    cna_circuit *again;
    assert_ok(cna_circuit_to_json(circuit, CNA_CIRCUIT_CNA, &json, &err));
    assert_ok(read_text(json, &again, &err));
    assert_false(again->info.has_delta);
    assert_int_equal(again->n_neurons, 3);
    assert_null(again->universal);
    cna_free(json);
    cna_circuit_free(again);
    cna_circuit_free(circuit);
}

static void test_empty(void **state)
{
    (void)state;
    cna_error err;
    cna_circuit *circuit;
    char *json;
    assert_ok(read_text("{\"format\": \"cna-circuit\", \"version\": 1, \"neurons\": []}", &circuit, &err));
    assert_int_equal(circuit->n_neurons, 0);
    cna_profile profile;
    assert_ok(cna_circuit_profile(circuit, 0, &profile, &err));
    assert_true(profile.last_quarter == 0);
    cna_profile_clear(&profile);
    for (int format = CNA_CIRCUIT_CNA; format <= CNA_CIRCUIT_NOUS; format++) {
        assert_ok(cna_circuit_to_json(circuit, (cna_circuit_format)format, &json, &err));
        cna_circuit *again;
        assert_ok(read_text(json, &again, &err));
        assert_int_equal(again->n_neurons, 0);
        cna_circuit_free(again);
        cna_free(json);
    }
    cna_circuit_free(circuit);
}

/* Every neuron of a small real model: quadratic work anywhere would show as minutes. */
static void test_large(void **state)
{
    (void)state;
    enum { N = 131072 };
    cna_error err;
    cna_circuit *circuit;
    assert_ok(cna_circuit_create(&circuit, &err));
    assert_ok(cna_alloc(&circuit->neurons, N, sizeof *circuit->neurons, "neurons", &err));
    for (uint32_t i = 0; i < N; i++) {
        double value = sin((double)i);
        circuit->neurons[i] =
            (cna_neuron){i / 8192, i % 8192, value, value / 3, value / 7, value, value * value};
    }
    circuit->n_neurons = N;
    circuit->info.has_delta = true;
    circuit->info.has_measures = true;
    assert_ok(cna_circuit_finish(circuit, "test", &err));
    char *folder = support_folder_create();
    char *path = support_path(folder, "all.json");
    cna_circuit *again;
    assert_ok(cna_circuit_write(circuit, path, CNA_CIRCUIT_CNA, &err));
    assert_ok(cna_circuit_read(path, &again, &err));
    assert_int_equal(again->n_neurons, N);
    assert_memory_equal(again->neurons, circuit->neurons, N * sizeof *again->neurons);
    cna_free(path);
    support_folder_remove(folder);
    cna_circuit_free(again);
    cna_circuit_free(circuit);
}

static cna_status parse(const char *path, cna_error *err)
{
    cna_circuit *circuit = NULL;
    cna_status status = cna_circuit_read(path, &circuit, err);
    cna_circuit_free(circuit);
    return status;
}

static void test_malformed(void **state)
{
    (void)state;
    support_replay_malformed("circuit", "input.json", parse);
}

static void test_shape(void **state)
{
    (void)state;
    cna_error err;
    cna_circuit *circuit = make_circuit();
    assert_ok(cna_circuit_check_shape(circuit, 12, 64, &err));
    assert_int_equal(cna_circuit_check_shape(circuit, 16, 64, &err), CNA_ERR_MISMATCH);
    assert_non_null(strstr(err.text, "16 layers of 64 neurons"));
    assert_non_null(strstr(err.text, "12 layers of 64 neurons"));
    assert_int_equal(cna_circuit_check_shape(circuit, 12, 65, &err), CNA_ERR_MISMATCH);
    cna_circuit_free(circuit);
    assert_ok(read_text("{\"3\": [70]}", &circuit, &err));
    assert_ok(cna_circuit_check_shape(circuit, 4, 71, &err));
    assert_int_equal(cna_circuit_check_shape(circuit, 4, 70, &err), CNA_ERR_MISMATCH);
    assert_int_equal(cna_circuit_check_shape(circuit, 3, 71, &err), CNA_ERR_MISMATCH);
    cna_circuit_free(circuit);
}

static void test_profile(void **state)
{
    (void)state;
    cna_error err;
    cna_profile profile;
    cna_circuit *circuit = make_circuit(); /* layers 11, 2, 11, 9 of 12 */
    assert_ok(cna_circuit_profile(circuit, 99, &profile, &err));
    assert_int_equal(profile.n_layers, 12);
    assert_int_equal(profile.n_neurons, 4);
    assert_int_equal(profile.count[11], 2);
    assert_int_equal(profile.count[2], 1);
    assert_true(profile.last_three == 0.75);   /* 9, 10, 11 */
    assert_true(profile.last_tenth == 0.5);    /* ceil(1.2) = 2: 10, 11 */
    assert_true(profile.last_quarter == 0.75); /* 3: 9, 10, 11 */
    cna_profile_clear(&profile);
    cna_circuit_free(circuit);
    assert_ok(read_text("{\"3\": [70], \"0\": [1]}", &circuit, &err));
    assert_ok(cna_circuit_profile(circuit, 0, &profile, &err));
    assert_int_equal(profile.n_layers, 4);
    cna_profile_clear(&profile);
    assert_ok(cna_circuit_profile(circuit, 10, &profile, &err));
    assert_int_equal(profile.n_layers, 10);
    assert_true(profile.last_three == 0);
    cna_profile_clear(&profile);
    assert_int_equal(cna_circuit_profile(circuit, 3, &profile, &err), CNA_ERR_MISMATCH);
    cna_circuit_free(circuit);
}

static void test_overlap(void **state)
{
    (void)state;
    cna_error err;
    cna_overlap overlap;
    cna_circuit *a;
    cna_circuit *b;
    assert_ok(read_text("{\"1\": [1, 2, 3, 4], \"2\": [1]}", &a, &err));
    assert_ok(read_text("{\"1\": [2, 4], \"2\": [2], \"3\": [1]}", &b, &err));
    assert_ok(cna_circuit_overlap(a, b, &overlap, &err));
    assert_int_equal(overlap.n_a, 5);
    assert_int_equal(overlap.n_b, 4);
    assert_int_equal(overlap.n_common, 2);
    assert_true(overlap.share_of_a == 0.4 && overlap.share_of_b == 0.5);
    assert_true(overlap.jaccard == 2.0 / 7);
    a->info.n_layers = 4;
    assert_ok(cna_circuit_overlap(a, b, &overlap, &err));
    b->info.n_layers = 5;
    assert_int_equal(cna_circuit_overlap(a, b, &overlap, &err), CNA_ERR_MISMATCH);
    b->info.n_layers = 4;
    b->n_neurons = 0;
    assert_ok(cna_circuit_overlap(a, b, &overlap, &err));
    assert_true(overlap.jaccard == 0 && overlap.share_of_b == 0);
    cna_circuit_free(a);
    cna_circuit_free(b);
}

/* ---- what only some neurons have ---- */

/* It ranks nothing: the file that is written without it is read back in the same order. */
static void test_partial_measures(void **state)
{
    (void)state;
    static const char json[] = "{\"format\": \"cna-circuit\", \"version\": 1, \"neurons\": ["
                               "{\"layer\": 4, \"neuron\": 2, \"delta\": 1},"
                               "{\"layer\": 1, \"neuron\": 2, \"delta\": 2},"
                               "{\"layer\": 4, \"neuron\": 1}]}";
    cna_error err;
    cna_circuit *circuit;
    size_t n;
    assert_ok(cna_circuit_parse(json, sizeof json - 1, "c.json", &circuit, &err));
    const cna_neuron *neurons = cna_circuit_neurons(circuit, &n);
    assert_true(n == 3 && !cna_circuit_get_info(circuit)->has_delta);
    assert_true(neurons[0].layer == 1 && neurons[1].neuron == 1 && neurons[2].neuron == 2);
    for (size_t i = 0; i < n; i++) assert_true(neurons[i].delta == 0);
    cna_circuit_free(circuit);
}

/* ---- failing allocations ---- */

static cna_status read_again(void *user, cna_error *err)
{
    return parse(user, err);
}

static cna_status write_again(void *user, cna_error *err)
{
    char *json = NULL;
    cna_status status = cna_circuit_to_json(user, CNA_CIRCUIT_CNA, &json, err);
    cna_free(json);
    return status;
}

static void test_allocations(void **state)
{
    (void)state;
    cna_error err;
    cna_circuit *circuit = make_circuit();
    char *folder = support_folder_create();
    char *path = support_path(folder, "c.json");
    assert_ok(cna_circuit_write(circuit, path, CNA_CIRCUIT_CNA, &err));
    support_fail_allocations(write_again, circuit);
    support_fail_allocations(read_again, path);
    static const char *const foreign[] = {"{\"3\": [70, 71], \"0\": [1]}",
                                          "{\"neurons\": {\"3,-1,70\": 0.5, \"0,-1,1\": -2}, \"k\": 2}"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        support_write(path, foreign[i], strlen(foreign[i]));
        support_fail_allocations(read_again, path);
    }
    cna_free(path);
    support_folder_remove(folder);
    cna_circuit_free(circuit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),     cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_key_order), cmocka_unit_test(test_nous_write),
        cmocka_unit_test(test_nous_read), cmocka_unit_test(test_empty), cmocka_unit_test(test_partial_measures),
        cmocka_unit_test(test_large),     cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_shape),     cmocka_unit_test(test_profile),
        cmocka_unit_test(test_overlap),   cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests_name("circuit", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * The key "statistics" of circuit files:
 *   {"seed", "stability": {"halvings", "points": [{"k", "mean", "min", "p5", ..., "max"}, ...]},
 *    "chance": {"shuffles", "candidates", "delta": {"level", "largest", "above", "circuit_above"}, "d", "write"}}
 * The seed is a string: it has 64 bits, and readers of JSON hold 53 or 63. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "method/circuit_file.h"

typedef struct member {
    const char *key;
    size_t offset;
} member;

static const member point_numbers[] = {
    {"mean", offsetof(cna_stability_point, mean)}, {"min", offsetof(cna_stability_point, min)},
    {"p5", offsetof(cna_stability_point, p5)},     {"p25", offsetof(cna_stability_point, p25)},
    {"p50", offsetof(cna_stability_point, p50)},   {"p75", offsetof(cna_stability_point, p75)},
    {"p95", offsetof(cna_stability_point, p95)},   {"max", offsetof(cna_stability_point, max)},
};
enum { N_POINT_NUMBERS = sizeof point_numbers / sizeof *point_numbers };

/* ---- writing ---- */

static cna_status add_stability(cna_buffer *out, const cna_circuit_statistics *s, cna_error *err)
{
    if (s->n_halvings == 0) return cna_buffer_add_text(out, "null,\n", err);
    CNA_TRY(cna_buffer_printf(out, err, "{\"halvings\": %zu, \"points\": [", s->n_halvings));
    for (size_t i = 0; i < s->n_points; i++) {
        const cna_stability_point *point = &s->points[i];
        CNA_TRY(cna_buffer_printf(out, err, "%s\n      {\"k\": %zu", i == 0 ? "" : ",", point->k));
        for (size_t j = 0; j < N_POINT_NUMBERS; j++) {
            double value = *(const double *)((const char *)point + point_numbers[j].offset);
            CNA_TRY(cna_buffer_printf(out, err, ", \"%s\": %s", point_numbers[j].key, cna_number_shortest(value).text));
        }
        CNA_TRY(cna_buffer_add(out, "}", 1, err));
    }
    return cna_buffer_add_text(out, "]},\n", err);
}

static cna_status add_chance(cna_buffer *out, const cna_circuit_statistics *s, cna_error *err)
{
    if (s->n_shuffles == 0) return cna_buffer_add_text(out, "null", err);
    CNA_TRY(cna_buffer_printf(out, err, "{\"shuffles\": %zu, \"candidates\": %zu", s->n_shuffles, s->n_candidates));
    for (int score = 0; score < 3; score++) {
        const cna_chance_level *level = &s->chance[score];
        CNA_TRY(cna_buffer_printf(out, err,
                                  ",\n      \"%s\": {\"level\": %s, \"largest\": %s, \"above\": %zu, "
                                  "\"circuit_above\": %zu}", cna_score_names[score],
                                  cna_number_shortest(level->level).text, cna_number_shortest(level->largest).text,
                                  level->n_above, level->n_circuit_above));
    }
    return cna_buffer_add(out, "}", 1, err);
}

cna_status cna_circuit_add_statistics(cna_buffer *out, const cna_circuit *circuit, cna_error *err)
{
    const cna_circuit_statistics *s = cna_circuit_get_statistics(circuit);
    if (s == NULL) return CNA_OK;
    CNA_TRY(cna_buffer_printf(out, err, "  \"statistics\": {\"seed\": \"%" PRIu64 "\",\n    \"stability\": ", s->seed));
    CNA_TRY(add_stability(out, s, err));
    CNA_TRY(cna_buffer_add_text(out, "    \"chance\": ", err));
    CNA_TRY(add_chance(out, s, err));
    return cna_buffer_add_text(out, "},\n", err);
}

/* ---- reading ---- */

static cna_status get_count(const json_t *object, const char *key, const char *source, int64_t low, size_t *out,
                            cna_error *err)
{
    int64_t value;
    CNA_TRY(cna_json_get_int(object, key, source, low, INT64_C(1) << 53, &value, err));
    *out = (size_t)value;
    return CNA_OK;
}

/* A number in 0 .. high. */
static cna_status get_number(const json_t *object, const char *key, const char *source, double high, double *out,
                             cna_error *err)
{
    *out = NAN; /* where the key is absent or null */
    CNA_TRY(cna_json_find_number(object, key, source, out, err));
    if (*out >= 0 && *out <= high) return CNA_OK;
    const char *range = high == 1 ? "from 0 to 1" : "of at least 0";
    if (isnan(*out)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected a number %s, found nothing", source, key, range);
    }
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key '%s': expected a number %s, found %g", source, key, range, *out);
}

static cna_status read_seed(const json_t *object, const char *source, uint64_t *out, cna_error *err)
{
    const char *text;
    CNA_TRY(cna_json_get_string(object, "seed", source, &text, err));
    errno = 0;
    *out = strtoull(text, NULL, 10);
    if (*text != '\0' && strspn(text, "0123456789") == strlen(text) && errno == 0) return CNA_OK;
    return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'seed': expected a whole number as a string, found '%s'", source,
                    text);
}

static cna_status read_point(const json_t *value, const char *source, cna_stability_point *out, cna_error *err)
{
    if (!json_is_object(value)) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'points': expected objects, found %s", source,
                        cna_json_type_name(value));
    }
    CNA_TRY(get_count(value, "k", source, 1, &out->k, err));
    for (size_t i = 0; i < N_POINT_NUMBERS; i++) {
        double *number = (double *)(void *)((char *)out + point_numbers[i].offset);
        CNA_TRY(get_number(value, point_numbers[i].key, source, 1, number, err));
    }
    return CNA_OK;
}

static cna_status read_stability(const json_t *object, const char *source, cna_circuit_statistics *out, cna_error *err)
{
    json_t *stability, *points;
    CNA_TRY(cna_json_find_object(object, "stability", source, &stability, err));
    if (stability == NULL) return CNA_OK;
    CNA_TRY(get_count(stability, "halvings", source, 1, &out->n_halvings, err));
    CNA_TRY(cna_json_get_array(stability, "points", source, &points, err));
    out->n_points = json_array_size(points);
    if (out->n_points > CNA_STABILITY_POINTS_MAX) {
        return cna_fail(err, CNA_ERR_FORMAT, "%s: key 'points': expected at most %d, found %zu", source,
                        CNA_STABILITY_POINTS_MAX, out->n_points);
    }
    for (size_t i = 0; i < out->n_points; i++)
        CNA_TRY(read_point(json_array_get(points, i), source, &out->points[i], err));
    return CNA_OK;
}

static cna_status read_chance(const json_t *object, const char *source, cna_circuit_statistics *out, cna_error *err)
{
    json_t *chance, *level;
    CNA_TRY(cna_json_find_object(object, "chance", source, &chance, err));
    if (chance == NULL) return CNA_OK;
    CNA_TRY(get_count(chance, "shuffles", source, 1, &out->n_shuffles, err));
    CNA_TRY(get_count(chance, "candidates", source, 0, &out->n_candidates, err));
    for (int score = 0; score < 3; score++) {
        cna_chance_level *to = &out->chance[score];
        CNA_TRY(cna_json_get_object(chance, cna_score_names[score], source, &level, err));
        CNA_TRY(get_number(level, "level", source, HUGE_VAL, &to->level, err));
        CNA_TRY(get_number(level, "largest", source, HUGE_VAL, &to->largest, err));
        CNA_TRY(get_count(level, "above", source, 0, &to->n_above, err));
        CNA_TRY(get_count(level, "circuit_above", source, 0, &to->n_circuit_above, err));
    }
    return CNA_OK;
}

cna_status cna_circuit_read_statistics(const json_t *root, const char *source, cna_circuit *circuit, cna_error *err)
{
    json_t *object;
    char place[600];
    CNA_TRY(cna_json_find_object(root, "statistics", source, &object, err));
    if (object == NULL) return CNA_OK;
    snprintf(place, sizeof place, "%.500s: statistics", source);
    CNA_TRY(read_seed(object, place, &circuit->statistics.seed, err));
    CNA_TRY(read_stability(object, place, &circuit->statistics, err));
    return read_chance(object, place, &circuit->statistics, err);
}

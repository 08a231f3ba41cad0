/* SPDX-License-Identifier: MIT
 * Tables of reports: every number is computed again from the rows by SQLite, with formulas of our own here for
 * intervals and tests. */
#include "report_fixture.h"
#include "report_page.h"
#include "run_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Wilson's interval as a centre and a half width. */
static void sql_rate(sqlite3_context *context, int n_values, sqlite3_value **values)
{
    (void)n_values;
    double count = sqlite3_value_double(values[0]), n = sqlite3_value_double(values[1]);
    char text[64] = "\xE2\x80\x93";
    if (n > 0) {
        const double z = 1.959964;
        double p = count / n, scale = 1 + z * z / n, centre = (p + z * z / (2 * n)) / scale;
        double half = z / scale * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
        snprintf(text, sizeof text, "%.1f%% [%.1f, %.1f]", 100 * p, fabs(100 * (centre - half)), 100 * (centre + half));
    }
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static void put_p(sqlite3_context *context, double p)
{
    char text[32];
    snprintf(text, sizeof text, p >= 0.0001 ? "%.4f" : "%.1e", p);
    sqlite3_result_text(context, text, -1, SQLITE_TRANSIENT);
}

static void sql_mcnemar(sqlite3_context *context, int n_values, sqlite3_value **values)
{
    (void)n_values;
    int b = sqlite3_value_int(values[0]), c = sqlite3_value_int(values[1]), least = b < c ? b : c;
    double p = 0, term = ldexp(2, -(b + c)); /* exact for the small numbers here, and so is their sum */
    for (int i = 0; i <= least; i++) {
        p += term;
        term *= (double)(b + c - i) / (i + 1);
    }
    put_p(context, b == c || p > 1 ? 1 : p);
}

static void sql_p(sqlite3_context *context, int n_values, sqlite3_value **values)
{
    (void)n_values;
    put_p(context, sqlite3_value_double(values[0]));
}

static sqlite3 *open_run(const report_fixture *s)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(s->run, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_create_function(db, "rate", 2, SQLITE_UTF8, NULL, sql_rate, NULL, NULL);
    sqlite3_create_function(db, "mcnemar", 2, SQLITE_UTF8, NULL, sql_mcnemar, NULL, NULL);
    sqlite3_create_function(db, "p4", 1, SQLITE_UTF8, NULL, sql_p, NULL, NULL);
    return db;
}

/* The table of the page has exactly the rows of a query, text by text; NULL is a dash. */
static void check_table(const report_fixture *s, const char *page, const char *name, const char *sql)
{
    report_grid grid = report_page_table(page, name);
    sqlite3 *db = open_run(s);
    sqlite3_stmt *rows;
    if (sqlite3_prepare_v2(db, sql, -1, &rows, NULL) != SQLITE_OK) fail_msg("%s: %s", name, sqlite3_errmsg(db));
    size_t at = 0;
    assert_int_equal(sqlite3_column_count(rows), grid.n_columns);
    while (sqlite3_step(rows) == SQLITE_ROW) {
        for (int column = 0; column < (int)grid.n_columns; column++, at++) {
            const char *expected = (const char *)sqlite3_column_text(rows, column);
            if (expected == NULL) expected = "\xE2\x80\x93";
            if (at >= grid.n_cells) fail_msg("%s: row %zu is not on the page", name, at / grid.n_columns);
            if (strcmp(grid.cells[at], expected) == 0) continue;
            fail_msg("%s: row %zu, column %d: expected '%s', found '%s'", name, at / grid.n_columns, column, expected,
                     grid.cells[at]);
        }
    }
    assert_true(at > 0);
    assert_int_equal(at, grid.n_cells);
    sqlite3_finalize(rows);
    sqlite3_close(db);
    report_grid_clear(&grid);
}

/* Every answer beside the untouched model's to the same prompt. */
#define ANSWERS                                                                                                        \
    " FROM generation AS g JOIN condition AS c ON c.id = g.condition JOIN prompt AS p ON p.id = g.prompt"              \
    " JOIN condition AS bc ON bc.part = c.part AND bc.method = 'none'"                                                 \
    " JOIN generation AS b ON b.condition = bc.id AND b.prompt = g.prompt"
#define SHARE(of) "printf('%.1f%%', 100.0 * sum(" of ") / count(*))"
#define LOST "sum(b.refused AND NOT g.refused)"
#define GAINED "sum(g.refused AND NOT b.refused)"
#define PERPLEXITY                                                                                                     \
    "(SELECT printf('%.3f', value) FROM figure WHERE figure.condition = c.id AND figure.name = 'perplexity')"
/* clang-format off */
#define MEASURES                                                                                                       \
    "rate(sum(g.refused), count(*)), " SHARE("g.outcome = 'incoherent'") ", " SHARE("g.outcome = 'refused'") ", "      \
    SHARE("g.outcome = 'complied'") ", printf('%.3f', avg(g.quality)), sum(g.n_words < 4), "                           \
    SHARE("g.ids <> b.ids") ", printf('%.1f', avg(g.n_tokens)), " LOST ", " GAINED ", mcnemar(" LOST ", " GAINED "), " \
    PERPLEXITY
/* clang-format on */
#define CNA_SETTING "CASE c.method WHEN 'none' THEN 'untouched' ELSE printf('m = %g', c.multiplier) END"
#define CAA_SETTING "CASE c.method WHEN 'none' THEN 'untouched' ELSE printf('alpha = %g', c.alpha) END"

static void test_sweep_tables(void **user)
{
    const report_fixture *s = *user;
    report_fixture_make_run(s, "study.sql", NULL);
    char *page = report_fixture_write(s);
    check_table(s, page, "cna",
                "SELECT " CNA_SETTING ", printf('%g', 1 - c.multiplier), " MEASURES ANSWERS
                " WHERE p.side = 'harmful' AND c.method IN ('none', 'cna') AND c.part IN (2, 4, 5)"
                " GROUP BY c.id ORDER BY c.part, c.multiplier");
    check_table(s, page, "caa",
                "SELECT " CAA_SETTING ", " MEASURES ANSWERS " WHERE p.side = 'harmful' AND c.method IN ('none', 'caa')"
                " AND c.part = 2 GROUP BY c.id ORDER BY ifnull(c.alpha, 0)");
    check_table(s, page, "k",
                "SELECT c.k, " MEASURES ANSWERS " WHERE p.side = 'harmful' AND c.method = 'cna' AND c.part = 3"
                " GROUP BY c.id ORDER BY c.k");
#define BENIGN                                                                                                         \
    "rate(sum(g.refused), count(*)), " SHARE("g.outcome = 'incoherent'") ", " SHARE(                                   \
        "g.outcome = 'complied'") ", printf('%.3f', avg(g.quality)), " SHARE("g.ids <> b.ids") ", printf('%.4f', "     \
                                                                                               "avg(g.kl)), " LOST     \
                                                                                               ", " GAINED             \
                                                                                               ", mcnemar(" LOST       \
                                                                                               ", " GAINED ")"
    check_table(s, page, "benign",
                "SELECT * FROM (SELECT " CNA_SETTING ", " BENIGN ANSWERS " WHERE p.side = 'benign' AND c.part = 2"
                " AND c.method IN ('none', 'cna') GROUP BY c.id ORDER BY c.multiplier)"
                " UNION ALL SELECT * FROM (SELECT " CAA_SETTING ", " BENIGN ANSWERS " WHERE p.side = 'benign'"
                " AND c.part = 2 AND c.method IN ('none', 'caa') GROUP BY c.id ORDER BY ifnull(c.alpha, 0))"
                " UNION ALL SELECT * FROM (SELECT " CNA_SETTING ", " BENIGN ANSWERS " WHERE p.side = 'benign'"
                " AND c.part IN (4, 5) GROUP BY c.id ORDER BY c.part, c.multiplier)");
    cna_free(page);
}

/* The refusal rate of each control, beside that of the circuit and of the untouched model. */
#define CONTROLS                                                                                                       \
    "WITH rates AS (SELECT c.id AS id, c.method AS method, c.kind AS kind, c.multiplier AS m, avg(g.refused) AS rate"  \
    " FROM generation AS g JOIN condition AS c ON c.id = g.condition JOIN prompt AS p ON p.id = g.prompt"              \
    " WHERE c.part = 2 AND p.side = 'harmful' GROUP BY c.id),"                                                         \
    " held AS (SELECT r.kind AS kind, r.m AS m, r.rate AS rate, (SELECT rate FROM rates WHERE method = 'cna' AND"      \
    " m = r.m) AS own, (SELECT rate FROM rates WHERE method = 'none') AS base FROM rates AS r WHERE r.method ="        \
    " 'control')"
#define CONTROL_P "p4((1.0 + sum(abs(rate - base) >= abs(own - base) - 1e-9)) / (1 + count(*)))"

static void test_summary_and_controls(void **user)
{
    const report_fixture *s = *user;
    report_fixture_make_run(s, "study.sql", NULL);
    char *page = report_fixture_write(s);
    check_table(s, page, "controls",
                CONTROLS " SELECT kind, printf('m = %g', m), printf('%.1f%%', 100 * own), count(*),"
                         " printf('%.1f%%', 100 * avg(rate)), printf('%.1f%%', 100 * min(rate)), printf('%.1f%%', 100 "
                         "* max(rate))," CONTROL_P " FROM held GROUP BY kind, m ORDER BY kind DESC, m");
#define OF_CONTROLS(kind)                                                                                              \
    "CASE c.part WHEN 2 THEN (" CONTROLS " SELECT " CONTROL_P " FROM held WHERE m = 0 AND kind = '" kind "') END"
    check_table(s, page, "summary",
                "SELECT m.name, part.role, c.circuit, c.k, '0', rate(sum(b.refused), count(*)),"
                " rate(sum(g.refused), count(*)),"
                " printf('%.1f%%', 100.0 * (sum(g.refused) - sum(b.refused)) / sum(b.refused))," SHARE(
                    "g.outcome = 'incoherent'") ", printf('%.3f', avg(b.quality)), printf('%.3f', avg(g.quality)),"
                                                " mcnemar(" LOST ", " GAINED
                                                "), " OF_CONTROLS("matched") ", " OF_CONTROLS("uniform") ANSWERS
                " JOIN part ON part.id = c.part JOIN model AS m ON m.id = part.model"
                " WHERE p.side = 'harmful' AND c.method = 'cna' AND c.multiplier = 0 AND c.part <> 3 GROUP BY c.id"
                " ORDER BY c.part");
    check_table(s, page, "leak",
                "SELECT m.name, part.role, '0', count(*), sum(p.discovery), rate(sum(b.refused), count(*)),"
                " rate(sum(g.refused), count(*)), rate(sum(b.refused AND NOT p.discovery), sum(NOT p.discovery)),"
                " rate(sum(g.refused AND NOT p.discovery), sum(NOT p.discovery))" ANSWERS
                " JOIN part ON part.id = c.part JOIN model AS m ON m.id = part.model"
                " WHERE p.side = 'harmful' AND c.method = 'cna' AND c.multiplier = 0 AND c.part <> 3 GROUP BY c.id"
                " ORDER BY c.part");
    cna_free(page);
}

/* Refusal in a category under the condition of a part that `which` picks. */
#define IN_CATEGORY(which)                                                                                             \
    "(SELECT rate(sum(g.refused), count(*)) FROM generation AS g JOIN condition AS c ON c.id = g.condition JOIN "      \
    "prompt"                                                                                                           \
    " AS p ON p.id = g.prompt WHERE c.part = q.part AND p.side = 'harmful' AND p.category = q.category AND " which     \
    " HAVING count(*) > 0)"

static void test_other_tables(void **user)
{
    const report_fixture *s = *user;
    report_fixture_make_run(s, "study.sql", NULL);
    char *page = report_fixture_write(s);
    /* clang-format off */
    check_table(s, page, "categories",
                "SELECT q.category, " IN_CATEGORY("c.method = 'none'") ", "
                IN_CATEGORY("c.method = 'cna' AND c.multiplier = 0") ", "
                IN_CATEGORY("c.method = 'cna' AND c.multiplier = 2") ", " IN_CATEGORY("c.alpha = -4") ", "
                IN_CATEGORY("c.alpha = 4") " FROM prompt AS q WHERE q.part IN (2, 4, 5) AND q.category IS NOT NULL"
                " GROUP BY q.part, q.category ORDER BY q.part, min(q.position)");
#define CHOSEN                                                                                                         \
    " FROM choice AS x JOIN question AS q ON q.id = x.question JOIN condition AS c ON c.id = x.condition"              \
    " JOIN condition AS bc ON bc.part = c.part AND bc.method = 'none'"                                                 \
    " JOIN choice AS b ON b.condition = bc.id AND b.question = q.id"
#define RIGHT(of) "(" of ".chosen = q.answer)"
#define BOTH(right, wrong) "sum(" RIGHT(right) " AND NOT " RIGHT(wrong) ")"
#define ACCURACY                                                                                                       \
    "printf('%g', c.multiplier), rate(sum" RIGHT("x") ", count(*)), count(*), " SHARE("x.chosen <> b.chosen") ", "     \
    BOTH("b", "x") ", " BOTH("x", "b") ", mcnemar(" BOTH("b", "x") ", " BOTH("x", "b") ")"
    /* clang-format on */
    /* Anatomy is of the group stem in lm-evaluation-harness, as algebra is. */
    check_table(s, page, "mmlu",
                "SELECT * FROM (SELECT 'mmlu', " ACCURACY CHOSEN " GROUP BY c.id ORDER BY c.multiplier) UNION ALL"
                " SELECT * FROM (SELECT 'stem', " ACCURACY CHOSEN
                " WHERE q.subject <> 'sociology' GROUP BY c.id ORDER BY"
                " c.multiplier) UNION ALL SELECT * FROM (SELECT 'social_sciences', " ACCURACY CHOSEN
                " WHERE q.subject = 'sociology' GROUP BY c.id ORDER BY c.multiplier)");
    check_table(s, page, "mmlu_subjects",
                "SELECT q.subject, " ACCURACY CHOSEN " GROUP BY q.subject, c.id ORDER BY q.subject, c.multiplier");
#define MEAN(of) "(SELECT printf('%.2f', avg(" of ")) WHERE count(" of ") > 0)"
    check_table(s, page, "judge",
                "SELECT CASE c.method WHEN 'none' THEN 'none' ELSE 'CNA' END, " CNA_SETTING
                ", sum(j.status = 'scored'),"
                " sum(j.status = 'malformed'), sum(j.status = 'failed'), printf('%.3f', avg(j.score)),"
                " rate(sum(j.refused), count(j.refused)), printf('%.2f', avg(j.convincing)),"
                " printf('%.2f', avg(j.specific)), NULL FROM judgement AS j JOIN generation AS g ON g.id = j.generation"
                " JOIN condition AS c ON c.id = g.condition GROUP BY c.id ORDER BY c.position");
    check_table(s, page, "labels",
                "SELECT labeller, sum(l AND p), sum(NOT l AND NOT p), sum(NOT l AND p), sum(l AND NOT p),"
                " rate(sum(l = p), count(*)) FROM (SELECT labeller, max(label.refused) AS l, max(g.refused) AS p"
                " FROM label JOIN generation AS g ON g.id = label.generation GROUP BY labeller, g.prompt, g.text)"
                " GROUP BY labeller");
    check_table(s, page, "overlap",
                "SELECT 'tiny-instruct: refusal.json', 'tiny-base: base.json', 8, 8, sum(common), '37.5%', '37.5%',"
                " printf('%.4f', sum(common) / (16.0 - sum(common))) FROM (SELECT"
                " EXISTS (SELECT 1 FROM circuit AS o, json_each(o.json, '$.neurons') AS m WHERE o.part = 4 AND"
                " m.value ->> 'layer' = n.value ->> 'layer' AND m.value ->> 'neuron' = n.value ->> 'neuron') AS common"
                " FROM circuit, json_each(circuit.json, '$.neurons') AS n WHERE circuit.part = 1)");
    check_table(s, page, "neurons",
                "SELECT n.key + 1, n.value ->> 'layer', n.value ->> 'neuron', printf('%.4f', n.value ->> 'delta'),"
                " printf('%.4f', n.value ->> 'mean_positive'), printf('%.4f', n.value ->> 'mean_negative'),"
                " printf('%.2f', n.value ->> 'd'), printf('%.4f', n.value ->> 'write')"
                " FROM circuit, json_each(circuit.json, '$.neurons') AS n WHERE circuit.part IN (1, 4)"
                " ORDER BY circuit.part, n.key");
    check_table(s, page, "profile",
                "WITH layers (layer) AS (VALUES (0), (1), (2), (3)) SELECT layer, count(n.key),"
                " printf('%.1f%%', 100.0 * count(n.key) / 8) FROM circuit, layers LEFT JOIN"
                " json_each(circuit.json, '$.neurons') AS n ON n.value ->> 'layer' = layer"
                " WHERE circuit.part IN (1, 4) GROUP BY circuit.part, layer ORDER BY circuit.part, layer");
    check_table(s, page, "stability",
                "SELECT p.value ->> 'k', printf('%.3f', p.value ->> 'mean'), printf('%.3f', p.value ->> 'min'),"
                " printf('%.3f', p.value ->> 'p5'), printf('%.3f', p.value ->> 'p25'),"
                " printf('%.3f', p.value ->> 'p50'), printf('%.3f', p.value ->> 'p75'),"
                " printf('%.3f', p.value ->> 'p95'), printf('%.3f', p.value ->> 'max'),"
                " json_extract(circuit.json, '$.statistics.stability.halvings')"
                " FROM circuit, json_each(circuit.json, '$.statistics.stability.points') AS p WHERE part = 1"
                " ORDER BY p.key");
    check_table(s, page, "chance",
                "SELECT c.key, printf('%.4f', c.value ->> 'level'), printf('%.4f', c.value ->> 'largest'),"
                " c.value ->> 'above', c.value ->> 'circuit_above',"
                " json_extract(circuit.json, '$.statistics.chance.candidates'),"
                " json_extract(circuit.json, '$.statistics.chance.shuffles')"
                " FROM circuit, json_each(circuit.json, '$.statistics.chance') AS c WHERE part = 1"
                " AND c.type = 'object' ORDER BY c.id");
    check_table(s, page, "files", "SELECT file.role, path, n_bytes, sha256 FROM file ORDER BY part, path");
    check_table(s, page, "parts",
                "SELECT part.id, (SELECT file FROM pragma_database_list), command, name, role, started, ended, (SELECT "
                "count(*) FROM generation AS g JOIN"
                " condition AS c ON c.id = g.condition WHERE c.part = part.id) + (SELECT count(*) FROM choice AS x JOIN"
                " condition AS c ON c.id = x.condition WHERE c.part = part.id), NULL, seed, date,"
                " json_extract(config, '$.chat_options'), version,"
                " 'cpu test processor; n_threads 2' FROM part JOIN model ON model.id = part.model ORDER BY part.id");
    cna_free(page);
}

static void test_minimal(void **user)
{
    const report_fixture *s = *user;
    report_fixture_make_run(s, "minimal.sql", NULL);
    char *page = report_fixture_write(s);
    report_check_markup(page, true);
    /* No outcome is known yet, and there is nothing to hold the change against. */
    check_table(
        s, page, "cna",
        "VALUES ('m = 0', '1', rate(0, 1), NULL, NULL, NULL, '1.000', 1, '100.0%', '0.0', 1, 0, '1.0000', NULL),"
        " ('untouched', '0', rate(1, 1), NULL, NULL, NULL, '1.000', 1, '0.0%', '1.0', 0, 0, '1.0000', NULL)");
    assert_non_null(strstr(page, "No random circuits were run."));
    assert_null(strstr(page, "can be put down to these neurons"));
    assert_non_null(strstr(page, "Not all of the run is finished"));
    assert_non_null(strstr(page, "cna judge --run RUN.db"));
    assert_non_null(strstr(page, "undecided"));
    cna_free(page);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, report_fixture_set_up, report_fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_sweep_tables), TEST(test_summary_and_controls), TEST(test_other_tables), TEST(test_minimal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT
 * Sweeps that are kept in a run file: cut short and continued, shown again, refused; and answers that people label.
 * tests/kill.sh kills the program itself. */
#include "run_fixture.h"
#include "sweep_fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Everything of a file that a sweep decides, in an order of its own: no row numbers, times or paths. */
static const char everything[] =
    "SELECT group_concat(line, char(10)) FROM ("
    " SELECT 'condition ' || quote(position) || quote(method) || quote(circuit) || quote(k) || quote(kind) ||"
    "  quote(control_seed) || quote(multiplier) || quote(multipliers) || quote(alpha) || quote(layer) AS line"
    "  FROM condition"
    " UNION ALL SELECT 'prompt ' || side || position || quote(text) || quote(category) || sha256 || quote(discovery)"
    "  FROM prompt"
    " UNION ALL SELECT 'circuit ' || label || sha256 FROM circuit"
    " UNION ALL SELECT 'figure ' || quote(c.position) || name || quote(value) || quote(detail)"
    "  FROM figure LEFT JOIN condition c ON c.id = figure.condition"
    " UNION ALL SELECT 'answer ' || c.position || p.side || p.position || quote(ids) || quote(g.text) || n_tokens ||"
    "  n_words || stop || refused || quote(quality) || quote(mean_logprob) || quote(outcome) || quote(kl)"
    "  FROM generation g JOIN condition c ON c.id = g.condition JOIN prompt p ON p.id = g.prompt"
    " ORDER BY line)";

typedef struct scratch {
    char *folder, *path;
} scratch;

static scratch make_scratch(const char *name)
{
    scratch s = {.folder = support_folder_create()};
    s.path = support_path(s.folder, name);
    return s;
}

static void clear(scratch *s)
{
    cna_free(s->path);
    support_folder_remove(s->folder);
}

static const char text[] = "Dip a flat brush into the blue paint. "
                           "Let the chair dry in the sun, and paint it once more.";

/* Everything that a sweep can do at once, but for what excludes something. */
static cna_sweep_options full_options(const sweep_fixture *f)
{
    static const double alphas[] = {-1, 1};
    static const size_t ks[] = {5, 20};
    cna_sweep_options options = sweep_fixture_options(f, 2);
    options.alphas = (cna_numbers){alphas, 2};
    options.k_list = ks;
    options.n_k = 2;
    options.cross_fit = 2;
    options.positive = f->positive;
    options.negative = f->negative;
    options.perplexity = text;
    options.perplexity_bytes = strlen(text);
    return options;
}

/* Counts what is reported, and cancels at one of them; 0: never. */
typedef struct ticks {
    size_t n, cancel_at;
} ticks;

static bool tick(void *user, const char *what, size_t done, size_t total)
{
    ticks *c = user;
    (void)what;
    assert_true(done <= total);
    return ++c->n == c->cancel_at;
}

static cna_status run_into(const sweep_fixture *f, const char *path, cna_sweep_options options, ticks *counter,
                           cna_sweep **out, cna_error *err)
{
    cna_run *run;
    cna_sweep *sweep = NULL;
    options.progress = (cna_progress){.report = tick, .user = counter};
    CNA_TRY(cna_run_open(path, NULL, &run, err));
    options.run = run;
    cna_status status = cna_sweep_run(f->model, f->positive, &options, &sweep, err);
    if (out != NULL) *out = sweep; else cna_sweep_free(sweep);
    cna_run_free(run);
    return status;
}

/* Cut short at every place in turn where the caller may, each time going on from what is there. */
static void test_continue(void **state)
{
    const sweep_fixture *f = *state;
    cna_error err;
    scratch whole = make_scratch("whole.db"), pieces = make_scratch("pieces.db");
    cna_sweep_options options = full_options(f);
    ticks count = {0};
    size_t n_cuts = 0;
    assert_ok(run_into(f, whole.path, options, &count, NULL, &err));
    for (ticks at = {.cancel_at = 1};; at = (ticks){.cancel_at = at.cancel_at + 3}) {
        options.batch = 1 + n_cuts % 7; /* decides nothing */
        cna_status status = run_into(f, pieces.path, options, &at, NULL, &err);
        if (status == CNA_OK) break;
        assert_int_equal(status, CNA_ERR_CANCELLED);
        n_cuts++;
        assert_true(n_cuts < 10 * count.n);
    }
    assert_true(n_cuts > 5);
    char *expected = run_fixture_text(whole.path, everything), *found = run_fixture_text(pieces.path, everything);
    assert_string_equal(found, expected);
    assert_int_equal(run_fixture_count(pieces.path, "SELECT count(*) FROM part WHERE ended IS NOT NULL"), 1);
    assert_int_equal(run_fixture_count(pieces.path, "SELECT count(*) FROM generation WHERE outcome IS NULL"),
                     run_fixture_count(pieces.path, "SELECT count(*) FROM generations WHERE method = 'control'"));
    assert_int_equal(run_fixture_count(pieces.path, "SELECT count(*) FROM circuit"), 1 + 2 + 2);
    free(expected);
    free(found);
    clear(&whole);
    clear(&pieces);
}

/* A sweep that has ended is read and not run: the same figures, no work, not a byte changed. */
static void test_again(void **state)
{
    const sweep_fixture *f = *state;
    cna_error err;
    scratch s = make_scratch("run.db");
    ticks first = {0}, second = {0};
    const cna_sweep_options options = full_options(f);
    cna_sweep *a = NULL, *b = NULL;
    assert_ok(run_into(f, s.path, options, &first, &a, &err));
    assert_ok(run_into(f, s.path, options, &second, &b, &err));
    assert_true(first.n > 0);
    assert_int_equal(second.n, 0);
    size_t n_a, n_b;
    const cna_sweep_point *x = cna_sweep_points(a, &n_a), *y = cna_sweep_points(b, &n_b);
    assert_int_equal(n_a, 2 * (1 + 2 * 2 + 2));
    assert_int_equal(n_a, n_b);
    for (size_t i = 0; i < n_a; i++) {
        assert_int_equal(x[i].refused.count, y[i].refused.count);
        assert_int_equal(x[i].n_changed, y[i].n_changed);
        assert_true(x[i].perplexity == y[i].perplexity);
        assert_true(x[i].kl == y[i].kl || (isnan(x[i].kl) && isnan(y[i].kl)));
        assert_true(x[i].control[1].p == y[i].control[1].p);
    }
    assert_true(cna_sweep_get_info(a)->min_logprob == cna_sweep_get_info(b)->min_logprob);
    assert_int_equal(cna_sweep_get_info(b)->cross_fit, 2);
    cna_sweep_free(a);
    cna_sweep_free(b);
    clear(&s);
}

/* What decides results is the same or refused; what does not may change. */
static void test_other_configurations(void **state)
{
    const sweep_fixture *f = *state;
    cna_error err;
    scratch s = make_scratch("run.db");
    ticks c = {0};
    const cna_sweep_options usual = sweep_fixture_options(f, 1);
    const double other[] = {0, 3};
    const cna_numbers other_list = {other, 2};
    assert_ok(run_into(f, s.path, usual, &c, NULL, &err));
    cna_sweep_options changed[12];
    size_t n = sizeof changed / sizeof *changed;
    for (size_t i = 0; i < n; i++) changed[i] = usual;
    changed[0].multipliers = &other_list;
    changed[1].max_tokens = 7;
    changed[2].n_controls = 2;
    changed[3].seed = 1;
    changed[4].positions = CNA_POSITIONS_LAST;
    changed[5].sign = CNA_SIGN_PLUS;
    changed[6].patterns = "sorry\n";
    changed[7].min_quality = 0.5;
    changed[8].no_logprob_limit = true;
    changed[9].benign = NULL;
    changed[10].format.system = "Be brief.";
    changed[11].format.mode = CNA_FORMAT_RAW;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(run_into(f, s.path, changed[i], &c, NULL, &err), CNA_ERR_MISMATCH);
        assert_non_null(strstr(err.text, "expected the configuration of its sweep, found another"));
    }
    cna_sweep_options same = usual;
    same.batch = 3;
    assert_ok(run_into(f, s.path, same, &c, NULL, &err));
    assert_int_equal(run_fixture_count(s.path, "SELECT count(*) FROM part"), 1);

    /* Unless the run is opened to take several. */
    cna_run *run;
    const cna_run_open_options append = {.append = true};
    assert_ok(cna_run_open(s.path, &append, &run, &err));
    changed[0].run = run;
    cna_sweep *out;
    assert_ok(cna_sweep_run(f->model, f->positive, &changed[0], &out, &err));
    cna_sweep_free(out);
    cna_run_free(run);
    assert_int_equal(run_fixture_count(s.path, "SELECT count(*) FROM part WHERE ended IS NOT NULL"), 2);
    clear(&s);
}

/* A sweep that cannot begin leaves nothing behind that another would stumble over. */
static void test_not_begun(void **state)
{
    const sweep_fixture *f = *state;
    cna_error err;
    scratch s = make_scratch("run.db");
    ticks c = {0};
    cna_circuit *whole;
    const cna_attribute_options all = {.fraction = 1, .no_universal = true};
    assert_ok(cna_attribute(f->model, f->positive, f->negative, &all, &whole, &err));
    cna_sweep_options options = sweep_fixture_options(f, 1);
    options.circuits = (const cna_circuit *const *)&whole;
    assert_int_equal(run_into(f, s.path, options, &c, NULL, &err), CNA_ERR_MISMATCH); /* no neuron is left for a
                                                                                       * control */
    assert_int_equal(run_fixture_count(s.path, "SELECT count(*) FROM part"), 0);
    assert_ok(run_into(f, s.path, sweep_fixture_options(f, 1), &c, NULL, &err));
    cna_circuit_free(whole);
    clear(&s);
}

/* What the file says is not believed: figures that are no counts, and what prompts became when the part was begun. */
static void test_changed_figures(void **state)
{
    const sweep_fixture *f = *state;
    static const struct {
        const char *sql, *message;
        cna_status status;
    } cases[] = {
        {"UPDATE figure SET value = -1 WHERE name = 'cross_fit'", "figure 'cross_fit': expected a count, found -1",
         CNA_ERR_FORMAT},
        {"UPDATE figure SET value = NULL WHERE name = 'cross_fit'", "expected a count, found nan", CNA_ERR_FORMAT},
        {"UPDATE figure SET value = 1e300 WHERE name = 'perplexity' AND condition IS NULL", "expected a count",
         CNA_ERR_FORMAT},
        {"INSERT INTO condition (part, position, method, multiplier) VALUES (1, 3, 'none', 1)",
         "expected 3 conditions", CNA_ERR_FORMAT},
        {"UPDATE part SET ended = NULL; INSERT INTO condition (part, position, method, multiplier)"
         " VALUES (1, 3, 'none', 1)", "expected 3 conditions", CNA_ERR_FORMAT},
        {"UPDATE part SET ended = NULL; INSERT INTO prompt (part, side, position, text, sha256) SELECT part, side,"
         " count(*), text, sha256 FROM prompt GROUP BY part, side", "prompts in this part", CNA_ERR_FORMAT},
        {"UPDATE figure SET detail = '\"00\"' WHERE name = 'inputs'",
         "the tokenizer, chat template or config.json in the model's folder has changed", CNA_ERR_MISMATCH},
    };
    cna_sweep_options options = sweep_fixture_options(f, 0);
    options.perplexity = text;
    options.perplexity_bytes = strlen(text);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cna_error err;
        scratch s = make_scratch("run.db");
        ticks c = {0};
        assert_ok(run_into(f, s.path, options, &c, NULL, &err));
        run_fixture_execute(s.path, cases[i].sql);
        assert_int_equal(run_into(f, s.path, options, &c, NULL, &err), cases[i].status);
        if (strstr(err.text, cases[i].message) == NULL) fail_msg("found '%s'", err.text);
        clear(&s);
    }
}

/* ---- labels ---- */

/* Fill in the verdicts of a .tsv of labels: refused where the answer says "sorry" or "Sorry", but for every third
 * line, where the person is of another mind, and every fifth, which is left alone. Returns lines that got a verdict.
 *   wrong  of these, that differ from "sorry" */
static size_t fill_in(const char *path, size_t *wrong)
{
    char *all = support_read(path, NULL), *out = malloc(2 * strlen(all) + 1);
    size_t n = 0, labelled = 0, at = 0;
    *wrong = 0;
    for (char *line = all, *end; (end = strchr(line, '\n')) != NULL; line = end + 1, n++) {
        *end = '\0';
        at += (size_t)sprintf(out + at, "%s", line);
        bool refused = strstr(line, "orry") != NULL;
        if (n != 0 && n % 5 != 0) {
            labelled++;
            *wrong += n % 3 == 0;
            at += (size_t)sprintf(out + at, "%s", refused == (n % 3 != 0) ? "yes" : "0");
        }
        at += (size_t)sprintf(out + at, "\r\n");
    }
    support_write(path, out, at);
    free(out);
    cna_free(all);
    return labelled;
}

static void test_labels(void **state)
{
    const sweep_fixture *f = *state;
    cna_error err;
    scratch s = make_scratch("run.db");
    char *tsv = support_path(s.folder, "ann.tsv"), *again = support_path(s.folder, "again.tsv");
    char *jsonl = support_path(s.folder, "bob.jsonl");
    cna_run *run;
    cna_sweep *sweep;
    const cna_sweep_agreement *agreement;
    cna_sweep_options options = sweep_fixture_options(f, 1);
    options.max_tokens = 30;
    options.patterns = "sorry\n";
    assert_ok(cna_run_open(s.path, NULL, &run, &err));
    options.run = run;
    assert_ok(cna_sweep_run(f->model, f->positive, &options, &sweep, &err));
    assert_ok(cna_sweep_write_labels(sweep, tsv, 1, &err));
    assert_ok(cna_sweep_write_labels(sweep, again, 1, &err));
    char *first = support_read(tsv, NULL), *second = support_read(again, NULL);
    assert_string_equal(first, second);
    assert_ok(cna_sweep_write_labels(sweep, again, 2, &err));
    char *other = support_read(again, NULL);
    assert_string_not_equal(first, other);
    assert_int_equal(strlen(first), strlen(other));
    size_t n_lines = 0, wrong;
    for (const char *c = first; *c != '\0'; c++) n_lines += *c == '\n';
    int64_t n_different = run_fixture_count(s.path, "SELECT count(DISTINCT prompt || text) FROM generations"
                                                    " WHERE method <> 'control'");
    assert_int_equal(n_lines, n_different + 1);
    assert_null(strstr(first, "cna"));

    size_t labelled = fill_in(tsv, &wrong);
    assert_ok(cna_sweep_read_labels(sweep, tsv, &agreement, &err));
    assert_int_equal(agreement->n, labelled);
    assert_int_equal(agreement->n_false_positive + agreement->n_false_negative, wrong);
    assert_true(fabs(agreement->accuracy - (double)(labelled - wrong) / (double)labelled) < 1e-15);
    size_t n_points, n = 0, refused = 0;
    (void)cna_sweep_points(sweep, &n_points);
    assert_int_equal(agreement->n_points, n_points);
    for (size_t i = 0; i < n_points; i++) {
        n += agreement->refused[i].n;
        refused += agreement->refused[i].count;
    }
    assert_int_equal(run_fixture_count(s.path, "SELECT count(*) FROM label WHERE labeller = 'ann.tsv'"), n);
    assert_int_equal(run_fixture_count(s.path, "SELECT sum(refused) FROM label"), refused);
    assert_true(n > labelled); /* answers that the circuit did not change have the label of the untouched one */

    assert_ok(cna_sweep_write_labels(sweep, jsonl, 1, &err));
    assert_ok(cna_sweep_read_labels(sweep, jsonl, &agreement, &err));
    assert_int_equal(agreement->n, 0); /* every verdict is null */
    assert_true(isnan(agreement->accuracy) && isnan(agreement->kappa));
    char line[200];
    int n_bytes = snprintf(line, sizeof line, "{\"id\":\"%.16s\",\"refused\":true}\n", strchr(first, '\n') + 1);
    support_write(jsonl, line, (size_t)n_bytes);
    assert_ok(cna_sweep_read_labels(sweep, jsonl, &agreement, &err));
    assert_int_equal(agreement->n, 1);
    assert_int_equal(agreement->n_both + agreement->n_false_negative, 1);
    cna_free(first);
    cna_free(second);
    cna_free(other);
    cna_sweep_free(sweep);
    cna_run_free(run);
    cna_free(tsv);
    cna_free(again);
    cna_free(jsonl);
    clear(&s);
}

static void test_bad_labels(void **state)
{
    const sweep_fixture *f = *state;
    cna_error err;
    scratch s = make_scratch("l.tsv");
    char *jsonl = support_path(s.folder, "l.jsonl");
    const cna_sweep_agreement *agreement = NULL;
    const cna_sweep_options options = sweep_fixture_options(f, 0);
    cna_sweep *sweep = sweep_fixture_run(f, f->positive, &options);
    static const char *const bad[][3] = {
        {"l.tsv", "number\trefused\n", "line 1: expected a header with the columns id and refused, found another"},
        {"l.tsv", "\nnumber\trefused\n", "line 2: expected a header with the columns id and refused, found another"},
        {"l.tsv", "\nid\trefused\n0123456789abcdef\t1\n", "line 3: expected an answer of this sweep"},
        {"l.tsv", "id\trefused\n0123456789abcdef\t1\n",
         "line 2: expected an answer of this sweep, found the id '0123456789abcdef' of none"},
        {"l.tsv", "refused\tid\nmaybe\t0123\n",
         "line 2: expected 1, 0, yes, no or nothing under 'refused', found 'maybe'"},
        {"l.tsv", "refused\tid\n1\n", "line 2: expected an id, found none"},
        {"l.jsonl", "\n{\"id\":\"x\",\"refused\":3}\n",
         "line 2: expected true, false or null under 'refused', found a number"},
        {"l.jsonl", "{\"refused\":true}\n", "line 1: key 'id': expected a string, found nothing"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *path = strcmp(bad[i][0], "l.tsv") == 0 ? s.path : jsonl;
        support_write(path, bad[i][1], strlen(bad[i][1]));
        assert_int_not_equal(cna_sweep_read_labels(sweep, path, &agreement, &err), CNA_OK);
        if (strstr(err.text, bad[i][2]) == NULL) fail_msg("expected '%s', found '%s'", bad[i][2], err.text);
    }
    assert_int_equal(cna_sweep_read_labels(sweep, "labels.txt", &agreement, &err), CNA_ERR_ARG);
    assert_int_equal(cna_sweep_write_labels(sweep, "labels", 0, &err), CNA_ERR_ARG);
    assert_null(agreement);
    cna_sweep_free(sweep);
    cna_free(jsonl);
    clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_continue),  cmocka_unit_test(test_again), cmocka_unit_test(test_other_configurations),
        cmocka_unit_test(test_not_begun), cmocka_unit_test(test_changed_figures), cmocka_unit_test(test_labels),
        cmocka_unit_test(test_bad_labels),
    };
    return cmocka_run_group_tests_name("sweep runs", tests, sweep_fixture_set_up, sweep_fixture_tear_down);
}

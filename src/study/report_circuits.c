/* SPDX-License-Identifier: MIT
 * Circuits: where their neurons lie, what they have in common, the neurons themselves; figures of attributions. */
#include <math.h>
#include <string.h>

#include "method/circuit.h"
#include "study/report_page.h"

enum {
    SHOWN_NEURONS = 15,  /* of each circuit on the page */
    MAX_NEURONS = 10000, /* in CSV: a circuit file may hold every neuron of a model */
};

static const cna_column circuit_columns[] = {
    {"circuit", "circuit", CNA_CELL_TEXT, 0, false, false},
    {"role", "role", CNA_CELL_TEXT, 0, false, true},
    {"preset", "preset", CNA_CELL_TEXT, 0, false, false},
    {"score", "score", CNA_CELL_TEXT, 0, false, false},
    {"k", "neurons", CNA_CELL_COUNT, 0, false, false},
    {"n_layers", "layers", CNA_CELL_COUNT, 0, false, false},
    {"last_three", "in last three layers", CNA_CELL_SHARE, 0, false, false},
    {"last_tenth", "in last tenth", CNA_CELL_SHARE, 0, false, false},
    {"last_quarter", "in last quarter", CNA_CELL_SHARE, 0, false, false},
    {"n_universal", "universal left out", CNA_CELL_COUNT, 0, false, false},
    {"n_positive", "positive", CNA_CELL_COUNT, 0, false, false},
    {"n_negative", "negative", CNA_CELL_COUNT, 0, false, false},
    {"sha256", "SHA-256", CNA_CELL_CODE, 0, false, true},
    {0},
};

static const cna_column profile_columns[] = {
    {"circuit", "circuit", CNA_CELL_TEXT, 0, true, false},
    {"layer", "layer", CNA_CELL_COUNT, 0, false, false},
    {"neurons", "neurons", CNA_CELL_COUNT, 0, false, false},
    {"share", "share", CNA_CELL_SHARE, 0, false, false},
    {0},
};

static const cna_column overlap_columns[] = {
    {"a", "A", CNA_CELL_TEXT, 0, false, false},
    {"b", "B", CNA_CELL_TEXT, 0, false, false},
    {"n_a", "neurons of A", CNA_CELL_COUNT, 0, false, false},
    {"n_b", "neurons of B", CNA_CELL_COUNT, 0, false, false},
    {"n_common", "in both", CNA_CELL_COUNT, 0, false, false},
    {"share_of_a", "of A", CNA_CELL_SHARE, 0, false, false},
    {"share_of_b", "of B", CNA_CELL_SHARE, 0, false, false},
    {"jaccard", "Jaccard", CNA_CELL_REAL, 4, false, false},
    {0},
};

static const cna_column neuron_columns[] = {
    {"circuit", "circuit", CNA_CELL_TEXT, 0, true, false},
    {"rank", "rank", CNA_CELL_COUNT, 0, false, false},
    {"layer", "layer", CNA_CELL_COUNT, 0, false, false},
    {"neuron", "neuron", CNA_CELL_COUNT, 0, false, false},
    {"delta", "delta", CNA_CELL_REAL, 4, false, false},
    {"mean_positive", "mean positive", CNA_CELL_REAL, 4, false, false},
    {"mean_negative", "mean negative", CNA_CELL_REAL, 4, false, false},
    {"d", "d", CNA_CELL_REAL, 2, false, false},
    {"write", "write", CNA_CELL_REAL, 4, false, false},
    {0},
};

static const cna_column figure_columns[] = {
    CNA_REPORT_PART_COLUMNS,
    {"command", "command", CNA_CELL_TEXT, 0, true, false},
    {"setting", "setting", CNA_CELL_TEXT, 0, false, false},
    {"name", "figure", CNA_CELL_TEXT, 0, false, false},
    {"value", "value", CNA_CELL_REAL, -6, false, false},
    {"detail", "detail", CNA_CELL_CODE, 0, false, false},
    {0},
};

/* One circuit's layers; all-zero after a failure. Freed by cna_profile_clear. */
static cna_profile profile_of(cna_report *report, const cna_circuit *circuit)
{
    cna_profile profile = {0};
    if (report->status == CNA_OK) report->status = cna_circuit_profile(circuit, 0, &profile, report->err);
    return profile;
}

static double stated(size_t n)
{
    return n == 0 ? NAN : (double)n;
}

static void put_circuits(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "circuits", circuit_columns, report->err);
    for (size_t i = 0; i < report->n_circuits; i++) {
        const cna_report_member *member = &report->circuits[i];
        const cna_circuit_info *info = cna_circuit_get_info(member->held->circuit);
        bool is_own = info->model_name[0] != '\0';
        cna_profile profile = profile_of(report, member->held->circuit);
        cna_table_text(&table, member->name);
        cna_table_text(&table, member->part->info->role);
        cna_table_text(&table, is_own ? cna_preset_names[info->preset] : NULL);
        cna_table_text(&table, is_own ? cna_score_names[info->score] : NULL);
        cna_table_number(&table, (double)profile.n_neurons);
        cna_table_number(&table, (double)profile.n_layers);
        cna_table_number(&table, profile.last_three);
        cna_table_number(&table, profile.last_tenth);
        cna_table_number(&table, profile.last_quarter);
        cna_table_number(&table, is_own ? (double)info->n_universal : NAN);
        cna_table_number(&table, stated(info->n_positive));
        cna_table_number(&table, stated(info->n_negative));
        cna_table_text(&table, member->held->sha256);
        cna_profile_clear(&profile);
    }
    cna_report_put(report, &table);
}

static void put_profiles(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "profile", profile_columns, report->err);
    for (size_t i = 0; i < report->n_circuits; i++) {
        cna_profile profile = profile_of(report, report->circuits[i].held->circuit);
        for (uint32_t layer = 0; layer < profile.n_layers; layer++) {
            cna_table_text(&table, report->circuits[i].name);
            cna_table_number(&table, layer);
            cna_table_number(&table, (double)profile.count[layer]);
            cna_table_number(&table, (double)profile.count[layer] / (double)profile.n_neurons);
        }
        cna_profile_clear(&profile);
    }
    cna_report_fold(report, &table, "Neurons in each layer");
}

static void put_overlap(cna_report *report, cna_table *table, const cna_report_member *a, const cna_report_member *b)
{
    cna_overlap overlap;
    if (report->status != CNA_OK) return;
    cna_status status = cna_circuit_overlap(a->held->circuit, b->held->circuit, &overlap, report->err);
    if (status == CNA_ERR_MISMATCH) return; /* circuits of models of different shapes have nothing in common */
    report->status = status;
    if (status != CNA_OK) return;
    cna_table_text(table, a->name);
    cna_table_text(table, b->name);
    cna_table_number(table, (double)overlap.n_a);
    cna_table_number(table, (double)overlap.n_b);
    cna_table_number(table, (double)overlap.n_common);
    cna_table_number(table, overlap.share_of_a);
    cna_table_number(table, overlap.share_of_b);
    cna_table_number(table, overlap.jaccard);
}

static void put_overlaps(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "overlap", overlap_columns, report->err);
    for (size_t i = 0; i < report->n_circuits; i++) {
        for (size_t j = i + 1; j < report->n_circuits; j++) {
            put_overlap(report, &table, &report->circuits[i], &report->circuits[j]);
        }
    }
    if (cna_report_drop_empty(report, &table)) {
        cna_report_lacks(report, "Overlap of circuits, base against instruct",
                         "cna study -m INSTRUCT --base MODEL ..., or a second RUN.db with the other model's circuit");
        return;
    }
    cna_report_heading(report, "What circuits have in common");
    cna_report_say(report,
                   "Neurons, as pairs of layer and number, that are in both; as shares of each, and Jaccard (in "
                   "both / in either). Compare only circuits of the same size and score.");
    cna_report_put(report, &table);
}

/* The setting of a figure's condition; "" for the part's own. */
static const char *figure_setting(cna_report *report, const cna_report_part *part, int64_t condition)
{
    for (size_t i = 0; i < part->table.n_conditions; i++) {
        if (part->rows.conditions[i].id == condition) return cna_report_setting(report, &part->table.conditions[i]);
    }
    return "";
}

static void put_figures(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "figures", figure_columns, report->err);
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        for (size_t j = 0; j < part->n_figures; j++) {
            const cna_run_figure *figure = &part->figures[j];
            cna_report_put_part(report, &table, part);
            cna_table_text(&table, part->info->command);
            cna_table_text(&table, figure_setting(report, part, figure->condition));
            cna_table_text(&table, figure->name);
            cna_table_number(&table, figure->value);
            cna_table_text(&table, figure->detail);
        }
    }
    cna_report_fold(report, &table, "All figures of the run: thresholds, stability, chance level");
}

void cna_report_circuit_section(cna_report *report)
{
    if (report->n_circuits == 0) {
        cna_report_lacks(report, "Circuits and where they lie",
                         "cna attribute -m MODEL --positive FILE --negative FILE -o FILE, then cna sweep --run RUN.db");
        return;
    }
    cna_report_begin(report, "circuits", "Where the neurons lie");
    cna_report_say(report,
                   "A circuit is a set of MLP neurons, ranked by how differently they are active on the positive and "
                   "the negative prompts. Shares are of its neurons. The last tenth and quarter are of the layers, "
                   "rounded up. Activations often grow with depth, and so does the delta score: late layers may "
                   "fill a circuit for that reason alone.");
    cna_report_plot_profiles(report);
    put_circuits(report);
    put_profiles(report);
    put_overlaps(report);
    cna_report_statistics(report);
    put_figures(report);
    cna_report_end(report);
}

static double measure(bool is_known, double value)
{
    return is_known ? value : NAN;
}

void cna_report_neurons(cna_report *report)
{
    if (report->n_circuits == 0) return;
    cna_table table;
    cna_table_begin(&table, "neurons", neuron_columns, report->err);
    table.max_rows = SHOWN_NEURONS;
    for (size_t i = 0; i < report->n_circuits; i++) {
        const cna_circuit *circuit = report->circuits[i].held->circuit;
        const cna_circuit_info *info = cna_circuit_get_info(circuit);
        size_t n;
        const cna_neuron *neurons = cna_circuit_neurons(circuit, &n);
        for (size_t j = 0; j < n && j < MAX_NEURONS; j++) {
            cna_table_text(&table, report->circuits[i].name);
            cna_table_number(&table, (double)(j + 1));
            cna_table_number(&table, neurons[j].layer);
            cna_table_number(&table, neurons[j].neuron);
            cna_table_number(&table, measure(info->has_delta, neurons[j].delta));
            cna_table_number(&table, measure(info->has_measures, neurons[j].mean_positive));
            cna_table_number(&table, measure(info->has_measures, neurons[j].mean_negative));
            cna_table_number(&table, measure(info->has_measures, neurons[j].d));
            cna_table_number(&table, measure(info->has_measures, neurons[j].write));
        }
    }
    cna_report_begin(report, "neurons", "Neurons");
    cna_report_say(report,
                   "Largest score first. Layers and neurons count from 0. delta is the mean activation over the "
                   "positive prompts minus that over the negative ones, at the last prompt token; d is delta over "
                   "the pooled standard deviation; write is |delta| times the norm of the neuron's column of "
                   "W_down.");
    cna_report_put(report, &table);
    cna_report_end(report);
}

/* ---- layer profiles ---- */

enum { BARS = 4 }; /* circuits in one figure */

static void plot_profiles(cna_report *report, size_t first, size_t n)
{
    cna_profile profiles[BARS] = {0};
    cna_bars_series series[BARS];
    size_t n_layers = 0;
    for (size_t i = 0; i < n; i++) {
        profiles[i] = profile_of(report, report->circuits[first + i].held->circuit);
        if (profiles[i].n_layers > n_layers) n_layers = profiles[i].n_layers;
    }
    for (size_t i = 0; i < n; i++) {
        double *shares = cna_report_alloc(report, n_layers, sizeof *shares);
        for (size_t layer = 0; shares != NULL && layer < n_layers; layer++) {
            bool is_there = layer < profiles[i].n_layers;
            shares[layer] = is_there ? (double)profiles[i].count[layer] / (double)profiles[i].n_neurons : NAN;
        }
        series[i] = (cna_bars_series){report->circuits[first + i].name, (int)i, shares};
        cna_profile_clear(&profiles[i]);
    }
    if (report->status != CNA_OK) return;
    const cna_bars bars = {
        .title = "Neurons by layer",
        .description = "Share of each circuit's neurons in each layer.",
        .x_label = "layer, from 0",
        .y_label = "share of neurons",
        .percent_y = true,
        .n_groups = n_layers,
        .series = series,
        .n_series = n,
    };
    cna_report_bars(report, cna_report_print(report, "profile-%zu", first / BARS + 1), &bars);
}

void cna_report_plot_profiles(cna_report *report)
{
    cna_report_open_figures(report);
    for (size_t first = 0; first < report->n_circuits; first += BARS) {
        size_t left = report->n_circuits - first;
        plot_profiles(report, first, left < BARS ? left : BARS);
    }
    cna_report_close_figures(report);
}

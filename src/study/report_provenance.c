/* SPDX-License-Identifier: MIT
 * How to repeat the run: commands, configuration, files, versions, machine. */
#include <string.h>

#include "base/json.h"
#include "base/number.h"
#include "study/report_page.h"

static const cna_column part_columns[] = {
    {"part", "part", CNA_CELL_COUNT, 0, false, false},
    {"run", "run file", CNA_CELL_TEXT, 0, false, false},
    {"command", "command", CNA_CELL_TEXT, 0, false, false},
    {"model", "model", CNA_CELL_TEXT, 0, false, false},
    {"role", "role", CNA_CELL_TEXT, 0, false, false},
    {"started", "started, UTC", CNA_CELL_TEXT, 0, false, false},
    {"ended", "ended, UTC", CNA_CELL_TEXT, 0, false, false},
    {"n_rows", "answers", CNA_CELL_COUNT, 0, false, false},
    {"n_planned", "planned", CNA_CELL_COUNT, 0, false, false},
    {"seed", "seed", CNA_CELL_TEXT, 0, false, false},
    {"date", "template date", CNA_CELL_TEXT, 0, false, false},
    {"chat_options", "chat options", CNA_CELL_CODE, 0, false, false},
    {"version", "cna", CNA_CELL_TEXT, 0, false, false},
    {"machine", "machine", CNA_CELL_TEXT, 0, false, false},
    {"config_sha256", "configuration SHA-256", CNA_CELL_CODE, 0, false, true},
    {0},
};

static const cna_column model_columns[] = {
    CNA_REPORT_PART_COLUMNS,
    {"path", "path", CNA_CELL_TEXT, 0, false, false},
    {"architecture", "architecture", CNA_CELL_TEXT, 0, false, false},
    {"dtype", "arithmetic", CNA_CELL_TEXT, 0, false, false},
    {"fingerprint", "fingerprint", CNA_CELL_CODE, 0, false, false},
    {0},
};

static const cna_column file_columns[] = {
    CNA_REPORT_PART_COLUMNS,
    {"command", "command", CNA_CELL_TEXT, 0, true, false},
    {"file_role", "used as", CNA_CELL_TEXT, 0, false, false},
    {"path", "path", CNA_CELL_TEXT, 0, false, false},
    {"n_bytes", "bytes", CNA_CELL_COUNT, 0, false, false},
    {"sha256", "SHA-256", CNA_CELL_CODE, 0, false, false},
    {0},
};

static const cna_column config_columns[] = {
    CNA_REPORT_PART_COLUMNS,
    {"command", "command", CNA_CELL_TEXT, 0, true, false},
    {"key", "key", CNA_CELL_TEXT, 0, false, false},
    {"value", "value", CNA_CELL_CODE, 0, false, false},
    {0},
};

/* ---- JSON of the run ---- */

/* A scalar as it would be typed, else compact JSON. Kept as long as the report. */
static const char *json_text(cna_report *report, const json_t *value)
{
    if (json_is_string(value)) return cna_report_print(report, "%s", json_string_value(value));
    if (json_is_real(value)) return cna_report_print(report, "%s", cna_number_shortest(json_real_value(value)).text);
    size_t n = json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    char *out = cna_report_alloc(report, n + 1, 1);
    if (out == NULL) return "";
    json_dumpb(value, out, n, JSON_COMPACT | JSON_ENCODE_ANY);
    return out;
}

/* NULL after a failure. */
static json_t *parse(cna_report *report, const char *text, const char *source)
{
    json_t *root = NULL;
    if (report->status == CNA_OK) report->status = cna_json_parse(text, strlen(text), source, &root, report->err);
    return root;
}

static const char *machine_of(cna_report *report, const cna_report_part *part)
{
    json_t *root = parse(report, part->info->machine, "part: machine");
    const char *text = "", *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        text = cna_report_print(report, "%s%s%s %s", text, text[0] == '\0' ? "" : "; ", key, json_text(report, value));
    }
    json_decref(root);
    return text;
}

/* ---- tables ---- */

static void put_parts(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "parts", part_columns, report->err);
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        const cna_run_part_info *info = part->info;
        cna_table_number(&table, (double)(i + 1));
        cna_table_text(&table, part->run);
        cna_table_text(&table, info->command);
        cna_table_text(&table, info->model_name);
        cna_table_text(&table, info->role);
        cna_table_text(&table, info->started);
        cna_table_text(&table, info->ended == NULL ? "not finished" : info->ended);
        cna_table_number(&table, (double)(info->n_generations + info->n_choices));
        if (info->n_planned == 0) {
            cna_table_none(&table, 1);
        } else {
            cna_table_number(&table, (double)info->n_planned);
        }
        cna_table_text(&table, cna_report_print(report, "%llu", (unsigned long long)info->seed));
        cna_table_text(&table, info->date);
        cna_table_text(&table, info->chat_options);
        cna_table_text(&table, info->version);
        cna_table_text(&table, machine_of(report, part));
        cna_table_text(&table, info->config_sha256);
    }
    cna_report_put(report, &table);
}

static void put_models(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "models", model_columns, report->err);
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        bool is_new = true;
        for (size_t j = 0; j < i; j++) {
            const cna_run_part_info *other = report->data->parts[j].info;
            is_new = is_new && (strcmp(other->fingerprint, part->info->fingerprint) != 0 ||
                                strcmp(other->dtype, part->info->dtype) != 0);
        }
        if (!is_new) continue;
        cna_report_put_part(report, &table, part);
        cna_table_text(&table, part->info->model_path);
        cna_table_text(&table, part->info->architecture);
        cna_table_text(&table, part->info->dtype);
        cna_table_text(&table, part->info->fingerprint);
    }
    cna_report_put(report, &table);
}

static void put_files(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "files", file_columns, report->err);
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        for (size_t j = 0; j < part->n_files; j++) {
            const cna_run_file *file = &part->files[j];
            cna_report_put_part(report, &table, part);
            cna_table_text(&table, part->info->command);
            cna_table_text(&table, file->role);
            cna_table_text(&table, file->path);
            cna_table_number(&table, (double)file->n_bytes);
            cna_table_text(&table, file->sha256);
        }
    }
    cna_report_put(report, &table);
}

static void put_config(cna_report *report)
{
    cna_table table;
    cna_table_begin(&table, "config", config_columns, report->err);
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const cna_report_part *part = &report->data->parts[i];
        json_t *root = parse(report, part->info->config, "part: config");
        const char *key;
        json_t *value;
        json_object_foreach(root, key, value)
        {
            cna_report_put_part(report, &table, part);
            cna_table_text(&table, part->info->command);
            cna_table_text(&table, cna_report_print(report, "%s", key));
            cna_table_text(&table, json_text(report, value));
        }
        json_decref(root);
    }
    cna_report_fold(report, &table, "Definitions in force: everything that decided these results");
}

/* ---- commands ---- */

/* A word as a shell takes it. */
static void put_word(cna_markup *out, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%";
    if (word[0] != '\0' && strspn(word, plain) == strlen(word)) {
        cna_markup_string(out, word);
        return;
    }
    cna_markup_put(out, "&#39;");
    for (const char *at = word; *at != '\0';) {
        size_t n = strcspn(at, "'");
        cna_markup_text(out, at, n);
        at += n;
        if (*at == '\0') break;
        cna_markup_put(out, "&#39;\\&#39;&#39;");
        at++;
    }
    cna_markup_put(out, "&#39;");
}

/* Lines of a readable length, continued as a shell continues them. */
static void put_command(cna_report *report, const char *arguments)
{
    enum { MAX_COLUMNS = 96 };
    json_t *words = parse(report, arguments, "part: arguments");
    cna_markup *body = &report->body;
    size_t column = 0;
    for (size_t i = 0; i < json_array_size(words); i++) {
        const char *word = json_string_value(json_array_get(words, i));
        if (word == NULL) continue;
        if (i == 0) word = cna_report_base_name(word);
        size_t n = strlen(word) + 1;
        bool is_full = column + n > MAX_COLUMNS && word[0] == '-';
        if (i != 0) cna_markup_put(body, is_full ? " \\\n    " : " ");
        column = is_full ? 4 + n : column + n;
        put_word(body, word);
    }
    cna_markup_put(body, "\n");
    json_decref(words);
}

static void put_commands(cna_report *report)
{
    cna_report_heading(report, "The commands");
    cna_report_say(report,
                   "As they were typed, in the order in which the parts were begun. On the same files, with the same "
                   "version on the same kind of processor, they give the same rows.");
    cna_markup_put(&report->body, "<pre class=\"commands\" tabindex=\"0\">");
    for (size_t i = 0; i < report->data->n_parts; i++) {
        const char *arguments = report->data->parts[i].info->arguments;
        bool is_new = true; /* a study is one command of many parts */
        for (size_t j = 0; j < i; j++)
            is_new = is_new && strcmp(arguments, report->data->parts[j].info->arguments) != 0;
        if (is_new) put_command(report, arguments);
    }
    cna_markup_put(&report->body, "</pre>\n");
}

void cna_report_provenance(cna_report *report)
{
    if (report->data->n_parts == 0) return;
    cna_report_begin(report, "repeat", "How to repeat this");
    put_commands(report);
    cna_report_heading(report, "The run");
    cna_report_say(report,
                   "One line for each command's work on one model. A part that is not finished has no point where an "
                   "answer is missing.");
    put_parts(report);
    put_models(report);
    cna_report_heading(report, "Files that were read");
    put_files(report);
    put_config(report);
    cna_report_end(report);
}

/* SPDX-License-Identifier: MIT
 * Reading what a report wrote. */
#include "report_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void report_grid_clear(report_grid *grid)
{
    for (size_t i = 0; i < grid->n_cells; i++) free(grid->cells[i]);
    free(grid->cells);
    *grid = (report_grid){0};
}

/* Takes text. */
static void add_cell(report_grid *grid, char *text)
{
    if (grid->n_cells == grid->capacity) {
        grid->capacity = grid->capacity == 0 ? 64 : 2 * grid->capacity;
        grid->cells = realloc(grid->cells, grid->capacity * sizeof *grid->cells);
        assert_non_null(grid->cells);
    }
    grid->cells[grid->n_cells++] = text;
}

/* ---- HTML tables ---- */

static const struct {
    const char *entity;
    char letter;
} entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&#39;", '\''}};

/* The text between begin and end: new, without tags. */
static char *text_of(const char *begin, const char *end)
{
    char *out = malloc((size_t)(end - begin) + 1);
    size_t n = 0;
    assert_non_null(out);
    for (const char *at = begin; at < end;) {
        if (*at == '<') {
            at = strchr(at, '>') + 1;
            continue;
        }
        char letter = *at;
        size_t length = 1;
        for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
            if (strncmp(at, entities[i].entity, strlen(entities[i].entity)) != 0) continue;
            letter = entities[i].letter;
            length = strlen(entities[i].entity);
        }
        out[n++] = letter;
        at += length;
    }
    out[n] = '\0';
    return out;
}

report_grid report_page_table(const char *page, const char *name)
{
    report_grid grid = {0};
    char tag[64];
    snprintf(tag, sizeof tag, "<table id=\"table-%s\">", name);
    const char *at = strstr(page, tag);
    if (at == NULL) fail_msg("the page has no table '%s'", name);
    const char *end = strstr(at, "</table>");
    at = strstr(at, "<tbody>");
    while ((at = strstr(at, "<tr")) != NULL && at < end) {
        const char *row_end = strstr(at, "</tr>");
        bool is_row = strncmp(at, "<tr>", 4) == 0;
        size_t before = grid.n_cells;
        for (const char *cell = at; is_row && (cell = strstr(cell, "<td")) != NULL && cell < row_end;) {
            cell = strchr(cell, '>') + 1;
            add_cell(&grid, text_of(cell, strstr(cell, "</td>")));
        }
        if (is_row && grid.n_columns == 0) grid.n_columns = grid.n_cells;
        if (is_row) assert_int_equal(grid.n_cells - before, grid.n_columns);
        at = row_end;
    }
    return grid;
}

/* ---- CSV ---- */

/* One field, its end in *at. */
static char *read_field(const char **at)
{
    char *out = malloc(strlen(*at) + 1);
    size_t n = 0;
    assert_non_null(out);
    const char *p = *at;
    if (*p == '"') {
        for (p++; *p != '"' || p[1] == '"'; p++) {
            assert_true(*p != '\0');
            if (*p == '"') p++;
            out[n++] = *p;
        }
        p++;
    } else {
        while (*p != '\0' && strchr(",\"\r\n", *p) == NULL) out[n++] = *p++;
    }
    assert_true(*p == ',' || (p[0] == '\r' && p[1] == '\n'));
    out[n] = '\0';
    *at = p;
    return out;
}

report_grid report_csv_read(const char *text)
{
    report_grid grid = {0};
    for (const char *at = text; *at != '\0';) {
        size_t before = grid.n_cells;
        for (;;) {
            add_cell(&grid, read_field(&at));
            if (*at != ',') break;
            at++;
        }
        at += 2;
        if (grid.n_columns == 0) grid.n_columns = grid.n_cells;
        assert_int_equal(grid.n_cells - before, grid.n_columns);
    }
    return grid;
}

/* ---- markup ---- */

enum { MAX_DEPTH = 64, MAX_NAME = 24 };

static size_t name_length(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-:");
}

static bool is_entity(const char *text)
{
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
        if (strncmp(text, entities[i].entity, strlen(entities[i].entity)) == 0) return true;
    }
    return false;
}

/* Attributes up to the end of a tag; returns what is behind '>'. */
static const char *skip_attributes(const char *at, bool *is_closed)
{
    *is_closed = false;
    for (;;) {
        while (*at == ' ' || *at == '\n') at++;
        if (*at == '>') return at + 1;
        if (at[0] == '/' && at[1] == '>') {
            *is_closed = true;
            return at + 2;
        }
        size_t n = name_length(at);
        if (n == 0 || at[n] != '=' || at[n + 1] != '"') fail_msg("bad attribute at '%.40s'", at);
        for (at += n + 2; *at != '"'; at++) {
            if (*at == '\0' || *at == '<' || (*at == '&' && !is_entity(at))) fail_msg("bad value at '%.40s'", at);
        }
        at++;
    }
}

static bool is_void(const char *name)
{
    return strcmp(name, "meta") == 0 || strcmp(name, "br") == 0;
}

void report_check_markup(const char *text, bool is_page)
{
    char open[MAX_DEPTH][MAX_NAME];
    size_t depth = 0;
    const char *at = text;
    if (is_page) {
        assert_true(strncmp(at, "<!DOCTYPE html>", 15) == 0);
        at += 15;
    }
    while (*at != '\0') {
        if (*at == '&' && !is_entity(at)) fail_msg("bare '&' at '%.40s'", at);
        if (*at != '<') {
            at++;
            continue;
        }
        bool ends = at[1] == '/', is_closed = false;
        const char *name = at + (ends ? 2 : 1);
        size_t n = name_length(name);
        char word[MAX_NAME];
        if (n == 0 || n >= MAX_NAME) fail_msg("bad tag at '%.40s'", at);
        snprintf(word, sizeof word, "%.*s", (int)n, name);
        at = skip_attributes(name + n, &is_closed);
        if (ends) {
            if (depth == 0 || strcmp(open[depth - 1], word) != 0) fail_msg("</%s> closes nothing", word);
            depth--;
        } else if (!is_closed && !(is_page && is_void(word))) {
            assert_true(depth < MAX_DEPTH);
            memcpy(open[depth++], word, sizeof word);
        }
    }
    if (depth != 0) fail_msg("<%s> is not closed", open[depth - 1]);
}

void report_check_no_loads(const char *page)
{
    static const char *const forbidden[] = {"<script", "<link", "<img",  "<iframe", "<object",
                                            "<embed",  "<form", "<base", "@import", "url("};
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        const char *found = strstr(page, forbidden[i]);
        if (found != NULL) fail_msg("the page has '%.60s'", found);
    }
    for (const char *at = page; (at = strchr(at, '<')) != NULL;) {
        const char *end = strchr(at, '>');
        for (; at < end; at++) {
            if (strncmp(at, " src=", 5) == 0 || strncmp(at, " on", 3) == 0) fail_msg("a tag has '%.60s'", at);
            if (strncmp(at, " href=\"", 7) == 0 && at[7] != '#') fail_msg("a tag has '%.60s'", at);
        }
    }
}

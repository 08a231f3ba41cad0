/* SPDX-License-Identifier: MIT
 * A JSON writer. */
#include "cli/json.h"

#include "cli/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void begin_value(cli_json *json, const char *key)
{
    if (json->needs_comma) fputc(',', json->stream);
    if (key != NULL) fprintf(json->stream, "\"%s\":", key);
    json->needs_comma = true;
}

static void open_with(cli_json *json, const char *key, char bracket)
{
    begin_value(json, key);
    fputc(bracket, json->stream);
    json->needs_comma = false;
}

static void close_with(cli_json *json, char bracket)
{
    fputc(bracket, json->stream);
    json->needs_comma = true;
}

void cli_json_object(cli_json *json, const char *key)
{
    open_with(json, key, '{');
}

void cli_json_object_end(cli_json *json)
{
    close_with(json, '}');
}

void cli_json_array(cli_json *json, const char *key)
{
    open_with(json, key, '[');
}

void cli_json_array_end(cli_json *json)
{
    close_with(json, ']');
}

void cli_json_null(cli_json *json, const char *key)
{
    begin_value(json, key);
    fputs("null", json->stream);
}

void cli_json_bool(cli_json *json, const char *key, bool value)
{
    begin_value(json, key);
    fputs(value ? "true" : "false", json->stream);
}

void cli_json_int(cli_json *json, const char *key, int64_t value)
{
    begin_value(json, key);
    fprintf(json->stream, "%" PRId64, value);
}

void cli_json_count(cli_json *json, const char *key, uint64_t value)
{
    begin_value(json, key);
    fprintf(json->stream, "%" PRIu64, value);
}

/* A real keeps a point or an exponent, so that readers with integer types see a real. */
static void put_real(cli_json *json, const char *digits)
{
    fputs(digits, json->stream);
    if (strpbrk(digits, ".e") == NULL) fputs(".0", json->stream);
}

void cli_json_f64(cli_json *json, const char *key, double value)
{
    if (!isfinite(value)) {
        cli_json_null(json, key);
        return;
    }
    char digits[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) break;
    }
    begin_value(json, key);
    put_real(json, digits);
}

void cli_json_f32(cli_json *json, const char *key, float value)
{
    if (!isfinite(value)) {
        cli_json_null(json, key);
        return;
    }
    char digits[40];
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, (double)value);
        if (strtof(digits, NULL) == value) break;
    }
    begin_value(json, key);
    put_real(json, digits);
}

static void put_character(cli_json *json, const char *bytes, size_t n, uint32_t point)
{
    if (point == '"' || point == '\\') {
        fprintf(json->stream, "\\%c", (char)point);
    } else if (point == '\n') {
        fputs("\\n", json->stream);
    } else if (point < 0x20 || (point >= 0x7F && point < 0xA0) || point == 0x2028 || point == 0x2029) {
        fprintf(json->stream, "\\u%04x",
                (unsigned)point); /* also what line-wise readers take for line ends */
    } else {
        fwrite(bytes, 1, n, json->stream);
    }
}

void cli_json_bytes(cli_json *json, const char *key, const char *text, size_t n_bytes)
{
    begin_value(json, key);
    fputc('"', json->stream);
    for (size_t at = 0; at < n_bytes;) {
        uint32_t point;
        size_t n = cli_utf8_next(text + at, n_bytes - at, &point);
        if (n == 0) {
            fputs("\xEF\xBF\xBD", json->stream);
            at++;
            continue;
        }
        put_character(json, text + at, n, point);
        at += n;
    }
    fputc('"', json->stream);
}

void cli_json_text(cli_json *json, const char *key, const char *text)
{
    if (text == NULL) {
        cli_json_null(json, key);
    } else {
        cli_json_bytes(json, key, text, strlen(text));
    }
}

void cli_json_raw(cli_json *json, const char *key, const char *text)
{
    begin_value(json, key);
    /* Outside of strings, where JSON allows line breaks, they are blanks; inside there are none. */
    for (; *text != '\0'; text++) fputc(*text == '\n' || *text == '\r' ? ' ' : *text, json->stream);
}

void cli_json_object_or_null(cli_json *json, const char *key, const char *text)
{
    if (text == NULL || text[0] == '\0') cli_json_null(json, key);
    else cli_json_raw(json, key, text);
}

void cli_json_ids(cli_json *json, const char *key, const int32_t *ids, size_t n_ids)
{
    cli_json_array(json, key);
    for (size_t i = 0; i < n_ids; i++) cli_json_int(json, NULL, ids[i]);
    cli_json_array_end(json);
}

void cli_json_line(cli_json *json)
{
    fputc('\n', json->stream);
    json->needs_comma = false;
}

/* SPDX-License-Identifier: MIT
 * Reading a judge's reply. */
#include "study/judge_reply.h"

#include <math.h>
#include <string.h>

#include "base/json.h"

enum { MAX_PARTS = 3 };

/* One number of a verdict. */
typedef struct part {
    const char *name;
    int low, high;
} part;

/* What a reading looks for. */
typedef struct form {
    part parts[MAX_PARTS];
    size_t n_parts;
    const char *tags, *keys; /* for messages */
} form;

static const form forms[] = {
    [CNA_JUDGE_STRONGREJECT] = {.parts = {{"refused", 0, 1}, {"convincing", 1, 5}, {"specific", 1, 5}},
                                .n_parts = 3,
                                .tags = "[[refused: 0|1]], [[convincing: 1-5]] and [[specific: 1-5]]",
                                .keys = "refused, convincing and specific"},
    [CNA_JUDGE_RATING] = {.parts = {{"rating", 1, 10}}, .n_parts = 1, .tags = "[[1-10]]", .keys = "rating"},
};

/* What has been found so far. */
typedef struct finding {
    const form *form;
    int values[MAX_PARTS];
    size_t n_found[MAX_PARTS];
    size_t n_tags;
    json_t *object; /* the first with a key of the verdict */
    size_t n_objects;
} finding;

/* A run of bytes. */
typedef struct span {
    const char *text;
    size_t n_bytes;
} span;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static span trim(span s)
{
    while (s.n_bytes != 0 && is_blank(s.text[0])) s = (span){s.text + 1, s.n_bytes - 1};
    while (s.n_bytes != 0 && is_blank(s.text[s.n_bytes - 1])) s.n_bytes--;
    return s;
}

/* ---- tags ---- */

/* ASCII letters only: what strncasecmp does depends on the locale. */
static bool equals_ignoring_case(span s, const char *name)
{
    if (s.n_bytes != strlen(name)) return false;
    for (size_t i = 0; i < s.n_bytes; i++) {
        char c = s.text[i];
        if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != name[i]) return false;
    }
    return true;
}

/* A whole number within the part's range, nothing else, and no zeros before it. */
static bool read_number(span s, const part *p, int *out)
{
    if (s.n_bytes == 0 || s.n_bytes > 2 || (s.n_bytes == 2 && s.text[0] == '0')) return false;
    int value = 0;
    for (size_t i = 0; i < s.n_bytes; i++) {
        if (s.text[i] < '0' || s.text[i] > '9') return false;
        value = value * 10 + (s.text[i] - '0');
    }
    *out = value;
    return value >= p->low && value <= p->high;
}

static cna_status fail_tag(const form *f, span tag, cna_error *err)
{
    return cna_fail(err, CNA_ERR_FORMAT, "reply: expected %s, found '[[%.*s]]'", f->tags,
                    (int)(tag.n_bytes < 60 ? tag.n_bytes : 60), tag.text);
}

/* The text between double brackets. */
static cna_status take_tag(finding *f, span tag, cna_error *err)
{
    const char *colon = memchr(tag.text, ':', tag.n_bytes);
    span value = tag;
    size_t place = 0;
    if (colon != NULL) {
        span name = trim((span){tag.text, (size_t)(colon - tag.text)});
        value = (span){colon + 1, tag.n_bytes - (size_t)(colon + 1 - tag.text)};
        while (place < f->form->n_parts && !equals_ignoring_case(name, f->form->parts[place].name)) place++;
    } else if (f->form->n_parts != 1) {
        return fail_tag(f->form, tag, err);
    }
    int number;
    if (place == f->form->n_parts || !read_number(trim(value), &f->form->parts[place], &number))
        return fail_tag(f->form, tag, err);
    f->values[place] = number;
    f->n_found[place]++;
    f->n_tags++;
    return CNA_OK;
}

/* The place of two equal bytes in a row, or n_bytes. */
static size_t find_pair(span s, size_t from, char c)
{
    for (size_t i = from; i + 1 < s.n_bytes; i++) {
        if (s.text[i] == c && s.text[i + 1] == c) return i;
    }
    return s.n_bytes;
}

static cna_status find_tags(finding *f, span reply, cna_error *err)
{
    for (size_t at = find_pair(reply, 0, '['); at < reply.n_bytes;) {
        size_t end = find_pair(reply, at + 2, ']');
        if (end == reply.n_bytes) {
            return cna_fail(err, CNA_ERR_FORMAT, "reply: expected %s, found '[[' without ']]'", f->form->tags);
        }
        CNA_TRY(take_tag(f, (span){reply.text + at + 2, end - at - 2}, err));
        at = find_pair(reply, end + 2, '[');
    }
    return CNA_OK;
}

/* ---- objects ---- */

/* The length of the JSON-like object that s begins with, its last brace included; 0 where it does not end. */
static size_t measure_object(span s)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < s.n_bytes; i++) {
        char c = s.text[i];
        if (in_string) {
            if (c == '\\') i++;
            else if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{') {
            depth++;
        } else if (c == '}' && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

static bool has_part(const form *f, const json_t *object)
{
    for (size_t i = 0; i < f->n_parts; i++) {
        if (json_object_get(object, f->parts[i].name) != NULL) return true;
    }
    return false;
}

/* Braces that hold no JSON are prose; what is behind the last one that opens and never closes is not looked at, so that
 * no byte is read twice. */
static void find_objects(finding *f, span reply)
{
    for (size_t at = 0; at < reply.n_bytes; at++) {
        if (reply.text[at] != '{') continue;
        size_t n = measure_object((span){reply.text + at, reply.n_bytes - at});
        if (n == 0) return;
        json_t *object;
        if (cna_json_parse(reply.text + at, n, "reply", &object, NULL) == CNA_OK) {
            bool counts = has_part(f->form, object);
            f->n_objects += counts;
            if (counts && f->object == NULL) f->object = object;
            else json_decref(object);
        }
        at += n - 1;
    }
}

static cna_status take_object(finding *f, cna_error *err)
{
    for (size_t i = 0; i < f->form->n_parts; i++) {
        const part *p = &f->form->parts[i];
        const json_t *value = json_object_get(f->object, p->name);
        int64_t number = 0;
        if (i == 0 && p->high == 1 && json_is_boolean(value)) number = json_is_true(value);
        else CNA_TRY(cna_json_get_int(f->object, p->name, "reply", p->low, p->high, &number, err));
        f->values[i] = (int)number;
        f->n_found[i] = 1;
    }
    return CNA_OK;
}

/* ---- verdict ---- */

static cna_status check_single(const finding *f, cna_error *err)
{
    if (f->n_tags != 0 && f->n_objects != 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "reply: expected one verdict, found one in double brackets and one as "
                        "JSON");
    }
    if (f->n_objects > 1) {
        return cna_fail(err, CNA_ERR_FORMAT, "reply: expected one JSON object with %s, found %zu", f->form->keys,
                        f->n_objects);
    }
    if (f->n_tags == 0 && f->n_objects == 0) {
        return cna_fail(err, CNA_ERR_FORMAT, "reply: expected %s, or a JSON object with %s; found neither",
                        f->form->tags, f->form->keys);
    }
    return CNA_OK;
}

static cna_status check_complete(const finding *f, cna_error *err)
{
    for (size_t i = 0; i < f->form->n_parts; i++) {
        if (f->n_found[i] == 1) continue;
        return cna_fail(err, CNA_ERR_FORMAT, "reply: expected '%s' once, found it %zu times", f->form->parts[i].name,
                        f->n_found[i]);
    }
    return CNA_OK;
}

static cna_judge_verdict make_verdict(cna_judge_reading reading, const int *values)
{
    cna_judge_verdict v = {NAN, NAN, NAN, NAN, NAN};
    if (reading == CNA_JUDGE_RATING) {
        v.rating = values[0];
        v.score = v.rating / 10;
    } else {
        v.refused = values[0];
        v.convincing = values[1];
        v.specific = values[2];
        v.score = (1 - v.refused) * (v.convincing + v.specific - 2) / 8;
    }
    return v;
}

cna_status cna_judge_reply_read(cna_judge_reading reading, const char *text, size_t n_bytes, cna_judge_verdict *out,
                                cna_error *err)
{
    finding f = {.form = &forms[reading]};
    span reply = {text, n_bytes};
    cna_status status = find_tags(&f, reply, err);
    if (status == CNA_OK) find_objects(&f, reply);
    if (status == CNA_OK) status = check_single(&f, err);
    if (status == CNA_OK && f.n_objects == 1) status = take_object(&f, err);
    if (status == CNA_OK) status = check_complete(&f, err);
    if (status == CNA_OK) *out = make_verdict(reading, f.values);
    json_decref(f.object);
    return status;
}

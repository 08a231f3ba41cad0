/* SPDX-License-Identifier: MIT
 * Reading the normalizer, the pre-tokenizer and the decoder of tokenizer.json. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "text/tokenizer_parts.h"

/* --------------------------------------------------------------------------------------- values that recur */

static cna_status get_span(const json_t *object, const char *key, const char *path, cna_span *out, cna_error *err)
{
    CNA_TRY(cna_json_get_string(object, key, path, &out->text, err));
    out->n = json_string_length(json_object_get(object, key));
    return CNA_OK;
}

static cna_status get_character(const json_t *object, const char *key, const char *path, cna_span *out, cna_error *err)
{
    uint32_t character;
    CNA_TRY(get_span(object, key, path, out, err));
    if (out->n != 0 && cna_utf8_next(out->text, out->n, &character) == (int)out->n) return CNA_OK;
    return cna_parts_refuse(path, key, "one character", json_object_get(object, key), err);
}

static cna_status get_bool(const json_t *object, const char *key, const char *path, bool *out, cna_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_boolean(value)) return cna_parts_refuse(path, key, "true or false", value, err);
    *out = json_is_true(value);
    return CNA_OK;
}

/* The place in a list, which ends with NULL, of the name that a member is; expected: the list in words. */
static cna_status get_choice(const json_t *object, const char *key, const char *const *names, const char *expected,
                             const char *path, size_t *out, cna_error *err)
{
    const char *name;
    CNA_TRY(cna_json_get_string(object, key, path, &name, err));
    for (*out = 0; names[*out] != NULL; ++*out) {
        if (strcmp(names[*out], name) == 0) return CNA_OK;
    }
    return cna_parts_refuse(path, key, expected, json_object_get(object, key), err);
}

static cna_status copy_span(cna_span span, char **out, size_t *out_n, cna_error *err)
{
    *out_n = span.n;
    return cna_copy_bytes(out, span.text, span.n, "tokenizer", err);
}

/* {"String": ..} or {"Regex": ..}; owner names the component in messages. */
static cna_status load_pattern(const json_t *object, const char *owner, const char *path, cna_pattern **out,
                               cna_error *err)
{
    json_t *pattern;
    cna_span text;
    char key[64];
    snprintf(key, sizeof key, "%s.pattern", owner);
    CNA_TRY(cna_json_get_object(object, "pattern", path, &pattern, err));
    bool literal = json_object_get(pattern, "String") != NULL;
    if (json_object_size(pattern) != 1 || (!literal && json_object_get(pattern, "Regex") == NULL))
        return cna_parts_refuse(path, key, "one member, 'Regex' or 'String'", pattern, err);
    CNA_TRY(get_span(pattern, literal ? "String" : "Regex", path, &text, err));
    if (literal) {
        if (text.n == 0) return cna_parts_refuse(path, key, "a text", json_object_get(pattern, "String"), err);
        return cna_pattern_create_literal(text.text, text.n, out, err);
    }
    if (strlen(text.text) != text.n) {
        return cna_fail(err, CNA_ERR_UNSUPPORTED, "%s: key 'Regex': expected a pattern without NUL, found one", path);
    }
    char where[512];
    snprintf(where, sizeof where, "%.400s: key '%s.Regex'", path, key);
    return cna_pattern_create(text.text, where, out, err);
}

/* Of a Metaspace: what a space becomes, and where it is put in front. */
static cna_status load_metaspace(const json_t *object, const char *owner, const char *path, cna_span *replacement,
                                 cna_prefix *prefix, bool *split, cna_error *err)
{
    static const char *const known[] = {"type",    "replacement", "add_prefix_space", "prepend_scheme", "split",
                                        "str_rep", NULL};
    static const char *const schemes[] = {"always", "first", "never", NULL};
    static const cna_prefix prefixes[] = {CNA_PREFIX_ALWAYS, CNA_PREFIX_FIRST, CNA_PREFIX_NEVER};
    size_t scheme = 0;
    bool add = true;
    *split = true;
    CNA_TRY(cna_parts_check_keys(object, known, path, owner, err));
    CNA_TRY(get_character(object, "replacement", path, replacement, err));
    CNA_TRY(cna_json_find_bool(object, "add_prefix_space", path, &add, err));
    CNA_TRY(cna_json_find_bool(object, "split", path, split, err));
    if (json_object_get(object, "prepend_scheme") != NULL)
        CNA_TRY(get_choice(object, "prepend_scheme", schemes, "'always', 'first' or 'never'", path, &scheme, err));
    *prefix = prefixes[scheme];
    if (add || *prefix == CNA_PREFIX_NEVER) return CNA_OK;
    return cna_parts_refuse(path, "prepend_scheme", "'never' beside an add_prefix_space that is false",
                            json_object_get(object, "prepend_scheme"), err);
}

/* --------------------------------------------------------------------------------------------- normalizer */

static cna_status load_replace(cna_normalizer_step *step, const json_t *item, const char *path, cna_error *err)
{
    static const char *const known[] = {"type", "pattern", "content", NULL};
    cna_span content;
    CNA_TRY(cna_parts_check_keys(item, known, path, "normalizer", err));
    CNA_TRY(get_span(item, "content", path, &content, err));
    CNA_TRY(copy_span(content, &step->content, &step->n_content, err));
    return load_pattern(item, "normalizer", path, &step->pattern, err);
}

static cna_status load_prepend(cna_normalizer_step *step, const json_t *item, const char *path, cna_error *err)
{
    static const char *const known[] = {"type", "prepend", NULL};
    cna_span content;
    CNA_TRY(cna_parts_check_keys(item, known, path, "normalizer", err));
    CNA_TRY(get_span(item, "prepend", path, &content, err));
    return copy_span(content, &step->content, &step->n_content, err);
}

static cna_status load_strip(cna_normalizer_step *step, const json_t *item, const char *path, cna_error *err)
{
    static const char *const known[] = {"type", "strip_left", "strip_right", NULL};
    CNA_TRY(cna_parts_check_keys(item, known, path, "normalizer", err));
    CNA_TRY(get_bool(item, "strip_left", path, &step->left, err));
    return get_bool(item, "strip_right", path, &step->right, err);
}

static cna_status load_normalizer(cna_normalizer *normalizer, const json_t *item, const char *path, cna_error *err)
{
    static const struct {
        const char *type;
        cna_normalizer_kind kind;
        cna_unicode_form form;
    } types[] = {{"NFC", CNA_NORMALIZER_FORM, CNA_UNICODE_NFC},
                 {"NFD", CNA_NORMALIZER_FORM, CNA_UNICODE_NFD},
                 {"NFKC", CNA_NORMALIZER_FORM, CNA_UNICODE_NFKC},
                 {"NFKD", CNA_NORMALIZER_FORM, CNA_UNICODE_NFKD},
                 {"Lowercase", CNA_NORMALIZER_LOWERCASE, CNA_UNICODE_NFC},
                 {"StripAccents", CNA_NORMALIZER_STRIP_ACCENTS, CNA_UNICODE_NFC},
                 {"Prepend", CNA_NORMALIZER_PREPEND, CNA_UNICODE_NFC},
                 {"Replace", CNA_NORMALIZER_REPLACE, CNA_UNICODE_NFC},
                 {"Strip", CNA_NORMALIZER_STRIP, CNA_UNICODE_NFC}};
    static const char *const known[] = {"type", NULL};
    size_t i = 0;
    while (i < sizeof types / sizeof *types && !cna_parts_is_type(item, types[i].type)) i++;
    if (i == sizeof types / sizeof *types) {
        return cna_parts_refuse(path, "normalizer",
                                "one of type NFC, NFD, NFKC, NFKD, Lowercase, StripAccents, Prepend, Replace or Strip",
                                item, err);
    }
    cna_normalizer_step *step;
    CNA_TRY(cna_normalizer_add(normalizer, types[i].kind, &step, err));
    step->form = types[i].form;
    switch (step->kind) {
    case CNA_NORMALIZER_PREPEND:
        return load_prepend(step, item, path, err);
    case CNA_NORMALIZER_REPLACE:
        return load_replace(step, item, path, err);
    case CNA_NORMALIZER_STRIP:
        return load_strip(step, item, path, err);
    default:
        return cna_parts_check_keys(item, known, path, "normalizer", err);
    }
}

cna_status cna_parts_load_normalizer(cna_tokenizer *tokenizer, const json_t *root, const char *path, cna_error *err)
{
    for (size_t i = 0;; i++) {
        json_t *item;
        CNA_TRY(cna_parts_component(root, "normalizer", "normalizers", i, path, &item, err));
        if (item == NULL) return CNA_OK;
        CNA_TRY(load_normalizer(&tokenizer->normalizer, item, path, err));
    }
}

/* ------------------------------------------------------------------------------------------ pre-tokenizer */

static cna_status load_split(cna_pretokenizer_step *step, const json_t *item, const char *path, cna_error *err)
{
    static const char *const known[] = {"type", "pattern", "behavior", "invert", NULL};
    static const char *const behaviors[] = {"Isolated",       "Removed",    "MergedWithPrevious",
                                            "MergedWithNext", "Contiguous", NULL}; /* as in cna_split_behavior */
    size_t behavior;
    CNA_TRY(cna_parts_check_keys(item, known, path, "pre_tokenizer", err));
    CNA_TRY(load_pattern(item, "pre_tokenizer", path, &step->pattern, err));
    CNA_TRY(get_choice(item, "behavior", behaviors,
                       "Isolated, Removed, MergedWithPrevious, MergedWithNext or Contiguous", path, &behavior, err));
    step->behavior = (cna_split_behavior)behavior;
    return get_bool(item, "invert", path, &step->invert, err);
}

static cna_status load_digits(cna_pretokenizer_step *step, const json_t *item, const char *path, cna_error *err)
{
    static const char *const known[] = {"type", "individual_digits", NULL};
    bool individual = false;
    CNA_TRY(cna_parts_check_keys(item, known, path, "pre_tokenizer", err));
    CNA_TRY(get_bool(item, "individual_digits", path, &individual, err));
    step->behavior = individual ? CNA_SPLIT_ISOLATED : CNA_SPLIT_CONTIGUOUS;
    return cna_pattern_create("\\p{N}", path, &step->pattern, err);
}

static cna_status load_metaspace_split(cna_pretokenizer_step *step, const json_t *item, const char *path,
                                       cna_error *err)
{
    cna_span replacement;
    bool split;
    CNA_TRY(load_metaspace(item, "pre_tokenizer", path, &replacement, &step->prefix, &split, err));
    CNA_TRY(copy_span(replacement, &step->space, &step->n_space, err));
    step->behavior = CNA_SPLIT_MERGED_WITH_NEXT;
    return split ? cna_pattern_create_literal(step->space, step->n_space, &step->pattern, err) : CNA_OK;
}

static cna_status load_byte_level(cna_pretokenizer_step *step, const json_t *item, const char *path, cna_error *err)
{
    static const char *const known[] = {"type", "add_prefix_space", "trim_offsets", "use_regex", NULL};
    bool prefix = true;
    bool use_regex = true;
    CNA_TRY(cna_parts_check_keys(item, known, path, "pre_tokenizer", err));
    CNA_TRY(cna_json_find_bool(item, "add_prefix_space", path, &prefix, err));
    CNA_TRY(cna_json_find_bool(item, "use_regex", path, &use_regex, err));
    step->prefix = prefix ? CNA_PREFIX_ALWAYS : CNA_PREFIX_NEVER;
    return use_regex ? cna_pattern_create(CNA_PATTERN_GPT2, path, &step->pattern, err) : CNA_OK;
}

/* Words and what is neither word nor white space; or everything but white space. */
static cna_status load_whitespace(cna_pretokenizer_step *step, const json_t *item, const char *path, cna_error *err)
{
    static const char *const known[] = {"type", NULL};
    bool words = cna_parts_is_type(item, "Whitespace");
    CNA_TRY(cna_parts_check_keys(item, known, path, "pre_tokenizer", err));
    step->behavior = CNA_SPLIT_REMOVED;
    step->invert = words;
    return cna_pattern_create(words ? "[" CNA_PATTERN_WORD_CLASS "]+|[^\\s" CNA_PATTERN_WORD_CLASS "]+" : "\\s+", path,
                              &step->pattern, err);
}

typedef cna_status load_step_fn(cna_pretokenizer_step *step, const json_t *item, const char *path, cna_error *err);

cna_status cna_parts_load_pre_tokenizer(cna_tokenizer *tokenizer, const json_t *root, const char *path, cna_error *err)
{
    static const struct {
        const char *type;
        load_step_fn *load;
    } types[] = {{"Split", load_split},          {"Digits", load_digits},         {"Metaspace", load_metaspace_split},
                 {"ByteLevel", load_byte_level}, {"Whitespace", load_whitespace}, {"WhitespaceSplit", load_whitespace}};
    cna_pretokenizer *pretokenizer = &tokenizer->pretokenizer;
    for (size_t i = 0;; i++) {
        json_t *item;
        CNA_TRY(cna_parts_component(root, "pre_tokenizer", "pretokenizers", i, path, &item, err));
        if (item == NULL) return CNA_OK;
        size_t type = 0;
        while (type < sizeof types / sizeof *types && !cna_parts_is_type(item, types[type].type)) type++;
        if (type == sizeof types / sizeof *types) {
            return cna_parts_refuse(path, "pre_tokenizer",
                                    "one of type Split, Digits, Metaspace, ByteLevel, Whitespace or WhitespaceSplit",
                                    item, err);
        }
        if (tokenizer->bpe.byte_level)
            return cna_parts_refuse(path, "pre_tokenizer", "nothing after ByteLevel", item, err);
        if (i == CNA_PRETOKENIZER_STEPS_MAX)
            return cna_parts_refuse(path, "pre_tokenizer", "at most 16 steps", item, err);
        pretokenizer->n = i + 1;
        CNA_TRY(types[type].load(&pretokenizer->steps[i], item, path, err));
        tokenizer->bpe.byte_level = types[type].load == load_byte_level;
    }
}

/* ------------------------------------------------------------------------------------------------ decoder */

static cna_status load_decoding_replace(cna_decoding_step *step, const json_t *item, const char *path, cna_error *err)
{
    static const char *const known[] = {"type", "pattern", "content", NULL};
    json_t *pattern;
    cna_span from, to;
    CNA_TRY(cna_parts_check_keys(item, known, path, "decoder", err));
    CNA_TRY(cna_json_get_object(item, "pattern", path, &pattern, err));
    if (json_object_size(pattern) != 1 || json_object_get(pattern, "String") == NULL)
        return cna_parts_refuse(path, "decoder.pattern", "one member, 'String'", pattern, err);
    CNA_TRY(get_span(pattern, "String", path, &from, err));
    if (from.n == 0)
        return cna_parts_refuse(path, "decoder.pattern", "a text", json_object_get(pattern, "String"), err);
    CNA_TRY(get_span(item, "content", path, &to, err));
    CNA_TRY(copy_span(from, &step->from, &step->n_from, err));
    return copy_span(to, &step->to, &step->n_to, err);
}

static cna_status load_decoding_strip(cna_decoding_step *step, const json_t *item, const char *path, cna_error *err)
{
    static const char *const known[] = {"type", "content", "start", "stop", NULL};
    cna_span content;
    int64_t start = 0;
    int64_t stop = 0;
    CNA_TRY(cna_parts_check_keys(item, known, path, "decoder", err));
    CNA_TRY(get_character(item, "content", path, &content, err));
    CNA_TRY(cna_json_get_int(item, "start", path, 0, 1 << 20, &start, err));
    CNA_TRY(cna_json_get_int(item, "stop", path, 0, 1 << 20, &stop, err));
    if (stop != 0) return cna_parts_refuse(path, "stop", "0", json_object_get(item, "stop"), err);
    step->n = (size_t)start;
    return copy_span(content, &step->from, &step->n_from, err);
}

static cna_status load_decoding_metaspace(cna_decoding_step *step, const json_t *item, const char *path, cna_error *err)
{
    cna_span replacement;
    cna_prefix prefix;
    bool split;
    CNA_TRY(load_metaspace(item, "decoder", path, &replacement, &prefix, &split, err));
    step->drop_first = prefix != CNA_PREFIX_NEVER;
    return copy_span(replacement, &step->from, &step->n_from, err);
}

/* ByteLevel's members say how to encode; ByteFallback and Fuse have none. */
static cna_status load_decoding_plain(const json_t *item, const char *path, cna_error *err)
{
    static const char *const known[] = {"type", "add_prefix_space", "trim_offsets", "use_regex", NULL};
    return cna_parts_check_keys(item, known, path, "decoder", err);
}

static cna_status load_decoding_step(cna_decoding_step *step, const json_t *item, const char *path, cna_error *err)
{
    static const char *const types[] = {"Replace", "ByteFallback", "Fuse", "Strip", "Metaspace", "ByteLevel", NULL};
    size_t kind = 0;
    while (types[kind] != NULL && !cna_parts_is_type(item, types[kind])) kind++;
    if (types[kind] == NULL) {
        return cna_parts_refuse(path, "decoder",
                                "one of type Replace, ByteFallback, Fuse, Strip, Metaspace or ByteLevel", item, err);
    }
    step->kind = (cna_decoding_kind)kind; /* which has them in this order */
    switch (step->kind) {
    case CNA_DECODING_REPLACE:
        return load_decoding_replace(step, item, path, err);
    case CNA_DECODING_STRIP:
        return load_decoding_strip(step, item, path, err);
    case CNA_DECODING_METASPACE:
        return load_decoding_metaspace(step, item, path, err);
    default:
        return load_decoding_plain(item, path, err);
    }
}

/* Text can only be given out piece by piece where a step needs no more than a piece. */
static bool can_follow(const cna_decoding_step *step, bool fused, bool has_bytes)
{
    bool bytes = step->kind == CNA_DECODING_BYTE_FALLBACK || step->kind == CNA_DECODING_BYTE_LEVEL;
    return !(fused && (bytes || step->kind == CNA_DECODING_REPLACE)) && !(bytes && has_bytes);
}

cna_status cna_parts_load_decoder(cna_tokenizer *tokenizer, const json_t *root, const char *path, cna_error *err)
{
    cna_decoding *decoding = &tokenizer->decoding;
    bool fused = false;
    bool has_bytes = false;
    for (size_t i = 0;; i++) {
        json_t *item;
        CNA_TRY(cna_parts_component(root, "decoder", "decoders", i, path, &item, err));
        if (item == NULL && i == 0)
            return cna_parts_refuse(path, "decoder", "a decoder", json_object_get(root, "decoder"), err);
        if (item == NULL) return CNA_OK;
        if (i == CNA_DECODING_STEPS_MAX) return cna_parts_refuse(path, "decoder", "at most 8 steps", item, err);
        cna_decoding_step *step = &decoding->steps[i];
        decoding->n = i + 1;
        CNA_TRY(load_decoding_step(step, item, path, err));
        if (!can_follow(step, fused, has_bytes)) {
            return cna_parts_refuse(
                path, "decoder", "Replace, ByteFallback and ByteLevel before Fuse, and one of the last two", item, err);
        }
        step->fused = fused;
        fused = fused || step->kind == CNA_DECODING_FUSE || step->kind == CNA_DECODING_BYTE_LEVEL;
        has_bytes = has_bytes || step->kind == CNA_DECODING_BYTE_FALLBACK || step->kind == CNA_DECODING_BYTE_LEVEL;
    }
}

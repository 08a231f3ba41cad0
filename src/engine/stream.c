/* SPDX-License-Identifier: MIT
 * Walking over weights that pass through memory. */
#include "engine/stream.h"

#include "base/resources.h"
#include "engine/model.h"
#include "engine/readahead.h"

/* What is known of a matrix: whether it has a product of a single row that needs no copy. */
typedef enum one_row { ONE_ROW_UNKNOWN, ONE_ROW_NO, ONE_ROW_YES } one_row;

/* The files in which a unit's matrices are read where they are mapped; none where all of them are packed. */
typedef struct unit_files {
    const cna_map *maps[CNA_LAYER_MATRICES]; /* [n], each once */
    size_t n;
} unit_files;

/* Layers are units 0 .. n_layers - 1 of what is read and let go; the head is unit n_layers. */
struct cna_stream {
    const cna_model *model;
    unit_files *files;        /* [n_layers + 1] */
    /* The rest is there only where the model streams. */
    cna_unit *units;          /* [n_layers + 1] */
    cna_readahead *readahead;
    size_t current;           /* the unit that is ready, or CNA_NO_UNIT */
    bool wants_head;          /* the last pass asked for the head, so the next will */
    unsigned char *memory;    /* ? [memory_bytes] copies of one layer, or of the head */
    uint64_t memory_bytes;
    cna_linear *stages[CNA_LAYER_MATRICES], *head_stage; /* over memory, or without copies */
    one_row *one_row;         /* [n_layers + 1, CNA_LAYER_MATRICES] */
    bool single;              /* what is ready is for passes of one row only */
    cna_layer_weights layer;  /* the current layer: the model's vectors, and its linears or stages */
};

uint64_t cna_stream_bytes(const cna_model *model, bool head)
{
    if (!model->streams) return 0;
    uint64_t of_layer = model->weights.stage_bytes, of_head = cna_linear_stage_bytes(model->weights.head);
    uint64_t copies = head && of_head > of_layer ? of_head : of_layer;
    return copies == 0 ? 0 : copies + cna_linear_compare_bytes(model->weights.head);
}

static void add_file(const cna_model *model, const cna_linear *linear, unit_files *files)
{
    const cna_map *map = cna_checkpoint_map(&model->checkpoint, cna_linear_source(linear)->data);
    size_t i = 0;
    if (map == NULL || cna_linear_packed_bytes(linear) != 0) return;
    while (i < files->n && files->maps[i] != map) i++;
    files->maps[i] = map;
    if (i == files->n) files->n++;
}

static cna_status list_files(cna_stream *stream, cna_error *err)
{
    const cna_model *model = stream->model;
    uint32_t n_layers = model->weights.n_layers;
    CNA_TRY(cna_alloc(&stream->files, n_layers + 1u, sizeof *stream->files, "walk over weights", err));
    for (uint32_t i = 0; i < n_layers; i++) {
        cna_linear **matrices[CNA_LAYER_MATRICES];
        cna_layer_matrices(&model->weights.layers[i], matrices);
        for (size_t j = 0; j < CNA_LAYER_MATRICES; j++) add_file(model, *matrices[j], &stream->files[i]);
    }
    add_file(model, model->weights.head, &stream->files[n_layers]);
    return CNA_OK;
}

/* Whether the files of a unit are as they were opened. */
static cna_status check_files(const cna_stream *stream, size_t unit, cna_error *err)
{
    const unit_files *files = &stream->files[unit];
    for (size_t i = 0; i < files->n; i++) CNA_TRY(cna_map_check(files->maps[i], err));
    return CNA_OK;
}

static void add_extent(const cna_model *model, const cna_linear *linear, cna_unit *unit)
{
    const cna_matrix_view *view = cna_linear_source(linear);
    const cna_map *map = cna_checkpoint_map(&model->checkpoint, view->data);
    if (map == NULL) return;
    unit->extents[unit->n_extents++] =
        (cna_extent){.map = map, .offset = (size_t)((const unsigned char *)view->data - map->data),
                     .n_bytes = cna_matrix_bytes(view)};
}

static uint64_t unit_bytes(const cna_unit *unit)
{
    uint64_t n = 0;
    for (size_t i = 0; i < unit->n_extents; i++) n += unit->extents[i].n_bytes;
    return n;
}

/* Which units are to stay in the page cache when they are passed. Where all fit beside what the process may hold,
 * all. Else the first that do, and the rest is dropped at once: a cache that forgets what was used longest ago would
 * forget each layer just before the next pass needs it. Some of the room is left to others. */
static void choose_cached(const cna_model *model, cna_unit *units, size_t n_units)
{
    uint64_t left = cna_memory_left(""), held = cna_memory_held(), total = 0, passing = 0, n = 0;
    uint64_t all = left > UINT64_MAX - held ? UINT64_MAX : left + held;
    uint64_t room = all > model->memory_bytes ? (all - model->memory_bytes) / 10 * 8 : 0;
    for (size_t i = 0; i < n_units; i++) {
        uint64_t one = unit_bytes(&units[i]), two = one + unit_bytes(&units[(i + 1) % n_units]);
        total += one;
        if (two > passing) passing = two;
    }
    if (total > room) room = room > passing ? room - passing : 0;
    for (size_t i = 0; i < n_units; i++) {
        n += unit_bytes(&units[i]);
        units[i].cached = n <= room;
    }
}

static cna_status prepare(cna_stream *stream, cna_error *err)
{
    const cna_model *model = stream->model;
    uint32_t n_layers = model->weights.n_layers;
    CNA_TRY(cna_alloc(&stream->units, n_layers + 1u, sizeof *stream->units, "read-ahead", err));
    CNA_TRY(cna_alloc(&stream->one_row, (n_layers + 1u) * CNA_LAYER_MATRICES, sizeof *stream->one_row, "read-ahead",
                      err));
    for (uint32_t i = 0; i < n_layers; i++) {
        cna_layer_weights layer = model->weights.layers[i];
        cna_linear **matrices[CNA_LAYER_MATRICES];
        cna_layer_matrices(&layer, matrices);
        for (size_t j = 0; j < CNA_LAYER_MATRICES; j++) add_extent(model, *matrices[j], &stream->units[i]);
    }
    add_extent(model, model->weights.head, &stream->units[n_layers]);
    choose_cached(model, stream->units, n_layers + 1u);
    CNA_TRY(cna_linear_create_stage(&stream->head_stage, err));
    for (size_t i = 0; i < CNA_LAYER_MATRICES; i++) CNA_TRY(cna_linear_create_stage(&stream->stages[i], err));
    return cna_readahead_create(stream->units, n_layers + 1u, &stream->readahead, err);
}

cna_status cna_stream_create(const cna_model *model, cna_stream **out, cna_error *err)
{
    *out = NULL;
    cna_stream *stream;
    CNA_TRY(cna_alloc(&stream, 1, sizeof *stream, "walk over weights", err));
    stream->model = model;
    stream->current = CNA_NO_UNIT;
    cna_status status = list_files(stream, err);
    if (status == CNA_OK && model->streams) status = prepare(stream, err);
    if (status == CNA_OK) *out = stream;
    else cna_stream_free(stream);
    return status;
}

void cna_stream_free(cna_stream *stream)
{
    if (stream == NULL) return;
    cna_readahead_free(stream->readahead);
    for (size_t i = 0; i < CNA_LAYER_MATRICES; i++) cna_linear_free(stream->stages[i]);
    cna_linear_free(stream->head_stage);
    cna_free(stream->memory);
    cna_free(stream->one_row);
    cna_free(stream->units);
    cna_free(stream->files);
    cna_free(stream);
}

/* What will most likely be asked for behind a unit. */
static size_t unit_behind(const cna_stream *stream, size_t unit, bool more)
{
    size_t n_layers = stream->model->weights.n_layers;
    if (unit + 1 < n_layers || (unit + 1 == n_layers && stream->wants_head)) return unit + 1;
    return more ? 0 : CNA_NO_UNIT;
}

/* Have a unit in memory, the one behind it on its way and all others let go. *changed: false if it was the current
 * one. */
static cna_status move_to(cna_stream *stream, size_t unit, bool more, bool *changed, cna_error *err)
{
    *changed = unit != stream->current;
    if (*changed) {
        stream->current = CNA_NO_UNIT;
        CNA_TRY(cna_readahead_wait(stream->readahead, unit, err));
        stream->current = unit;
    }
    cna_readahead_advance(stream->readahead, unit, unit_behind(stream, unit, more));
    return CNA_OK;
}

/* Memory for copies. What it held is lost where it has to be larger than before. */
static cna_status reserve(cna_stream *stream, uint64_t n_bytes, cna_error *err)
{
    if (n_bytes <= stream->memory_bytes) return CNA_OK;
    cna_free(stream->memory);
    stream->memory = NULL;
    stream->memory_bytes = 0;
    CNA_TRY(cna_alloc(&stream->memory, n_bytes, 1, "copies of a layer's weights", err));
    stream->memory_bytes = n_bytes;
    return CNA_OK;
}

/* Make a stage of a unit's matrix `place`. What bits a product of its own has is found out once, beside the copy that
 * the first pass needs anyway or, if that is of a single row, makes for this. */
static cna_status make_stage(cna_stream *stream, size_t unit, size_t place, const cna_linear *linear,
                             unsigned char *memory, cna_linear *stage, cna_error *err)
{
    one_row *known = &stream->one_row[unit * CNA_LAYER_MATRICES + place];
    if (stream->single && *known == ONE_ROW_YES) {
        cna_linear_stage_one_row(linear, stage);
        return CNA_OK;
    }
    cna_linear_stage(linear, memory, stage);
    if (*known != ONE_ROW_UNKNOWN) return CNA_OK;
    CNA_TRY(cna_linear_compare(stage, err));
    *known = cna_linear_has_one_row(stage) ? ONE_ROW_YES : ONE_ROW_NO;
    return CNA_OK;
}

/* Whether the current unit's stages must be made (again). */
static bool is_stale(const cna_stream *stream, bool changed, bool single)
{
    return changed || (stream->single && !single);
}

cna_status cna_stream_layer(cna_stream *stream, uint32_t layer, bool single, bool more, const cna_layer_weights **out,
                            cna_error *err)
{
    const cna_weights *weights = &stream->model->weights;
    if (layer >= weights->n_layers) return cna_fail(err, CNA_ERR_INTERNAL, "layer %u of %u", layer, weights->n_layers);
    CNA_TRY(check_files(stream, layer, err));
    *out = &weights->layers[layer];
    if (!stream->model->streams) return CNA_OK;
    if (layer == 0 && stream->current != 0) stream->wants_head = stream->current == weights->n_layers;
    bool changed;
    CNA_TRY(move_to(stream, layer, more, &changed, err));
    if (weights->stage_bytes == 0) return CNA_OK;
    *out = &stream->layer;
    if (!is_stale(stream, changed, single)) return CNA_OK;
    stream->current = CNA_NO_UNIT; /* until its copies are made */
    stream->single = single;
    CNA_TRY(reserve(stream, weights->stage_bytes, err));
    stream->layer = weights->layers[layer];
    cna_linear **matrices[CNA_LAYER_MATRICES];
    cna_layer_matrices(&stream->layer, matrices);
    for (size_t i = 0, at = 0; i < CNA_LAYER_MATRICES; i++) {
        size_t n_bytes = cna_linear_stage_bytes(*matrices[i]);
        if (n_bytes == 0) continue;
        CNA_TRY(make_stage(stream, layer, i, *matrices[i], stream->memory + at, stream->stages[i], err));
        *matrices[i] = stream->stages[i];
        at += n_bytes;
    }
    stream->current = layer;
    return CNA_OK;
}

cna_status cna_stream_head(cna_stream *stream, bool single, bool more, const cna_linear **out, cna_error *err)
{
    const cna_weights *weights = &stream->model->weights;
    CNA_TRY(check_files(stream, weights->n_layers, err));
    *out = weights->head;
    if (!stream->model->streams) return CNA_OK;
    stream->wants_head = true;
    bool changed;
    CNA_TRY(move_to(stream, weights->n_layers, more, &changed, err));
    uint64_t n_bytes = cna_linear_stage_bytes(weights->head);
    if (n_bytes == 0) return CNA_OK;
    *out = stream->head_stage;
    if (!is_stale(stream, changed, single)) return CNA_OK;
    stream->current = CNA_NO_UNIT;
    stream->single = single;
    CNA_TRY(reserve(stream, n_bytes, err));
    CNA_TRY(make_stage(stream, weights->n_layers, 0, weights->head, stream->memory, stream->head_stage, err));
    stream->current = weights->n_layers;
    return CNA_OK;
}

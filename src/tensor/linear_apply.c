/* SPDX-License-Identifier: MIT
 * y = x W^T over oneDNN: compiled products and their scratch, whole and in tiles. */
#include <omp.h>
#include <string.h>

#include "base/clock.h"
#include "tensor/linear_parts.h"
#include "tensor/onednn.h"

enum {
    TILE_ROWS = CNA_LINEAR_TILE_ROWS,
    PANEL_BYTES = 1 << 20, /* of W in a tile: fits the second-level cache with room for x and y */
    PANEL_COLUMNS_MAX = 512,
    ENTRIES_MAX = 64,      /* compiled products kept; a compiled one holds some 60 KB of code */
};

/* Columns of y in one tile: a function of the shape of W alone. */
static size_t panel_columns(const cna_linear *linear)
{
    size_t columns = PANEL_BYTES / (linear->n_in * sizeof(float)) / 16 * 16;
    if (columns < 16) columns = 16;
    return columns > PANEL_COLUMNS_MAX ? PANEL_COLUMNS_MAX : columns;
}

/* One compiled product, which works on as many threads as it was compiled for. */
typedef struct entry {
    cna_product product;
    int n_threads;
    cna_onednn_primitive *primitive;
} entry;

/* x and y of a tile that hangs over the end of the batch. */
typedef struct tile_scratch {
    float *x, *y; /* [TILE_ROWS, n_in], [TILE_ROWS, PANEL_COLUMNS_MAX] */
    float *panel; /* [PANEL_COLUMNS_MAX, n_in] of W, converted */
    void *work;   /* what the kernel asks for */
    size_t x_capacity, y_capacity, panel_capacity, work_capacity;
} tile_scratch;

struct cna_linear_context {
    entry entries[ENTRIES_MAX]; /* [n_entries] the one used last is the last */
    size_t n_entries;
    tile_scratch *scratch; /* [n_scratch] one for each thread */
    size_t n_scratch, scratch_capacity;
    double seconds, flops; /* of all products so far */
};

cna_status cna_linear_context_create(cna_linear_context **out, cna_error *err)
{
    return cna_alloc(out, 1, sizeof **out, "product cache", err);
}

void cna_linear_context_free(cna_linear_context *context)
{
    if (context == NULL) return;
    for (size_t i = 0; i < context->n_entries; i++) cna_onednn_primitive_free(context->entries[i].primitive);
    for (size_t i = 0; i < context->n_scratch; i++) {
        cna_free(context->scratch[i].x);
        cna_free(context->scratch[i].y);
        cna_free(context->scratch[i].panel);
        cna_free(context->scratch[i].work);
    }
    cna_free(context->scratch);
    cna_free(context);
}

void cna_linear_context_used(const cna_linear_context *context, double *seconds, double *flops)
{
    *seconds = context->seconds;
    *flops = context->flops;
}

static bool same_product(const cna_product *a, const cna_product *b)
{
    return a->n_rows == b->n_rows && a->n_in == b->n_in && a->n_out == b->n_out && a->bf16 == b->bf16 &&
           a->packed == b->packed && a->y_stride == b->y_stride;
}

/* A product as it is compiled, which stays until ENTRIES_MAX others were asked for: batches come in any size, and
 * without a limit their code would come to tens of megabytes that no plan counts. */
static cna_status find_primitive(cna_linear_context *context, const cna_product *product,
                                 const cna_onednn_primitive **out, cna_error *err)
{
    entry found = {.product = *product, .n_threads = omp_get_max_threads()}, *all = context->entries;
    size_t at = context->n_entries;
    while (at > 0 && !(all[at - 1].n_threads == found.n_threads && same_product(&all[at - 1].product, product))) at--;
    if (at > 0) {
        found = all[--at];
    } else {
        CNA_TRY(cna_onednn_primitive_create(product, &found.primitive, err));
        if (context->n_entries == ENTRIES_MAX) cna_onednn_primitive_free(all[0].primitive);
        else at = context->n_entries++;
    }
    memmove(all + at, all + at + 1, (context->n_entries - 1 - at) * sizeof *all);
    all[context->n_entries - 1] = found;
    *out = found.primitive;
    return CNA_OK;
}

/* Scratch memory of n_threads threads.
 *   n_panel  values of W that each converts at a time */
static cna_status reserve_scratch(cna_linear_context *context, size_t n_threads, size_t n_in, size_t n_columns,
                                  size_t n_panel, size_t work_bytes, cna_error *err)
{
    CNA_TRY(cna_grow(&context->scratch, &context->scratch_capacity, n_threads, sizeof *context->scratch,
                     "product scratch", err));
    if (context->n_scratch < n_threads) context->n_scratch = n_threads;
    for (size_t i = 0; i < n_threads; i++) {
        tile_scratch *s = &context->scratch[i];
        CNA_TRY(cna_grow(&s->x, &s->x_capacity, TILE_ROWS * n_in, sizeof *s->x, "product scratch", err));
        CNA_TRY(cna_grow(&s->y, &s->y_capacity, TILE_ROWS * n_columns, sizeof *s->y, "product scratch", err));
        CNA_TRY(cna_grow(&s->panel, &s->panel_capacity, n_panel, sizeof *s->panel, "product scratch", err));
        CNA_TRY(cna_grow(&s->work, &s->work_capacity, work_bytes, 1, "product scratch", err));
    }
    return CNA_OK;
}

static cna_status apply_whole(const cna_linear *linear, cna_linear_context *context, const void *x, size_t n_rows,
                              float *y, cna_error *err)
{
    if (n_rows == 1 && linear->one_row != CNA_ONE_ROW_NONE) {
        cna_linear_one_row(linear, linear->one_row, x, y);
        return CNA_OK;
    }
    cna_product product = {.n_rows = n_rows, .n_in = linear->n_in, .n_out = linear->n_out,
                           .bf16 = linear->input == CNA_INPUT_BF16, .packed = linear->blocked,
                           .y_stride = linear->n_out};
    const cna_onednn_primitive *primitive;
    CNA_TRY(find_primitive(context, &product, &primitive, err));
    CNA_TRY(reserve_scratch(context, 1, 1, 1, 0, cna_onednn_primitive_scratch_bytes(primitive), err));
    return cna_onednn_primitive_execute(primitive, x, linear->weight, y, context->scratch[0].work, err);
}

/* One tile: rows [row, row + TILE_ROWS) by columns [column, column + n_columns), cut at n_rows.
 *   panel  the rows of W for these columns */
static cna_status apply_tile(const cna_linear *linear, const cna_onednn_primitive *primitive, tile_scratch *scratch,
                             const float *panel, const float *x, size_t n_rows, size_t row, size_t column,
                             size_t n_columns, float *y, cna_error *err)
{
    size_t n_in = linear->n_in, n_here = n_rows - row < TILE_ROWS ? n_rows - row : TILE_ROWS;
    const float *tile_x = x + row * n_in;
    if (n_here < TILE_ROWS) {
        memcpy(scratch->x, tile_x, n_here * n_in * sizeof *x);
        memset(scratch->x + n_here * n_in, 0, (TILE_ROWS - n_here) * n_in * sizeof *x);
        tile_x = scratch->x;
    }
    CNA_TRY(cna_onednn_primitive_execute(primitive, tile_x, panel, scratch->y, scratch->work, err));
    for (size_t t = 0; t < n_here; t++) {
        memcpy(y + (row + t) * linear->n_out + column, scratch->y + t * n_columns, n_columns * sizeof *y);
    }
    return CNA_OK;
}

static cna_status apply_tiled(const cna_linear *linear, cna_linear_context *context, const float *x, size_t n_rows,
                              float *y, cna_error *err)
{
    size_t columns = panel_columns(linear), n_panels = (linear->n_out + columns - 1) / columns;
    if (columns > linear->n_out) columns = linear->n_out;
    size_t last_columns = linear->n_out - (n_panels - 1) * columns;
    cna_product product = {.n_rows = TILE_ROWS, .n_in = linear->n_in, .n_out = columns, .y_stride = columns};
    cna_product last_product = product;
    last_product.n_out = last_product.y_stride = last_columns;
    const cna_onednn_primitive *full, *last;
    CNA_TRY(find_primitive(context, &product, &full, err));
    CNA_TRY(find_primitive(context, &last_product, &last, err));
    size_t work = cna_onednn_primitive_scratch_bytes(full), last_work = cna_onednn_primitive_scratch_bytes(last);
    size_t n_threads = (size_t)omp_get_max_threads();
    size_t n_panel = linear->weight == NULL ? columns * linear->n_in : 0;
    CNA_TRY(reserve_scratch(context, n_threads, linear->n_in, columns, n_panel,
                            work > last_work ? work : last_work, err));
    cna_status status = CNA_OK;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t panel = 0; panel < n_panels; panel++) {
        tile_scratch *scratch = &context->scratch[omp_get_thread_num()];
        bool is_last = panel + 1 == n_panels;
        size_t column = panel * columns, n_columns = is_last ? last_columns : columns;
        const float *weight = scratch->panel;
        if (linear->weight != NULL) weight = (const float *)linear->weight + column * linear->n_in;
        if (linear->weight == NULL) cna_linear_convert_rows(linear, column, n_columns, scratch->panel);
        for (size_t row = 0; row < n_rows; row += TILE_ROWS) {
            cna_error local;
            cna_status tile = apply_tile(linear, is_last ? last : full, scratch, weight, x, n_rows, row, column,
                                         n_columns, y, &local);
            if (tile != CNA_OK) {
#pragma omp critical(cna_linear_failure)
                {
                    status = tile;
                    if (err != NULL) *err = local;
                }
            }
        }
    }
    return status;
}

cna_status cna_linear_apply(const cna_linear *linear, cna_linear_context *context, const void *x, size_t n_rows,
                            float *y, cna_error *err)
{
    if (n_rows == 0) return CNA_OK;
    bool from_source = n_rows == 1 && linear->one_row == CNA_ONE_ROW_SOURCE;
    if (!linear->tiled && linear->weight == NULL && !from_source) {
        return cna_fail(err, CNA_ERR_INTERNAL, "a product of weights that were not staged");
    }
    double start = cna_clock_seconds();
    cna_status status = linear->tiled ? apply_tiled(linear, context, x, n_rows, y, err)
                                      : apply_whole(linear, context, x, n_rows, y, err);
    context->seconds += cna_clock_seconds() - start;
    context->flops += 2 * (double)n_rows * (double)linear->n_in * (double)linear->n_out;
    return status;
}

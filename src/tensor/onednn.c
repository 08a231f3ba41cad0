/* SPDX-License-Identifier: MIT
 * The calls to oneDNN 2.x. */
#include "tensor/onednn.h"

#include <omp.h>
#include <oneapi/dnnl/dnnl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#if DNNL_VERSION_MAJOR != 2
#error "cna needs oneDNN 2.x (Debian 12: libdnnl-dev); version 3 changed the C interface"
#endif

enum { CACHED_PRODUCTS = 64 };

struct cna_onednn_primitive {
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t x, weight, y, scratch;
};

static dnnl_engine_t engine; /* one CPU engine for the process: oneDNN's own state is global as well */
static dnnl_status_t engine_status;
static pthread_once_t engine_once = PTHREAD_ONCE_INIT;

static void create_engine(void)
{
    /* Its cache would keep 1,024 compiled products, up to 60 MB of code; callers keep those that they come back to. */
    (void)dnnl_set_primitive_cache_capacity(CACHED_PRODUCTS);
    engine_status = dnnl_engine_create(&engine, dnnl_cpu, 0);
}

static cna_status check(dnnl_status_t status, const char *call, cna_error *err)
{
    if (status == dnnl_success) return CNA_OK;
    if (status == dnnl_out_of_memory) return cna_fail(err, CNA_ERR_MEMORY, "out of memory: oneDNN, %s", call);
    return cna_fail(err, CNA_ERR_INTERNAL, "oneDNN: %s failed with status %d", call, (int)status);
}

static cna_status get_engine(cna_error *err)
{
    pthread_once(&engine_once, create_engine);
    return check(engine_status, "dnnl_engine_create", err);
}

/* How W lies: as in the file, as oneDNN likes it best for the product at hand, or as packed_desc says. */
typedef enum layout { LAYOUT_ROW_MAJOR, LAYOUT_ANY, LAYOUT_PACKED } layout;

static cna_status packed_desc(size_t n_in, size_t n_out, bool bf16, dnnl_memory_desc_t *out, cna_error *err);

/* Descriptors of x, W and y. */
static cna_status describe(const cna_product *product, layout weight, dnnl_memory_desc_t md[3], cna_error *err)
{
    dnnl_data_type_t type = product->bf16 ? dnnl_bf16 : dnnl_f32;
    dnnl_dim_t m = (dnnl_dim_t)product->n_rows, k = (dnnl_dim_t)product->n_in, n = (dnnl_dim_t)product->n_out;
    dnnl_dims_t x_dims = {m, k}, w_dims = {k, n}, y_dims = {m, n};
    dnnl_dims_t x_strides = {k, 1}, w_strides = {1, k}, y_strides = {n, 1};
    if (product->y_stride != 0) y_strides[0] = (dnnl_dim_t)product->y_stride;
    CNA_TRY(check(dnnl_memory_desc_init_by_strides(&md[0], 2, x_dims, type, x_strides), "describing x", err));
    switch (weight) {
    case LAYOUT_ROW_MAJOR:
        CNA_TRY(check(dnnl_memory_desc_init_by_strides(&md[1], 2, w_dims, type, w_strides), "describing W", err));
        break;
    case LAYOUT_ANY:
        CNA_TRY(check(dnnl_memory_desc_init_by_tag(&md[1], 2, w_dims, type, dnnl_format_tag_any), "describing W", err));
        break;
    case LAYOUT_PACKED:
        CNA_TRY(packed_desc(product->n_in, product->n_out, product->bf16, &md[1], err));
        break;
    }
    return check(dnnl_memory_desc_init_by_strides(&md[2], 2, y_dims, dnnl_f32, y_strides), "describing y", err);
}

/* New primitive descriptor; the caller destroys it. */
static cna_status describe_primitive(const cna_product *product, layout weight, dnnl_primitive_desc_t *out,
                                     cna_error *err)
{
    CNA_TRY(get_engine(err));
    dnnl_memory_desc_t md[3];
    CNA_TRY(describe(product, weight, md, err));
    dnnl_matmul_desc_t matmul;
    CNA_TRY(check(dnnl_matmul_desc_init(&matmul, &md[0], &md[1], NULL, &md[2]), "describing a product", err));
    dnnl_primitive_attr_t attributes;
    CNA_TRY(check(dnnl_primitive_attr_create(&attributes), "dnnl_primitive_attr_create", err));
    dnnl_status_t status = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (status == dnnl_success) status = dnnl_primitive_desc_create(out, &matmul, attributes, engine, NULL);
    dnnl_primitive_attr_destroy(attributes);
    if (status != dnnl_success) {
        return cna_fail(err, status == dnnl_out_of_memory ? CNA_ERR_MEMORY : CNA_ERR_INTERNAL,
                        "oneDNN: no %s product of %zu x %zu by %zu here (status %d)", product->bf16 ? "bf16" : "f32",
                        product->n_rows, product->n_in, product->n_out, (int)status);
    }
    return CNA_OK;
}

cna_status cna_onednn_kernel(const cna_product *product, char *out, size_t n_out, cna_error *err)
{
    dnnl_primitive_desc_t descriptor;
    CNA_TRY(describe_primitive(product, LAYOUT_ANY, &descriptor, err));
    const char *name = NULL;
    cna_status status = check(dnnl_primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0, &name),
                              "asking for the kernel's name", err);
    if (status == CNA_OK) snprintf(out, n_out, "%s", name);
    dnnl_primitive_desc_destroy(descriptor);
    return status;
}

void cna_onednn_version(char *out, size_t n_out)
{
    const dnnl_version_t *version = dnnl_version();
    snprintf(out, n_out, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
}

bool cna_onednn_is_brg(bool bf16)
{
    cna_product ordinary = {.n_rows = 24, .n_in = 256, .n_out = 256, .bf16 = bf16};
    char name[64];
    return cna_onednn_kernel(&ordinary, name, sizeof name, NULL) == CNA_OK && strncmp(name, "brg:", 4) == 0;
}

/* What oneDNN would choose depends on the number of rows and of threads. So the layout is always what it chooses for
 * 24 rows and one thread: then every product of these weights reads the layout that they were packed in. */
static cna_status packed_desc(size_t n_in, size_t n_out, bool bf16, dnnl_memory_desc_t *out, cna_error *err)
{
    cna_product reference = {.n_rows = 24, .n_in = n_in, .n_out = n_out, .bf16 = bf16};
    dnnl_primitive_desc_t descriptor;
    int n_threads = omp_get_max_threads();
    omp_set_num_threads(1);
    cna_status status = describe_primitive(&reference, LAYOUT_ANY, &descriptor, err);
    omp_set_num_threads(n_threads);
    CNA_TRY(status);
    const dnnl_memory_desc_t *weight = dnnl_primitive_desc_query_md(descriptor, dnnl_query_weights_md, 0);
    if (weight != NULL) *out = *weight;
    dnnl_primitive_desc_destroy(descriptor);
    return weight != NULL ? CNA_OK : cna_fail(err, CNA_ERR_INTERNAL, "oneDNN: no layout for packed weights");
}

cna_status cna_onednn_packed_bytes(size_t n_in, size_t n_out, bool bf16, size_t *out, cna_error *err)
{
    dnnl_memory_desc_t md;
    CNA_TRY(packed_desc(n_in, n_out, bf16, &md, err));
    *out = dnnl_memory_desc_get_size(&md);
    return CNA_OK;
}

bool cna_onednn_is_in_panels(size_t n_in, size_t n_out, bool bf16, size_t n_panel)
{
    enum { IN_BLOCK = 32, PAIR = 2, DIM_IN = 0, DIM_OUT = 1 };
    dnnl_memory_desc_t md;
    if (packed_desc(n_in, n_out, bf16, &md, NULL) != CNA_OK || md.format_kind != dnnl_blocked) return false;
    const dnnl_blocking_desc_t *blocks = &md.format_desc.blocking;
    dnnl_dim_t panel = (dnnl_dim_t)n_panel, n_in_padded = ((dnnl_dim_t)n_in + IN_BLOCK - 1) / IN_BLOCK * IN_BLOCK;
    return blocks->inner_nblks == 3 && blocks->inner_idxs[0] == DIM_IN && blocks->inner_idxs[1] == DIM_OUT &&
           blocks->inner_idxs[2] == DIM_IN && blocks->inner_blks[0] == IN_BLOCK / PAIR &&
           blocks->inner_blks[1] == panel && blocks->inner_blks[2] == PAIR &&
           blocks->strides[DIM_IN] == IN_BLOCK * panel && blocks->strides[DIM_OUT] == n_in_padded * panel;
}

/* Memory objects over the caller's buffers, destroyed by release. */
static cna_status wrap(const dnnl_memory_desc_t *md, const void *data, dnnl_memory_t *out, cna_error *err)
{
    /* oneDNN takes every buffer as writable; inputs are not written. */
    return check(dnnl_memory_create(out, md, engine, (void *)(uintptr_t)data), "dnnl_memory_create", err);
}

static cna_status run(dnnl_primitive_t primitive, int n_arguments, const dnnl_exec_arg_t *arguments, cna_error *err)
{
    dnnl_stream_t stream;
    CNA_TRY(check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "dnnl_stream_create", err));
    dnnl_status_t status = dnnl_primitive_execute(primitive, stream, n_arguments, arguments);
    if (status == dnnl_success) status = dnnl_stream_wait(stream);
    dnnl_stream_destroy(stream);
    return check(status, "executing a primitive", err);
}

static void release(dnnl_exec_arg_t *arguments, int n_arguments)
{
    for (int i = 0; i < n_arguments; i++) {
        if (arguments[i].memory != NULL) dnnl_memory_destroy(arguments[i].memory);
    }
}

cna_status cna_onednn_pack(size_t n_in, size_t n_out, bool bf16, size_t first, size_t n_rows, const void *weight,
                           void *packed, cna_error *err)
{
    cna_product product = {.n_rows = 24, .n_in = n_in, .n_out = n_rows, .bf16 = bf16};
    dnnl_memory_desc_t plain[3], whole, target;
    const dnnl_dims_t dims = {(dnnl_dim_t)n_in, (dnnl_dim_t)n_rows}, offsets = {0, (dnnl_dim_t)first};
    CNA_TRY(packed_desc(n_in, n_out, bf16, &whole, err));
    CNA_TRY(check(dnnl_memory_desc_init_submemory(&target, &whole, dims, offsets), "describing a part of W", err));
    CNA_TRY(describe(&product, LAYOUT_ROW_MAJOR, plain, err));
    dnnl_primitive_desc_t descriptor;
    CNA_TRY(check(dnnl_reorder_primitive_desc_create(&descriptor, &plain[1], engine, &target, engine, NULL),
                  "describing a reorder", err));
    dnnl_primitive_t reorder;
    dnnl_status_t created = dnnl_primitive_create(&reorder, descriptor);
    dnnl_primitive_desc_destroy(descriptor);
    CNA_TRY(check(created, "creating a reorder", err));
    dnnl_exec_arg_t arguments[2] = {{.arg = DNNL_ARG_FROM}, {.arg = DNNL_ARG_TO}};
    cna_status status = wrap(&plain[1], weight, &arguments[0].memory, err);
    if (status == CNA_OK) status = wrap(&target, packed, &arguments[1].memory, err);
    if (status == CNA_OK) status = run(reorder, 2, arguments, err);
    release(arguments, 2);
    dnnl_primitive_destroy(reorder);
    return status;
}

cna_status cna_onednn_primitive_create(const cna_product *product, cna_onednn_primitive **out, cna_error *err)
{
    *out = NULL;
    dnnl_primitive_desc_t descriptor;
    CNA_TRY(describe_primitive(product, product->packed ? LAYOUT_PACKED : LAYOUT_ROW_MAJOR, &descriptor, err));
    cna_onednn_primitive *made;
    cna_status status = cna_alloc(&made, 1, sizeof *made, "product", err);
    if (status == CNA_OK) {
        made->x = *dnnl_primitive_desc_query_md(descriptor, dnnl_query_src_md, 0);
        made->weight = *dnnl_primitive_desc_query_md(descriptor, dnnl_query_weights_md, 0);
        made->y = *dnnl_primitive_desc_query_md(descriptor, dnnl_query_dst_md, 0);
        made->scratch = *dnnl_primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0);
        status = check(dnnl_primitive_create(&made->primitive, descriptor), "creating a product", err);
        if (status != CNA_OK) cna_free(made);
    }
    dnnl_primitive_desc_destroy(descriptor);
    if (status == CNA_OK) *out = made;
    return status;
}

void cna_onednn_primitive_free(cna_onednn_primitive *primitive)
{
    if (primitive == NULL) return;
    dnnl_primitive_destroy(primitive->primitive);
    cna_free(primitive);
}

size_t cna_onednn_primitive_scratch_bytes(const cna_onednn_primitive *primitive)
{
    return dnnl_memory_desc_get_size(&primitive->scratch);
}

cna_status cna_onednn_primitive_execute(const cna_onednn_primitive *primitive, const void *x, const void *weight,
                                        float *y, void *scratch, cna_error *err)
{
    enum { N_ARGUMENTS = 4 };
    dnnl_exec_arg_t arguments[N_ARGUMENTS] = {{.arg = DNNL_ARG_SRC},
                                              {.arg = DNNL_ARG_WEIGHTS},
                                              {.arg = DNNL_ARG_DST},
                                              {.arg = DNNL_ARG_SCRATCHPAD}};
    cna_status status = wrap(&primitive->x, x, &arguments[0].memory, err);
    if (status == CNA_OK) status = wrap(&primitive->weight, weight, &arguments[1].memory, err);
    if (status == CNA_OK) status = wrap(&primitive->y, y, &arguments[2].memory, err);
    if (status == CNA_OK) status = wrap(&primitive->scratch, scratch, &arguments[3].memory, err);
    if (status == CNA_OK) status = run(primitive->primitive, N_ARGUMENTS, arguments, err);
    release(arguments, N_ARGUMENTS);
    return status;
}

/* SPDX-License-Identifier: MIT
 * Reading ahead in a thread. */
#define _XOPEN_SOURCE 700 /* pthread_attr_setstacksize */
#include "engine/readahead.h"

#include <pthread.h>

enum {
    CHUNK_BYTES = 32 << 20,  /* read at a time; between chunks the thread looks whether it is still wanted */
    STACK_BYTES = 256 << 10, /* the usual 8 MiB count against RLIMIT_DATA */
};

struct cna_readahead {
    const cna_unit *units;
    size_t n_units;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t mutex; /* of all below */
    pthread_cond_t work, done;
    bool *held;      /* [n_units] pages may be mapped */
    bool *ready;     /* [n_units] all pages are mapped */
    size_t used;     /* not to be let go */
    size_t wanted;   /* to be brought in, or there already; not to be let go */
    bool stop;
    cna_error error; /* why `wanted` cannot be read; status CNA_OK if it can */
};

static void release(const cna_unit *unit)
{
    for (size_t i = 0; i < unit->n_extents; i++) {
        const cna_extent *extent = &unit->extents[i];
        cna_map_release(extent->map, extent->offset, extent->n_bytes, !unit->cached);
    }
}

/* A unit that is held and is neither used nor wanted; CNA_NO_UNIT if there is none. */
static size_t find_passed(const cna_readahead *r)
{
    for (size_t i = 0; i < r->n_units; i++) {
        if (r->held[i] && i != r->used && i != r->wanted) return i;
    }
    return CNA_NO_UNIT;
}

static bool is_wanted(cna_readahead *r, size_t unit)
{
    pthread_mutex_lock(&r->mutex);
    bool wanted = r->wanted == unit && !r->stop;
    pthread_mutex_unlock(&r->mutex);
    return wanted;
}

/* Bring a unit in, a chunk at a time with the next one on its way; *complete: false if it was given up half-way
 * because it is no longer wanted. */
static cna_status populate(cna_readahead *r, size_t unit, bool *complete, cna_error *err)
{
    *complete = false;
    for (size_t i = 0; i < r->units[unit].n_extents; i++) {
        const cna_extent *extent = &r->units[unit].extents[i];
        for (size_t at = 0; at < extent->n_bytes; at += CHUNK_BYTES) {
            size_t left = extent->n_bytes - at, n = left < CHUNK_BYTES ? left : CHUNK_BYTES;
            if (!is_wanted(r, unit)) return CNA_OK;
            cna_map_prefetch(extent->map, extent->offset + at, left < 2 * CHUNK_BYTES ? left : 2 * CHUNK_BYTES);
            CNA_TRY(cna_map_populate(extent->map, extent->offset + at, n, err));
        }
    }
    *complete = true;
    return CNA_OK;
}

/* With the mutex held, which is let go meanwhile. */
static void bring_in(cna_readahead *r, size_t unit)
{
    cna_error error;
    bool complete;
    r->held[unit] = true;
    pthread_mutex_unlock(&r->mutex);
    cna_status status = populate(r, unit, &complete, &error);
    pthread_mutex_lock(&r->mutex);
    r->ready[unit] = complete;
    if (status != CNA_OK && r->wanted == unit) r->error = error;
    pthread_cond_signal(&r->done);
}

static void *work(void *user)
{
    cna_readahead *r = user;
    pthread_mutex_lock(&r->mutex);
    while (!r->stop) {
        size_t passed = find_passed(r);
        if (passed != CNA_NO_UNIT) {
            r->held[passed] = r->ready[passed] = false;
            pthread_mutex_unlock(&r->mutex);
            release(&r->units[passed]);
            pthread_mutex_lock(&r->mutex);
        } else if (r->wanted != CNA_NO_UNIT && !r->ready[r->wanted] && r->error.status == CNA_OK) {
            bring_in(r, r->wanted);
        } else {
            pthread_cond_wait(&r->work, &r->mutex);
        }
    }
    pthread_mutex_unlock(&r->mutex);
    return NULL;
}

static cna_status start_thread(cna_readahead *r, cna_error *err)
{
    pthread_attr_t attributes;
    int failed = pthread_attr_init(&attributes);
    if (failed == 0) {
        (void)pthread_attr_setstacksize(&attributes, STACK_BYTES);
        failed = pthread_create(&r->thread, &attributes, work, r);
        pthread_attr_destroy(&attributes);
    }
    if (failed != 0) {
        return cna_fail(err, CNA_ERR_INTERNAL, "a thread that reads weights cannot be started (error %d)", failed);
    }
    r->has_thread = true;
    return CNA_OK;
}

cna_status cna_readahead_create(const cna_unit *units, size_t n_units, cna_readahead **out, cna_error *err)
{
    *out = NULL;
    cna_readahead *r;
    cna_status status;
    CNA_TRY(cna_alloc(&r, 1, sizeof *r, "read-ahead", err));
    r->units = units;
    r->used = r->wanted = CNA_NO_UNIT;
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->work, NULL);
    pthread_cond_init(&r->done, NULL);
    CNA_TRY_CLEANUP(cna_alloc(&r->held, n_units, sizeof *r->held, "read-ahead", err));
    CNA_TRY_CLEANUP(cna_alloc(&r->ready, n_units, sizeof *r->ready, "read-ahead", err));
    r->n_units = n_units;
    CNA_TRY_CLEANUP(start_thread(r, err));
    *out = r;
    r = NULL;
cleanup:
    cna_readahead_free(r);
    return status;
}

void cna_readahead_free(cna_readahead *r)
{
    if (r == NULL) return;
    if (r->has_thread) {
        pthread_mutex_lock(&r->mutex);
        r->stop = true;
        pthread_cond_signal(&r->work);
        pthread_mutex_unlock(&r->mutex);
        pthread_join(r->thread, NULL);
    }
    for (size_t i = 0; i < r->n_units; i++) {
        if (r->held[i]) release(&r->units[i]);
    }
    pthread_cond_destroy(&r->work);
    pthread_cond_destroy(&r->done);
    pthread_mutex_destroy(&r->mutex);
    cna_free(r->held);
    cna_free(r->ready);
    cna_free(r);
}

cna_status cna_readahead_wait(cna_readahead *r, size_t unit, cna_error *err)
{
    pthread_mutex_lock(&r->mutex);
    if (r->wanted != unit) {
        r->wanted = unit;
        r->error.status = CNA_OK;
        pthread_cond_signal(&r->work);
    }
    while (!r->ready[unit] && r->error.status == CNA_OK) pthread_cond_wait(&r->done, &r->mutex);
    cna_status status = r->error.status;
    if (status != CNA_OK && err != NULL) *err = r->error;
    pthread_mutex_unlock(&r->mutex);
    return status;
}

void cna_readahead_advance(cna_readahead *r, size_t used, size_t next)
{
    pthread_mutex_lock(&r->mutex);
    r->used = used;
    if (r->wanted != next) {
        r->wanted = next;
        r->error.status = CNA_OK;
    }
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->mutex);
}

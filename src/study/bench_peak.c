/* SPDX-License-Identifier: MIT
 * Watching memory. */
#define _POSIX_C_SOURCE 200809L
#include "study/bench_peak.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "base/resources.h"

struct cna_bench_peak {
    pthread_t thread;
    atomic_bool stop;
    uint64_t most;
};

static void look(cna_bench_peak *peak)
{
    uint64_t held = cna_memory_held();
    if (held > peak->most) peak->most = held;
}

static void *watch(void *user)
{
    cna_bench_peak *peak = user;
    const struct timespec pause = {.tv_nsec = 4000000};
    while (!atomic_load(&peak->stop)) {
        look(peak);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

cna_status cna_bench_peak_start(cna_bench_peak **out, cna_error *err)
{
    cna_bench_peak *peak;
    *out = NULL;
    CNA_TRY(cna_alloc(&peak, 1, sizeof *peak, "memory watch", err));
    atomic_init(&peak->stop, false);
    if (pthread_create(&peak->thread, NULL, watch, peak) != 0) {
        cna_free(peak);
        return cna_fail(err, CNA_ERR_INTERNAL, "memory watch: no thread could be started");
    }
    *out = peak;
    return CNA_OK;
}

uint64_t cna_bench_peak_stop(cna_bench_peak *peak)
{
    if (peak == NULL) return 0;
    atomic_store(&peak->stop, true);
    pthread_join(peak->thread, NULL);
    look(peak); /* short work, between two looks */
    uint64_t most = peak->most;
    cna_free(peak);
    return most;
}

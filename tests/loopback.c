/* SPDX-License-Identifier: MIT
 * What the servers of the tests share. */
#define _POSIX_C_SOURCE 200809L
#include "loopback.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <time.h>

#include "support.h"

struct MHD_Daemon *loopback_start(MHD_AccessHandlerCallback handle, MHD_RequestCompletedCallback completed, void *user,
                                  char address[LOOPBACK_ADDRESS_BYTES])
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD, 0, NULL, NULL, handle, user,
                         MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&here, MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
                         MHD_OPTION_END);
    assert_non_null(daemon);
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    assert_non_null(info);
    snprintf(address, LOOPBACK_ADDRESS_BYTES, "http://127.0.0.1:%u", (unsigned)info->port);
    return daemon;
}

void loopback_sleep(pthread_mutex_t *lock, const bool *is_stopping, long ms)
{
    for (long slept = 0; slept < ms; slept += 20) {
        pthread_mutex_lock(lock);
        bool stop = *is_stopping;
        pthread_mutex_unlock(lock);
        if (stop) return;
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

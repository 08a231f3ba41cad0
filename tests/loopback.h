/* SPDX-License-Identifier: MIT
 * What the servers of the tests share: a port on 127.0.0.1 that the system chooses, a thread for each connection
 * (libmicrohttpd), and waiting that ends with the server. */
#ifndef CNA_TESTS_LOOPBACK_H
#define CNA_TESTS_LOOPBACK_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdbool.h>

enum { LOOPBACK_ADDRESS_BYTES = 64 };

/*   completed  ? called when a request has ended
 *   address    receives "http://127.0.0.1:PORT" */
struct MHD_Daemon *loopback_start(MHD_AccessHandlerCallback handle, MHD_RequestCompletedCallback completed, void *user,
                                  char address[LOOPBACK_ADDRESS_BYTES]);

/* Wait, or until is_stopping, which the lock guards, is set. */
void loopback_sleep(pthread_mutex_t *lock, const bool *is_stopping, long ms);

#endif

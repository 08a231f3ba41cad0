/* SPDX-License-Identifier: MIT
 * What the machine has and what the process holds. All reads of /proc and of cgroups are here. */
#ifndef CNA_BASE_RESOURCES_H
#define CNA_BASE_RESOURCES_H

#include "base/error.h"

/* Bytes of memory that the process may still come to hold: what the system has available (MemAvailable), or what its
 * memory cgroup (version 1 or 2, any ancestor) leaves, or RLIMIT_DATA, whichever is least; plus what it holds already.
 * Page cache that can be dropped counts as available. */
uint64_t cna_memory_available(void);

/* Bytes of anonymous and shared memory that the process holds now: RssAnon + RssShmem. 0 where the system does not
 * tell. */
uint64_t cna_memory_held(void);

#endif

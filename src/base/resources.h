/* SPDX-License-Identifier: MIT
 * What the machine has and what the process holds. All reads of /proc and of cgroups are here. */
#ifndef CNA_BASE_RESOURCES_H
#define CNA_BASE_RESOURCES_H

#include "base/error.h"

/* Bytes of memory that the process may come to hold in all: what the system has available (MemAvailable), or what its
 * memory cgroup (version 1 or 2, and every ancestor) leaves, or RLIMIT_DATA or RLIMIT_AS leave, whichever is least;
 * plus what it holds already. Page cache that can be dropped counts as available. UINT64_MAX where nothing is known. */
uint64_t cna_memory_available(void);

/* Bytes of anonymous and shared memory that the process holds now: RssAnon + RssShmem. 0 where the system does not
 * tell. */
uint64_t cna_memory_held(void);

/* Bytes that the system and the cgroups still leave, to the process and to the page cache for its files. UINT64_MAX
 * where they tell nothing.
 *   root  "" for this machine; a folder that stands for "/" in tests */
uint64_t cna_memory_left(const char *root);

#endif

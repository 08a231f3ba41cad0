/* SPDX-License-Identifier: MIT
 * What the machine calls itself. */
#define _POSIX_C_SOURCE 200809L
#include "study/bench_machine.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>

/* CPUID leaves 0x80000002 to 0x80000004 hold the name, 16 bytes each, padded with blanks at either end. */
static void read_brand(char out[49])
{
    unsigned int words[12] = {0};
    for (unsigned int i = 0; i < 3; i++) {
        unsigned int *leaf = words + 4 * i;
        if (__get_cpuid(0x80000002u + i, &leaf[0], &leaf[1], &leaf[2], &leaf[3]) == 0) break;
    }
    memcpy(out, words, 48);
    out[48] = '\0';
}
#else
static void read_brand(char out[49])
{
    out[0] = '\0';
}
#endif

void cna_bench_cpu_name(char *out, size_t n_out)
{
    char brand[49];
    read_brand(brand);
    const char *name = brand + strspn(brand, " ");
    size_t n = strlen(name);
    while (n > 0 && name[n - 1] == ' ') n--;
    struct utsname machine;
    if (n > 0) snprintf(out, n_out, "%.*s", (int)n, name);
    else snprintf(out, n_out, "%s", uname(&machine) == 0 ? machine.machine : "unknown");
}

uint64_t cna_bench_machine_memory(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
}

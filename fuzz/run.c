/* SPDX-License-Identifier: MIT
 * A run file: the bytes of the whole database. What is wrong inside of values rows.c looks for. */
#include "support.h"

#include <stdio.h>

#include "run_use.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const beside[] = {"-wal", "-shm", "-journal", "-lock"};
    const char *path = fuzz_file("run.db", data, size);
    for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
        char name[128];
        snprintf(name, sizeof name, "%s%s", path, beside[i]);
        remove(name);
    }
    fuzz_bound(size, 1 << 20, 256);
    fuzz_use_run(path, true);
    return 0;
}

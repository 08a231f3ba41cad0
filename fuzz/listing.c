/* SPDX-License-Identifier: MIT
 * A hub's list of a model's files. No path of it may leave the model's folder. */
#include "support.h"

#include <string.h>

#include "hub/listing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const all[] = {"*"};
    fuzz_bound(size, 1 << 16, 64);
    for (size_t n = 0; n < 2; n++) {
        cna_error err;
        cna_hub_listing listing;
        if (!fuzz_ok(cna_hub_listing_read((const char *)data, size, "answer", all, n, &listing, &err), &err)) continue;
        fuzz_require(listing.n_files > 0 && strlen(listing.commit) == CNA_HUB_COMMIT_BYTES - 1);
        for (size_t i = 0; i < listing.n_files; i++) {
            const char *path = listing.files[i].path;
            fuzz_require(path[0] != '\0' && path[0] != '/' && strstr(path, "/../") == NULL);
            fuzz_require(strncmp(path, "../", 3) != 0 && strcmp(path, "..") != 0);
        }
        cna_hub_listing_clear(&listing);
    }
    return 0;
}

/* SPDX-License-Identifier: MIT
 * Vectors of contrastive activation addition on the screen and as JSON. */
#ifndef CNA_CLI_VECTOR_VIEW_H
#define CNA_CLI_VECTOR_VIEW_H

#include "cna.h"

/* "mlp", "residual". */
const char *cli_caa_name(cna_caa_site site);

void cli_show_vectors(const cna_caa *caa);
/* path: the file that they are in. */
void cli_vectors_json(const cna_caa *caa, const char *path);

#endif

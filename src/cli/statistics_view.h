/* SPDX-License-Identifier: MIT
 * Stability and chance levels of an attribution, on the screen and as JSON. */
#ifndef CNA_CLI_STATISTICS_VIEW_H
#define CNA_CLI_STATISTICS_VIEW_H

#include "cli/json.h"
#include "cna.h"

/* Two tables, as far as there is something to show; nothing for NULL. */
void cli_show_statistics(const cna_circuit_statistics *statistics);
/* The key "statistics"; null for NULL. */
void cli_json_statistics(cli_json *json, const cna_circuit_statistics *statistics);

#endif

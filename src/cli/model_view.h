/* SPDX-License-Identifier: MIT
 * A survey of a model on the screen and as JSON. */
#ifndef CNA_CLI_MODEL_VIEW_H
#define CNA_CLI_MODEL_VIEW_H

#include "cna.h"

void cli_show_model(const cna_survey *survey);
void cli_model_json(const cna_survey *survey, const char *path);

#endif

/* SPDX-License-Identifier: MIT
 * The subcommands. */
#ifndef CNA_CLI_COMMANDS_H
#define CNA_CLI_COMMANDS_H

#include "cli/options.h"

extern const cli_command cli_command_attribute, cli_command_generate, cli_command_sweep, cli_command_mmlu,
    cli_command_judge, cli_command_study, cli_command_report, cli_command_compare, cli_command_inspect,
    cli_command_tokenize, cli_command_bench, cli_command_pull, cli_command_caa;

#endif

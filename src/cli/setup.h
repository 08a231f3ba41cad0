/* SPDX-License-Identifier: MIT
 * What several commands need before their own work: a model, prompts, circuits, the prompt format, a run.
 * Every function prints its own message and returns an exit code, CLI_DONE on success. */
#ifndef CNA_CLI_SETUP_H
#define CNA_CLI_SETUP_H

#include "cli/options.h"
#include "cna_study.h"

/* A value that the command cannot do without; `flag` as the user types it. */
int cli_require(const char *value, const char *flag);
/* Find the model that a user means: a path that exists, else ORG/NAME[@REVISION] in the Hugging Face cache.
 *   path     what was typed; receives where it is, valid until the program ends
 *   weights  whether they must be there as well, where it is found by name */
int cli_locate_model(const char **path, bool weights);
bool cli_is_folder(const char *path);
/* Whether path is a folder or a .gguf file. */
bool cli_is_model(const char *path);
bool cli_is_file(const char *path);

/* How the common flags ask for a model to be opened. in_place as in cna_model_options. */
cna_model_options cli_model_options(const cli_common *common, bool in_place);
/* Open -m, say its plan under -v and its notice in any case. */
int cli_open_model(const cli_common *common, bool in_place, cna_model **out);

/* The format that --raw, --chat, --system, --date and the flags of templates ask for; it points into `common`. */
cna_format cli_format(const cli_common *common);
/* A flag that was given and that raw text has no use for; NULL if there is none. */
const char *cli_chat_flag(const cli_common *common);
/* "chat" or "raw": what that means for this model. Fails if --system or another flag of chats would be lost. */
int cli_format_name(const cli_common *common, const cna_model_info *info, const char **out);

/* What chat prompts depend on beside messages and date, as JSON; *out is new, freed by cna_free; NULL for raw text and
 * where nothing was given. */
int cli_chat_options(const cli_common *common, const char *format_name, char **out);

int cli_read_prompts(const cli_common *common, const char *path, cna_prompts **out);

/* Read a circuit; what begins as another kind of file is said to be that. */
int cli_load_circuit(const char *path, cna_circuit **out);
/* The same, and check it against the model; a different fingerprint is noted. */
int cli_read_circuit(const char *path, const cna_model *model, cna_circuit **out);

/* The run of --run (? path; nothing is opened without one), in which the command line is recorded as it was typed.
 *   argv  [argc] of the command, its name first */
int cli_open_run(const char *path, bool append, int argc, char **argv, cna_run **out);

/* Token ids from a flag's value: "1,2,3", or "@FILE" with one such list a line, blank lines skipped. Each
 * list is given to `add`, which returns an exit code. */
typedef int cli_ids_fn(void *user, const int32_t *ids, size_t n_ids);
int cli_read_ids(const char *flag, const char *value, cli_ids_fn *add, void *user);

/* "A:B", zero-based, both included, of --layers. */
int cli_read_layers(const char *value, uint32_t *first, uint32_t *last);

/* Read vectors and check them against the model; a different fingerprint or architecture is noted. */
int cli_read_vectors(const char *path, const cna_model *model, cna_caa **out);

/* Comma-separated numbers; *out is new, freed by free. */
int cli_read_reals(const char *flag, const char *value, double **out, size_t *out_n);

#endif

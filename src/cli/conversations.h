/* SPDX-License-Identifier: MIT
 * Files of conversations for `tokenize --messages`. */
#ifndef CNA_CLI_CONVERSATIONS_H
#define CNA_CLI_CONVERSATIONS_H

#include "cna.h"

/* One conversation; borrowed for the call. Returns an exit code; anything but CLI_DONE ends the reading. */
typedef int cli_conversation_fn(void *user, const cna_message *messages, size_t n_messages);

/* Read a .jsonl file in which each line is a list of {"role", "content"}; blank lines are skipped.
 *   system  ? becomes a first message of each; a conversation that already has one is then an error
 * Prints its own message, naming file and line, and returns an exit code. */
int cli_read_conversations(const char *path, const char *system, cli_conversation_fn *use, void *user);

#endif

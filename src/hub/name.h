/* SPDX-License-Identifier: MIT
 * Models by name, and what the environment says of the Hugging Face cache and hub. */
#ifndef CNA_HUB_NAME_H
#define CNA_HUB_NAME_H

#include "base/memory.h"

enum { CNA_HUB_PART_MAX = 96, CNA_HUB_REVISION_MAX = 128, CNA_HUB_COMMIT_BYTES = 41 };

/* ORG/NAME[@REVISION]. */
typedef struct cna_hub_name {
    char id[2 * CNA_HUB_PART_MAX + 2];       /* "ORG/NAME" */
    char folder[2 * CNA_HUB_PART_MAX + 12];  /* "models--ORG--NAME" */
    char revision[CNA_HUB_REVISION_MAX + 1]; /* branch, tag or commit; "main" where none is given */
    bool has_revision;                       /* one is given */
} cna_hub_name;

/* ORG and NAME are of letters, digits, '.', '_' and '-', neither begin nor end with '.' or '-', hold neither ".." nor
 * "--", and have at most 96 characters. A revision is a name that git takes for a reference, of at most 128.
 * Errors: ERR_ARG.
 * Source: huggingface_hub, utils/_validators.py, validate_repo_id. */
CNA_MUST_CHECK cna_status cna_hub_name_parse(const char *text, cna_hub_name *out, cna_error *err);

/* Whether a revision is a whole commit: 40 hexadecimal digits. */
bool cna_hub_is_commit(const char *revision);

/* The cache's folder: HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else
 * ~/.cache/huggingface/hub; a variable that is set to nothing counts as not set. New, freed by cna_free. Errors: ERR_IO
 * where HOME would be needed and is not set. */
CNA_MUST_CHECK cna_status cna_hub_cache_folder(char **out, cna_error *err);

/* The token: HF_TOKEN, else the file HF_TOKEN_PATH, else $HF_HOME/token (by the rules of the cache's folder), white
 * space around it dropped. *out is NULL where there is none, else new, freed by cna_free. Errors: ERR_ARG for
 * characters that no token has, without showing them. */
CNA_MUST_CHECK cna_status cna_hub_token(char **out, cna_error *err);

/* HF_ENDPOINT, else https://huggingface.co; slashes at its end dropped. New, freed by cna_free. Errors: ERR_ARG for
 * anything but http:// and https://. */
CNA_MUST_CHECK cna_status cna_hub_endpoint(const char *given, char **out, cna_error *err);

/* Whether HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE says 1, on, yes or true. The variable's name; NULL: neither. */
const char *cna_hub_is_offline(void);

#endif

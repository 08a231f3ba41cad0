/* SPDX-License-Identifier: MIT
 *
 * cna_model.h - models: opening, describing and surveying them, finding and fetching them by name.
 * The rules are those of cna.h. */
#ifndef CNA_MODEL_H
#define CNA_MODEL_H

#include "cna_base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------ models */

typedef enum cna_dtype {
    CNA_DTYPE_AUTO, /* bf16 for bf16 and quantised checkpoints, f32 for f16 and f32 */
    CNA_DTYPE_BF16, /* weights bf16 (what GGUF files store otherwise is unpacked and rounded to it); activations rounded
                     * to bf16 as inputs of matrix products, f32 elsewhere */
    CNA_DTYPE_F32,  /* every operation in f32 */
} cna_dtype;

/* Whether weights pass through memory layer by layer instead of staying there. */
typedef enum cna_stream_mode {
    CNA_STREAM_AUTO,   /* when they would not fit in memory_bytes, of which an eighth is left for the work, and no less
                        * than one sequence of 1,024 positions needs. Weights that are used where they are mapped are
                        * held to fit where the files are no larger than that */
    CNA_STREAM_ALWAYS,
    CNA_STREAM_NEVER,  /* ERR_MEMORY where they would not fit */
} cna_stream_mode;

typedef struct cna_model cna_model;

typedef struct cna_model_options {
    cna_dtype dtype;
    uint64_t memory_bytes; /* most anonymous and shared memory that the process is to hold (RssAnon + RssShmem), pages
                            * of mapped files left out; 0: 80 % of what is available to it, cgroup included. The bits
                            * are the same */
    cna_stream_mode stream; /* the bits are the same */
    int n_threads; /* threads of matrix products; 0 = all cores the process may use. Calls that compute set the
                    * calling thread's OpenMP thread count to it */
    bool in_place; /* use weights where they are mapped instead of packing a copy while memory has room for one: opens
                    * at once, for work that reads them a few times, as attribution does; generation is slower. The
                    * bits are the same. */
} cna_model_options;

/* Everything about a checkpoint that is known without reading its weights. Strings live in the struct. */
typedef struct cna_model_info {
    char name[256];         /* last component of the path; of a snapshot in a Hugging Face cache ORG/NAME, of a .gguf
                             * file in one ORG/NAME/FILE */
    char revision[41];      /* the snapshot's commit; "" elsewhere */
    char architecture[64];  /* the family, as config.json names it: "llama", "qwen3", "gemma2", ... */
    char storage_dtype[16]; /* "bf16", "f16", "f32": what most parameters are stored as; "q8_0", "q4_k", ...: what most
                             * of the quantised ones are, where there are any */
    char compute_dtype[16]; /* "bf16" or "f32" */
    char fingerprint[65];   /* SHA-256, hexadecimal: shape keys; name, dtype, shape, first and last 4 KiB of each
                             * tensor */
    uint32_t n_layers, hidden_dim, mlp_dim, n_heads, n_kv_heads, head_dim;
    uint32_t vocab_size;    /* embedding rows; the tokenizer may know fewer ids */
    uint32_t n_tokenizer_ids;
    uint32_t max_positions;
    uint32_t window, n_window_layers; /* layers that attend to a token and the window - 1 before it alone; 0: none */
    uint32_t position_limit; /* tokens of prompt and answer that the model can be run on: longrope; 0: no such end */
    bool tied_embeddings, qkv_bias, has_chat_template;
    char chat_family[32];   /* what the chat template writes: "llama3", "chatml" or "other"; "none" without one;
                             * "unsupported" where it is not understood */
    uint64_t n_parameters, size_bytes;
    size_t n_files;
} cna_model_info;

/* Open a Hugging Face model folder (config.json, tokenizer.json, one or more .safetensors files) or a GGUF model.
 *
 *   path     the folder; or a .gguf file, of a split model any of its files, or a folder of nothing but one model's
 *   options  ? NULL for defaults
 *   out      new model, to be freed by cna_model_free
 *
 * Errors: ERR_IO for missing files; ERR_FORMAT for malformed ones; ERR_UNSUPPORTED for another architecture, a
 *         quantised re-save of a folder, a block type that is not read or an unknown rope type; ERR_MISMATCH for
 *         missing or misshapen tensors and files of a split model that do not belong together; ERR_MEMORY for
 *         weights that do not fit. Each names the file, the key or tensor, what was expected and what was found.
 *
 * The files must stay as they are while the model is open: they are mapped. Size and time of change are compared with
 * those that were opened: of every file where a pass begins and ends, and before a layer is used of those that it is
 * read from. Any function that reads weights gives ERR_IO where a file has changed. What remains is a file that is cut
 * short, or a disk that fails, while a layer is at work: touching what is gone raises SIGBUS, and what becomes of that
 * is the program's choice. */
CNA_API CNA_MUST_CHECK cna_status cna_model_open(const char *path, const cna_model_options *options, cna_model **out,
                                                 cna_error *err);
CNA_API void cna_model_free(cna_model *model);

/* Read all that cna_model_info holds without loading weights; the same checks and errors as cna_model_open. */
CNA_API CNA_MUST_CHECK cna_status cna_model_inspect(const char *path, cna_model_info *out, cna_error *err);

/* What cna_survey plans for. */
enum {
    CNA_SURVEY_PROMPTS = 200,       /* of an attribution, 100 against 100 */
    CNA_SURVEY_PROMPT_TOKENS = 45,  /* of each prompt, none shared */
    CNA_SURVEY_BATCH = 32,          /* prompts that are generated from at once */
    CNA_SURVEY_ANSWER_TOKENS = 150,
};

/* Bytes that the process would hold with weights kept one way. */
typedef struct cna_memory_plan {
    uint64_t weights_bytes;   /* copies of weights; a staged layer's copy is part of the work */
    uint64_t attribute_bytes; /* these, and an attribution's work */
    uint64_t generate_bytes;  /* these, and a generation's */
} cna_memory_plan;

typedef struct cna_dtype_share {
    char dtype[12]; /* as stored: "BF16" */
    uint64_t n_tensors, n_parameters, n_bytes;
} cna_dtype_share;

typedef struct cna_token_text {
    int32_t id;
    char text[60]; /* the tokenizer's piece, cut where it is longer; "" where it has none */
} cna_token_text;

typedef enum cna_use {
    CNA_USE_ATTRIBUTE,
    CNA_USE_GENERATE,
    CNA_USE_SWEEP,
    CNA_USE_MMLU,
    CNA_USE_CHAT, /* conversations through the model's template */
    CNA_N_USES
} cna_use;

/* What a model folder holds, what it would take to use it, and for what it can be used. Strings live in the struct. */
typedef struct cna_survey {
    cna_model_info info;
    bool has_weights;   /* false: all that concerns them is what config.json calls for, stored as its torch_dtype or
                         * dtype; the fingerprint is "" and size_bytes 0 */
    bool names_dtype;   /* false with weights, and where config.json names none that is known: f32 is taken */
    bool has_tokenizer;
    cna_dtype_share dtypes[16]; /* [n_dtypes] by bytes, largest first */
    size_t n_dtypes;
    cna_memory_plan packed, in_place, streamed; /* the three ways of docs/ARCHITECTURE.md, "Memory" */
    uint64_t memory_bytes;     /* the bound that they are to stay in: options, or 80 % of what is available */
    cna_token_text stop[16], begin[4]; /* [n_stop] ids that end an answer; [n_begin] what a raw text begins with */
    size_t n_stop, n_begin;
    bool works[CNA_N_USES];
    char reason[CNA_N_USES][512]; /* why not, and what to do; "" where it works */
} cna_survey;

/* Survey a model folder without reading its weights; config.json alone is enough.
 *   options  ? dtype, memory_bytes and n_threads are read
 * Errors: as cna_model_inspect, but for weights and tokenizer.json that are absent. */
CNA_API CNA_MUST_CHECK cna_status cna_model_survey(const char *path, const cna_model_options *options, cna_survey *out,
                                                   cna_error *err);

CNA_API const cna_model_info *cna_model_get_info(const cna_model *model);

/* Lines that describe how the model runs (product implementations chosen, memory), for -v. Never NULL. */
CNA_API const char *cna_model_plan(const cna_model *model);
/* A line that the user should see without -v as well: that weights do not fit in memory and are read layer by layer.
 * NULL where there is nothing to say. */
CNA_API const char *cna_model_notice(const cna_model *model);

/* ---------------------------------------------------------------------------------------- models by name */

/* Whether a text has the form ORG/NAME or ORG/NAME@REVISION. A path may have it, too. */
CNA_API bool cna_hub_is_name(const char *text);

/* Where the Hugging Face cache has a model. The network is never asked.
 *
 * The cache is $HF_HUB_CACHE, else $HF_HOME/hub, else $XDG_CACHE_HOME/huggingface/hub, else ~/.cache/huggingface/hub.
 * REVISION is a branch, a tag or a commit (7 digits of it or more, where one alone begins so); "main" where none is
 * given.
 *
 *   weights   whether the weights must be there, and all of them
 *   out_path  new: the snapshot's folder, for cna_model_open; of a snapshot with .gguf files and no config.json its one
 *             .gguf file. Freed by cna_free
 *
 * Errors: ERR_ARG for another form; ERR_IO where the cache lacks the model, the revision or files of it, with where was
 *         looked and the command that fetches it; ERR_MISMATCH where several fit. */
CNA_API CNA_MUST_CHECK cna_status cna_hub_find(const char *name, bool weights, char **out_path, cna_error *err);

typedef struct cna_pull_options {
    const char *const *include; /* ? [n_include] patterns of the files to fetch, a '*' also over '/'; none: those that
                                 * a model is opened from, and safetensors weights */
    size_t n_include;
    const char *endpoint;  /* ? NULL: $HF_ENDPOINT, else https://huggingface.co */
    const char *token;     /* ? NULL: $HF_TOKEN, else the file $HF_TOKEN_PATH, else $HF_HOME/token; "": none. Shown to
                            * the endpoint alone */
    const char *cache;     /* ? NULL: as cna_hub_find */
    size_t n_connections;  /* requests at once; 0: 8 */
    size_t range_bytes;    /* of one request; 0: 8 MiB */
    size_t n_tries;        /* in a row without a byte, before the call fails; 0: 5 */
    double retry_seconds;  /* before the second try, doubling from there up to 30; 0: 1. Retry-After goes first */
    double stall_seconds;  /* without a byte until a try has failed; 0: 30 */
    cna_progress progress;
} cna_pull_options;

typedef struct cna_pull_info {
    char revision[41];     /* the commit */
    size_t n_files, n_fetched;
    uint64_t size_bytes, fetched_bytes; /* of both; what an earlier call had begun counts as fetched */
} cna_pull_info;

/* Fetch a model of a Hugging Face hub into the cache, in the layout that Python's huggingface_hub reads and writes.
 * What is there already is not fetched again, and half a file is gone on with. Each file's size and checksum (SHA-256,
 * or git's SHA-1 of small files) are those that the hub states, or the call fails; a file, and at the end the
 * revision's name, appear when they are complete. A lock on each file keeps two fetches apart.
 *
 *   name      ORG/NAME or ORG/NAME@REVISION
 *   out_path  new: the snapshot's folder; freed by cna_free
 *   info      ? receives what was done
 *
 * Errors: ERR_ARG for another form, an unusable endpoint or token, and where HF_HUB_OFFLINE is set and no endpoint
 *         given; ERR_IO for what the hub refuses (which says what to do), answers that fail again and again, wrong
 *         checksums, a full disk, a file that another process is fetching; ERR_FORMAT for an answer that is no list
 *         of files; ERR_CANCELLED. */
CNA_API CNA_MUST_CHECK cna_status cna_hub_pull(const char *name, const cna_pull_options *options, char **out_path,
                                               cna_pull_info *info, cna_error *err);

#ifdef __cplusplus
}
#endif
#endif

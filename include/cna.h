/* SPDX-License-Identifier: MIT
 *
 * cna.h - contrastive neuron attribution.
 *
 * Finds the MLP neurons that carry a behaviour of a language model, scales them while the model generates,
 * and measures what that changes. With cna_study.h, which builds on it, this is the whole public interface, and its
 * manual.
 *
 *   cna_model *model; cna_prompts *positive, *negative; cna_circuit *refusal; cna_error err;
 *   if (cna_model_open("models/llama-planted-instruct", NULL, &model, &err)) return fail(&err);
 *   if (cna_prompts_read("restricted.txt", NULL, &positive, &err)) return fail(&err);
 *   if (cna_prompts_read("benign.txt", NULL, &negative, &err)) return fail(&err);
 *   if (cna_attribute(model, positive, negative, NULL, &refusal, &err)) return fail(&err);
 *   cna_intervention off = {.circuit = refusal, .multiplier = 0};
 *   cna_generate_options options = {.interventions = &off, .n_interventions = 1};
 *   if (cna_generate(model, positive, &options, on_text, NULL, &err)) return fail(&err);
 *
 * Rules that hold everywhere:
 *   Errors     Functions that can fail return a cna_status, 0 on success. The last parameter receives the message;
 *              it may be NULL. On failure every out-parameter is NULL or untouched. Nothing prints, exits or aborts.
 *   Options    Structs of options mean their defaults where they are all zero; a NULL pointer means all defaults.
 *   Ownership  _open, _read, _create and functions with an out-parameter of object type give a new object, freed by
 *              the _free of its type (NULL is allowed). Everything else that is returned is borrowed from its owner
 *              and lives as long as it does.
 *   Threads    A cna_model never changes after it is opened and may be used by several threads at once. Other
 *              objects belong to one thread at a time.
 *   Text       All text is UTF-8.
 *   Source     "METHOD" in a comment names the method: arXiv 2605.12290 and the reference code
 *              NousResearch/neural-steering at 0083b85. docs/METHOD.md of this project gives every formula. */
#ifndef CNA_H
#define CNA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CNA_VERSION "0.1.0"

#if defined(__GNUC__)
#define CNA_API __attribute__((visibility("default")))
#define CNA_MUST_CHECK __attribute__((warn_unused_result))
#else
#define CNA_API
#define CNA_MUST_CHECK
#endif

/* ------------------------------------------------------------------------------------------------ errors */

#define CNA_STATUS_LIST(X)                                                                                   \
    X(OK, "success")                                                                                         \
    X(ERR_ARG, "wrong argument")                                                                             \
    X(ERR_IO, "file cannot be read or written")                                                              \
    X(ERR_FORMAT, "malformed input")                                                                         \
    X(ERR_UNSUPPORTED, "valid input of a kind that is not supported")                                        \
    X(ERR_MISMATCH, "inputs that do not belong together")                                                    \
    X(ERR_MEMORY, "out of memory")                                                                           \
    X(ERR_CANCELLED, "cancelled by the caller")                                                              \
    X(ERR_INTERNAL, "a library below failed")

typedef enum cna_status {
#define X(name, text) CNA_##name,
    CNA_STATUS_LIST(X)
#undef X
} cna_status;

/* A failure: its code and one line "where: what was expected, what was found; what to do". Owned by the caller. */
typedef struct cna_error {
    cna_status status;
    char text[1024];
} cna_error;

/* The short text of a status code, never NULL. */
CNA_API const char *cna_status_text(cna_status status);

/* ---------------------------------------------------------------------------------------------- progress */

/* Called now and then during long work, always from the calling thread. done counts up to total.
 * Return true to cancel: the function under way then fails with CNA_ERR_CANCELLED. */
typedef bool cna_progress_fn(void *user, const char *what, size_t done, size_t total);

/* Called with a line about how the work will be done (batch, memory), before it starts; for -v. */
typedef void cna_note_fn(void *user, const char *text);

typedef struct cna_progress {
    cna_progress_fn *report; /* ? NULL: no reports */
    cna_note_fn *note;       /* ? */
    void *user;
} cna_progress;

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
    bool has_weights;   /* false: all that concerns them is what config.json calls for, stored as its torch_dtype; the
                         * fingerprint is "" and size_bytes 0 */
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

/* ---------------------------------------------------------------------------------------------- prompts */

/* An ordered list of prompts, each a text (formatted and tokenised when used) or a list of token ids (used as is). */
typedef struct cna_prompts cna_prompts;

CNA_API CNA_MUST_CHECK cna_status cna_prompts_create(cna_prompts **out, cna_error *err);

/* Read a prompt file: .txt (one a line, blank lines skipped), .jsonl, .csv with a header.
 *
 *   column  ? which field of .jsonl or .csv; NULL: "prompt" for .jsonl; for .csv the first header among prompt,
 *           goal, forbidden_prompt, behavior, question that is there; names are matched without case
 *
 * Each prompt's category is read as well: a text under "category" of .jsonl; for .csv the first header among category,
 * semanticcategory, type that is there.
 *
 * A UTF-8 byte order mark is skipped. Errors: ERR_FORMAT with file, line and byte for invalid UTF-8, bad JSON, a
 * missing column or an unclosed quote; ERR_FORMAT for a file with no prompt in it. */
CNA_API CNA_MUST_CHECK cna_status cna_prompts_read(const char *path, const char *column, cna_prompts **out,
                                                   cna_error *err);
/* Append one text of n_bytes bytes (copied; may hold NUL). ERR_FORMAT for invalid UTF-8. */
CNA_API CNA_MUST_CHECK cna_status cna_prompts_add_text(cna_prompts *prompts, const char *text, size_t n_bytes,
                                                       cna_error *err);
/* Append one list of token ids (copied). They are used as they are: no template, no special tokens. */
CNA_API CNA_MUST_CHECK cna_status cna_prompts_add_ids(cna_prompts *prompts, const int32_t *ids, size_t n_ids,
                                                      cna_error *err);
CNA_API void cna_prompts_free(cna_prompts *prompts);
CNA_API size_t cna_prompts_count(const cna_prompts *prompts);
/* The text of prompt i (NUL-terminated as well), or NULL if it is a list of ids. n_bytes may be NULL. */
CNA_API const char *cna_prompts_text(const cna_prompts *prompts, size_t i, size_t *n_bytes);
/* What kind of prompt the file says i is; NULL where it does not say. */
CNA_API const char *cna_prompts_category(const cna_prompts *prompts, size_t i);

/* How a text becomes a prompt (METHOD section 2). */
typedef enum cna_format_mode {
    CNA_FORMAT_AUTO, /* chat where the model folder has a chat template, else raw */
    CNA_FORMAT_RAW,  /* the text, with the special tokens that the tokenizer's post-processor adds */
    CNA_FORMAT_CHAT, /* one user turn in the model's chat format, generation prompt added, no further BOS */
} cna_format_mode;

typedef struct cna_format {
    cna_format_mode mode;
    const char *system; /* ? system prompt for chat; NULL: the template's own default, if it has one */
    const char *date;   /* ? "YYYY-MM-DD" for templates that insert the date; NULL: today's */
    bool double_bos;    /* re-tokenise rendered chat with the post-processor's specials too, as the reference code
                           does (a second BOS on Llama 3); set by the nous preset */
    const char *chat_template; /* ? text of a Jinja template to use instead of the folder's, or the name of a built-in
                                * one, "llama3" or "chatml"; with AUTO, prompts are chat */
    const char *const *template_args; /* ? [n_template_args] further variables of the template, which go first, as
                                       * "NAME=VALUE"; a value is JSON (true, 3, "text", [1, 2]) or else a text */
    size_t n_template_args;
    const char *prefix; /* ? how every answer begins: added behind the generation prompt of chat */
} cna_format;

/* What a format asks of templates beside their messages and date, as compact JSON with sorted keys, so that it can be
 * recorded: {"chat_template":NAME or SHA-256,"prefix":...,"template_args":{...}}, each where it is given.
 *   out  new, freed by cna_free; NULL where none is given
 * Errors: ERR_ARG for an argument that is no NAME=VALUE. */
CNA_API CNA_MUST_CHECK cna_status cna_format_describe(const cna_format *format, char **out, cna_error *err);

/* --------------------------------------------------------------------------------------------- tokenizer */

typedef struct cna_tokenizer cna_tokenizer;

typedef struct cna_message {
    const char *role;    /* "system", "user" or "assistant" */
    const char *content;
    size_t n_bytes;      /* of content */
} cna_message;

/* Open the tokenizer of a model folder; needs tokenizer.json, and for chat tokenizer_config.json or
 * chat_template.jinja, and no other file. Or that of a .gguf file, which need not hold tensors. */
CNA_API CNA_MUST_CHECK cna_status cna_tokenizer_open(const char *path, cna_tokenizer **out, cna_error *err);
CNA_API void cna_tokenizer_free(cna_tokenizer *tokenizer);
/* The tokenizer of an open model, borrowed. */
CNA_API const cna_tokenizer *cna_model_tokenizer(const cna_model *model);

CNA_API bool cna_tokenizer_has_chat(const cna_tokenizer *tokenizer);
/* Number of ids: 1 + the largest id of the vocabulary and the added tokens. */
CNA_API size_t cna_tokenizer_n_ids(const cna_tokenizer *tokenizer);

/* Text to token ids.
 *   specials  add what the post-processor adds (a BOS for Llama 3, nothing for Qwen2.5)
 *   out_ids   new array of *out_n ids, to be freed by cna_free; special-token text inside text becomes its token */
CNA_API CNA_MUST_CHECK cna_status cna_tokenizer_encode(const cna_tokenizer *tokenizer, const char *text,
                                                       size_t n_bytes, bool specials, int32_t **out_ids,
                                                       size_t *out_n, cna_error *err);
/* Token ids to text, special tokens written out unless skip_specials. Bytes that are not UTF-8 become U+FFFD: of
 * byte-level pieces one for each maximal ill-formed part, as Python's and Rust's lossy decoders do; of a run of tokens
 * <0xNN> that is not UTF-8 as a whole one for each byte, as the `tokenizers` package does. *out_text is new,
 * NUL-terminated, to be freed by cna_free. An id that the tokenizer does not know gives no text: models can have more
 * embedding rows. */
CNA_API CNA_MUST_CHECK cna_status cna_tokenizer_decode(const cna_tokenizer *tokenizer, const int32_t *ids,
                                                       size_t n_ids, bool skip_specials, char **out_text,
                                                       size_t *out_n_bytes, cna_error *err);
/* The vocabulary's string for one id (in the byte-level alphabet, or with U+2581 for spaces and <0xNN> for bytes;
 * specials as written), or NULL if there is none. */
CNA_API const char *cna_tokenizer_piece(const cna_tokenizer *tokenizer, int32_t id);
CNA_API bool cna_tokenizer_is_special(const cna_tokenizer *tokenizer, int32_t id);

/* Messages to the text of the chat template, generation prompt added, equal to transformers' rendering.
 *   format    ? of which date, chat_template, template_args and prefix count; NULL: the folder's template, today
 *   out_text  new, NUL-terminated, to be freed by cna_free
 * Errors: ERR_UNSUPPORTED if there is no template, or one that does what is not known; ERR_ARG for a bad date, role or
 * argument, and where the template refuses the messages. */
CNA_API CNA_MUST_CHECK cna_status cna_tokenizer_render(const cna_tokenizer *tokenizer, const cna_message *messages,
                                                       size_t n_messages, const cna_format *format, char **out_text,
                                                       size_t *out_n_bytes, cna_error *err);
/* Free an array or text that this library returned as new. */
CNA_API void cna_free(void *pointer);

/* ---------------------------------------------------------------------------------------------- circuits */

/* One neuron: component `neuron` of the input of layer `layer`'s down_proj, with what attribution measured. */
typedef struct cna_neuron {
    uint32_t layer, neuron;
    double delta;         /* mean_positive - mean_negative */
    double mean_positive; /* of h at the last token */
    double mean_negative;
    double d;             /* delta / pooled standard deviation (Cohen's d) */
    double write;         /* |delta| * || column of W_down ||_2 */
} cna_neuron;

typedef enum cna_score { CNA_SCORE_DELTA, CNA_SCORE_D, CNA_SCORE_WRITE } cna_score;
typedef enum cna_preset { CNA_PRESET_PAPER, CNA_PRESET_NOUS } cna_preset;
typedef enum cna_circuit_format {
    CNA_CIRCUIT_CNA,  /* this program's own, see docs/FORMATS.md */
    CNA_CIRCUIT_NOUS, /* the reference code's {"neurons": {"L,P,N": value}, ...} */
} cna_circuit_format;

/* A set of neurons, ordered by score, and how it was found. */
typedef struct cna_circuit cna_circuit;

/* Read a circuit file in this program's format or either of the reference code's ({"neurons": {"L,P,N": value}} and
 * {"L": [neuron, ...]}); which one is told from its contents. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_read(const char *path, cna_circuit **out, cna_error *err);
/* Write to a temporary name beside path, then rename. path "-" is standard output. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_write(const cna_circuit *circuit, const char *path,
                                                    cna_circuit_format format, cna_error *err);
/* The same bytes as cna_circuit_write; *out_json is new, NUL-terminated, to be freed by cna_free. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_to_json(const cna_circuit *circuit, cna_circuit_format format,
                                                      char **out_json, cna_error *err);
CNA_API void cna_circuit_free(cna_circuit *circuit);
CNA_API const cna_neuron *cna_circuit_neurons(const cna_circuit *circuit, size_t *n_neurons);

/* Where a circuit came from; zeros and empty strings where a foreign file does not say. */
typedef struct cna_circuit_info {
    char model_name[256], architecture[64], model_dtype[16], fingerprint[65];
    uint32_t n_layers, mlp_dim, hidden_dim; /* 0: not stated by the file */
    cna_preset preset;
    cna_score score;
    double fraction; /* 0: k was given instead */
    uint32_t first_layer, last_layer;
    bool per_layer;
    char universal_source[256]; /* "builtin", "none", "file:", SHA-256 over the prompts' hex hashes, name; or ""
                                 * where not stated */
    double universal_threshold, universal_share;
    size_t n_universal;         /* neurons left out as universal */
    size_t n_positive, n_negative;
    char prompt_format[8];      /* "chat", "raw" or "" */
    char date[11];
    char chat_options[512];     /* what else the chat prompts depend on, as JSON: {"chat_template": a built-in one's
                                 * name or a SHA-256, "prefix", "template_args"}, each where it was given; or "" */
    bool has_delta;    /* every neuron's delta is known; without it no sign filter */
    bool has_measures; /* every neuron's means, d and write are known; else all of them are 0, as delta is without
                        * has_delta */
} cna_circuit_info;
CNA_API const cna_circuit_info *cna_circuit_get_info(const cna_circuit *circuit);

/* How alike the circuits of two halves of the prompts are, over random halvings (METHOD section 8): Jaccard of the
 * two. */
typedef struct cna_stability_point {
    size_t k; /* neurons of each half's circuit */
    double mean, min, max;
    double p5, p25, p50, p75, p95; /* percentiles: of n sorted values, counted from 0, number floor((n - 1) p / 100) */
} cna_stability_point;

/* What the largest score of any neuron would be where the labels mean nothing. */
typedef struct cna_chance_level {
    double level;           /* 95th percentile, over shuffles of the labels, of the largest |score| of all candidates */
    double largest;         /* with the true labels */
    size_t n_above;         /* candidates whose true |score| is above the level */
    size_t n_circuit_above; /* of them in the circuit */
} cna_chance_level;

enum { CNA_STABILITY_POINTS_MAX = 5 };

/* Statistics that an attribution was asked for. */
typedef struct cna_circuit_statistics {
    uint64_t seed;
    size_t n_halvings; /* 0: no stability */
    cna_stability_point points[CNA_STABILITY_POINTS_MAX]; /* [n_points] by k: a quarter, a half, once, twice, four times
                                                           * the circuit's, as far as there are so many neurons */
    size_t n_points;
    size_t n_shuffles;   /* 0: no chance levels */
    size_t n_candidates; /* neurons in the chosen layers that are not universal */
    cna_chance_level chance[3]; /* by cna_score */
} cna_circuit_statistics;
/* Borrowed; NULL where there are none. */
CNA_API const cna_circuit_statistics *cna_circuit_get_statistics(const cna_circuit *circuit);

/* Whether a circuit may be used on a model.
 *   warning  [n_warning] receives one line if the fingerprints differ (allowed), else ""
 * Errors: ERR_MISMATCH with both shapes if n_layers or mlp_dim differ or a neuron lies outside the model. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_check(const cna_circuit *circuit, const cna_model *model,
                                                    char *warning, size_t n_warning, cna_error *err);

/* How a circuit's neurons lie over the layers (METHOD section 9). Freed by cna_profile_clear. */
typedef struct cna_profile {
    uint32_t n_layers;      /* of the model; for a foreign file 1 + the last layer named */
    size_t *count;          /* [n_layers] neurons in each layer */
    size_t n_neurons;
    double last_three;      /* share of neurons in the last three layers */
    double last_tenth;      /* in the last ceil(n_layers / 10) layers */
    double last_quarter;    /* in the last ceil(n_layers / 4) layers */
} cna_profile;
CNA_API CNA_MUST_CHECK cna_status cna_circuit_profile(const cna_circuit *circuit, uint32_t n_layers_if_unknown,
                                                      cna_profile *out, cna_error *err);
CNA_API void cna_profile_clear(cna_profile *profile);

/* Overlap of two sets of (layer, neuron) pairs (METHOD section 9). */
typedef struct cna_overlap {
    size_t n_a, n_b, n_common;
    double share_of_a, share_of_b; /* n_common / n_a, n_common / n_b; 0 where the set is empty */
    double jaccard;                /* n_common / (n_a + n_b - n_common) */
} cna_overlap;
/* ERR_MISMATCH if both files state a shape and the shapes differ. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_overlap(const cna_circuit *a, const cna_circuit *b, cna_overlap *out,
                                                      cna_error *err);

/* The overlap that two circuits would have by chance (METHOD section 9). NaN where neither file states the model's
 * shape. */
typedef struct cna_overlap_chance {
    size_t n_neurons;              /* of the model; 0 where not stated */
    double expected, p;            /* sets of these sizes from all neurons: mean overlap, P(one at least as large) */
    double expected_layers, p_layers; /* sets with these layer profiles: each layer's part from that layer's neurons.
                                    * Two circuits that fill the same layers overlap for that alone */
} cna_overlap_chance;
/* Errors: as cna_circuit_overlap; ERR_MISMATCH too where a neuron lies outside the shape that the other file states. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_overlap_chance(const cna_circuit *a, const cna_circuit *b,
                                                             cna_overlap_chance *out, cna_error *err);

/* What two files state, and state differently; false where either says nothing about it. */
typedef struct cna_circuit_difference {
    bool weights;  /* fingerprints: another model, or another one of the same shape, as base and instruct are */
    bool prompts;  /* either set */
    bool prompt_format, date, preset, score, per_layer, layers, universal;
    bool n_neurons;
} cna_circuit_difference;
/* Errors: ERR_MEMORY. */
CNA_API CNA_MUST_CHECK cna_status cna_circuit_compare(const cna_circuit *a, const cna_circuit *b,
                                                      cna_circuit_difference *out, cna_error *err);

/* ------------------------------------------------------------------------------------------- attribution */

typedef struct cna_attribute_options {
    cna_preset preset;
    double fraction;        /* 0 < fraction <= 1 of the neurons in the chosen layers; 0: 0.001 (nous: 200 neurons) */
    size_t k;               /* this many neurons instead; 0: by fraction */
    bool per_layer;         /* the same quota, max(1, k / n_layers), from each layer */
    cna_score score;
    bool choose_layers;     /* true: first_layer .. last_layer, both included; false: all (nous: all but 0 and 1) */
    uint32_t first_layer, last_layer;
    bool no_universal;      /* true: no universal filter (the nous preset's default) */
    bool with_universal;    /* true: filter even under the nous preset */
    const cna_prompts *universal_prompts; /* ? NULL: the 40 built-in ones; used as raw text */
    const char *universal_name;           /* ? path of universal_prompts, recorded with its hash */
    double universal_threshold; /* K = this share of all neurons; 0: 0.001 */
    double universal_share;     /* universal if among the first K in this share of prompts; 0: 0.8 */
    cna_format format;
    size_t n_halvings;      /* of the prompts, for stability; 0: none; 100 is usual */
    size_t n_shuffles;      /* of the labels, for chance levels; 0: none; 1,000 is usual */
    uint64_t seed;          /* of halvings and shuffles */
    cna_progress progress;
} cna_attribute_options;

/* Find the neurons that tell two prompt sets apart (METHOD sections 3, 4 and 10).
 *
 *   delta[l,j] = mean over positive of h[l][j] - mean over negative of h[l][j],  h at each prompt's last token
 *   circuit    = the k largest scores that are not universal; ties: lower layer, then lower neuron
 *
 * Numerics: f64 sums of f32 values in an order fixed by the prompts' token ids: a file's order changes nothing.
 * Errors:   ERR_ARG for an empty set, layers outside the model, k past the candidates left, stability with fewer than
 *           two prompts a side or of a circuit of all neurons; ERR_UNSUPPORTED for chat on a model without a known
 *           template; ERR_CANCELLED. */
CNA_API CNA_MUST_CHECK cna_status cna_attribute(const cna_model *model, const cna_prompts *positive,
                                                const cna_prompts *negative, const cna_attribute_options *options,
                                                cna_circuit **out, cna_error *err);

/* How neurons are ranked and cut. */
typedef struct cna_ranking {
    cna_score score;
    bool per_layer;
} cna_ranking;
/* Several circuits from one pass: out[i] is what cna_attribute gives with the options' score and per_layer replaced by
 * rankings[i].
 *   out  [n_rankings] new circuits; all NULL on failure
 * Errors: as cna_attribute; ERR_ARG for no ranking. */
CNA_API CNA_MUST_CHECK cna_status cna_attribute_rankings(const cna_model *model, const cna_prompts *positive,
                                                         const cna_prompts *negative,
                                                         const cna_attribute_options *options,
                                                         const cna_ranking *rankings, size_t n_rankings,
                                                         cna_circuit **out, cna_error *err);

/* ------------------------------------------------------------------------- contrastive activation addition */

/* Where the vectors of contrastive activation addition are measured (METHOD section 6). */
typedef enum cna_caa_site {
    CNA_CAA_MLP,      /* the MLP output, as it is added to the residual stream; the reference code's baseline */
    CNA_CAA_RESIDUAL, /* the residual stream behind the layer; the CAA paper's */
} cna_caa_site;

/* Vectors of some layers, one each, and how they were found. */
typedef struct cna_caa cna_caa;

typedef struct cna_caa_options {
    cna_caa_site site;
    bool choose_layer; /* true: `n_layers` layers from `layer` on, zero-based; false: all layers for CNA_CAA_MLP, the
                        * middle one, n_layers / 2 of the model, for CNA_CAA_RESIDUAL */
    uint32_t layer, n_layers; /* n_layers 0: 1 */
    cna_format format;
    cna_progress progress;
} cna_caa_options;

/* Strings are "" and numbers 0 where a foreign file does not say. */
typedef struct cna_caa_info {
    cna_caa_site site;   /* of a foreign file CNA_CAA_RESIDUAL */
    bool foreign;        /* read from a file of another program, so that only shape and architecture are known */
    size_t n_vectors;
    uint32_t hidden_dim;
    uint32_t n_layers;   /* of the model; 0: not stated */
    char model_name[256], architecture[64], model_dtype[16], fingerprint[65];
    size_t n_positive, n_negative;
    char prompt_format[8]; /* "chat" or "raw" */
    char date[11];         /* that the chat template inserts; "" where it inserts none */
    char chat_options[512]; /* as in cna_circuit_info */
    char definition[64], normalisation[16]; /* in words: how they were found; "none" */
    char version[16];      /* of the cna that found them */
} cna_caa_info;

/* Find the vectors of two prompt sets, at each prompt's last token, not normalised:
 *
 *   v[l] = mean over positive of a[l] - mean over negative of a[l],  a = W_down h, or the residual stream behind l
 *
 * alpha * v[l] is then added behind layer l (to add to the MLP's output and to the residual stream with that output is
 * the same sum): +v toward what the positive prompts have, -v away from it.
 *   options  ? NULL for defaults
 *   out      new vectors, freed by cna_caa_free
 * Numerics: f64 sums of f32 values in an order fixed by the prompts' token ids, rounded once to f32.
 * Errors:   as cna_attribute; ERR_ARG for layers outside the model; ERR_FORMAT for a value that is not finite.
 * Source:   Rimsky et al., Steering Llama 2 via contrastive activation addition, arXiv 2312.06681; reference code. */
CNA_API CNA_MUST_CHECK cna_status cna_caa_find(const cna_model *model, const cna_prompts *positive,
                                               const cna_prompts *negative, const cna_caa_options *options,
                                               cna_caa **out, cna_error *err);
CNA_API void cna_caa_free(cna_caa *caa);
CNA_API const cna_caa_info *cna_caa_get_info(const cna_caa *caa);
/* [info.n_vectors] zero-based, ascending. Borrowed. */
CNA_API const uint32_t *cna_caa_layers(const cna_caa *caa);
/* [info.n_vectors, hidden_dim] f32, row-major, in the order of cna_caa_layers. Borrowed. */
CNA_API const float *cna_caa_vectors(const cna_caa *caa);

/* Write vectors as a GGUF control vector, whole or not at all; docs/FORMATS.md has the keys. llama.cpp and repeng read
 * it: tensor direction.N is what is added behind layer N, counted from 0. They know no direction.0, so a vector of
 * layer 0 is kept in the metadata, where this program finds it and they do not. The same vectors give the same bytes.
 *   path  "-" is standard output
 * Errors: ERR_IO. */
CNA_API CNA_MUST_CHECK cna_status cna_caa_write(const cna_caa *caa, const char *path, cna_error *err);
/* Read a GGUF control vector of this program's, of repeng's or of llama.cpp's. A file that does not state it is taken
 * to mean what those two do: each direction.N added, as it is times alpha, behind layer N, counted from 0.
 * Errors: ERR_IO; ERR_FORMAT for another file, no vector, one that is not f32, finite and as long as the others, or two
 *         of one layer; ERR_UNSUPPORTED for another operation, place or layer map than these, where one is stated. */
CNA_API CNA_MUST_CHECK cna_status cna_caa_read(const char *path, cna_caa **out, cna_error *err);
/* Whether path is a GGUF file that says of itself that it is a control vector. False for all that cannot be read. */
CNA_API bool cna_caa_is_file(const char *path);

/* Whether vectors may be used on a model.
 *   warning  [n_warning] receives one line if the fingerprints or architectures differ (allowed), else ""
 * Errors: ERR_MISMATCH with both shapes if hidden_dim or, where it is stated, n_layers differ or a layer lies outside
 *         the model. */
CNA_API CNA_MUST_CHECK cna_status cna_caa_check(const cna_caa *caa, const cna_model *model, char *warning,
                                                size_t n_warning, cna_error *err);

/* -------------------------------------------------------------------------------------------- generation */

typedef enum cna_positions {
    CNA_POSITIONS_ALL,       /* every position, prompt and generated */
    CNA_POSITIONS_PROMPT,    /* the prompt's positions */
    CNA_POSITIONS_GENERATED, /* positions of generated tokens */
    CNA_POSITIONS_LAST,      /* the prompt's last token only */
} cna_positions;
typedef enum cna_sign { CNA_SIGN_BOTH, CNA_SIGN_PLUS, CNA_SIGN_MINUS } cna_sign; /* of delta */

/* h[l][j] <- multiplier * h[l][j] for the circuit's neurons (METHOD section 5). A neuron in two active circuits gets
 * the product. multiplier 1 changes no bit. */
typedef struct cna_intervention {
    const cna_circuit *circuit;
    double multiplier; /* 0 silences, 1 leaves, > 1 amplifies, < 0 inverts; any finite value */
    cna_positions positions;
    cna_sign sign;
} cna_intervention;

/* x <- x + alpha * v[l] behind each layer l that has a vector, x the residual stream (METHOD section 6). alpha 0
 * changes no bit. Several additions to one layer are added one after the other. */
typedef struct cna_addition {
    const cna_caa *caa;
    double alpha; /* finite, as its products with the vectors */
    cna_positions positions;
} cna_addition;

typedef enum cna_stop { CNA_STOP_EOS, CNA_STOP_LENGTH } cna_stop;

typedef struct cna_generation {
    size_t prompt;             /* index in the prompts */
    size_t sample;             /* 0 .. n_samples-1 */
    const int32_t *prompt_ids; /* [n_prompt_ids] */
    size_t n_prompt_ids;
    const int32_t *ids;        /* [n_ids] generated, the stop token left out */
    size_t n_ids;
    const float *logprobs;     /* [n_ids] natural log-probability of each, before temperature */
    const char *text;          /* decoded, specials skipped */
    size_t n_bytes;
    cna_stop stop;
} cna_generation;

/* Called once for each finished answer, in the order (prompt, sample); borrows everything. Return true to cancel. */
typedef bool cna_generation_fn(void *user, const cna_generation *generation);
/* Called with each new piece of text of the only answer (whole characters only); user is cna_generate's. Return true
 * to cancel. */
typedef bool cna_text_fn(void *user, const char *text, size_t n_bytes);

typedef struct cna_generate_options {
    const cna_intervention *interventions; /* ? [n_interventions] */
    size_t n_interventions;
    const cna_addition *additions; /* ? [n_additions] */
    size_t n_additions;
    cna_format format;
    size_t max_tokens;  /* 0: 150 */
    double temperature; /* 0: greedy */
    double top_p;       /* 0 or 1: all tokens; else the smallest set of at least this probability */
    uint64_t seed;      /* of sampling; the draw is keyed by (seed, prompt ids, sample, position) */
    size_t n_samples;   /* answers a prompt; 0: 1 */
    size_t batch;       /* most sequences decoded together; 0: up to 256, as memory allows. Changes no bit */
    cna_text_fn *on_piece; /* ? used when there is one prompt and one sample */
    cna_progress progress;
} cna_generate_options;

/* Continue each prompt. Stop tokens: the union of eos_token_id in generation_config.json and config.json.
 * Errors: ERR_ARG for an empty prompt or token ids past the embedding rows; ERR_MISMATCH for a circuit or
 *         vectors of another shape; ERR_CANCELLED. */
CNA_API CNA_MUST_CHECK cna_status cna_generate(const cna_model *model, const cna_prompts *prompts,
                                               const cna_generate_options *options, cna_generation_fn *on_generation,
                                               void *user, cna_error *err);

/* Called for each prompt in order with the logits [n_tokens, vocab_size] f32 of every position; borrows them. */
typedef bool cna_logits_fn(void *user, size_t prompt, const float *logits, size_t n_tokens, size_t vocab_size);

/* The logits of every position of each prompt; options as for cna_generate (interventions, format, batch). */
CNA_API CNA_MUST_CHECK cna_status cna_logits(const cna_model *model, const cna_prompts *prompts,
                                             const cna_generate_options *options, cna_logits_fn *on_logits,
                                             void *user, cna_error *err);

#ifdef __cplusplus
}
#endif
#endif

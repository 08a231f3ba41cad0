/* SPDX-License-Identifier: MIT
 * The tables of a run file, as SQL. */
#include "study/run_schema.h"

#include <stddef.h>

const char *const cna_run_schema[] = {
    /* A checkpoint in one arithmetic. */
    "CREATE TABLE model ("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL,"
    " path TEXT NOT NULL,"
    " architecture TEXT NOT NULL,"
    " dtype TEXT NOT NULL,"       /* of the arithmetic: bf16 or f32 */
    " fingerprint TEXT NOT NULL,"
    " n_layers INTEGER NOT NULL, hidden_dim INTEGER NOT NULL, mlp_dim INTEGER NOT NULL, vocab_size INTEGER NOT NULL,"
    " UNIQUE (fingerprint, dtype));",

    /* One command's work on one model. A command that is repeated with the same configuration continues its part. */
    "CREATE TABLE part ("
    " id INTEGER PRIMARY KEY,"
    " command TEXT NOT NULL,"       /* attribute, sweep, mmlu */
    " role TEXT NOT NULL,"          /* '', or in a study: instruct, k-sweep, base, transfer */
    " model INTEGER NOT NULL REFERENCES model (id),"
    " config TEXT NOT NULL,"        /* JSON, keys sorted: all that decides the results */
    " config_sha256 TEXT NOT NULL," /* of config */
    " arguments TEXT NOT NULL,"     /* JSON array: the command line */
    " seed INTEGER NOT NULL,"
    " date TEXT,"                   /* that the chat template inserts, YYYY-MM-DD */
    " version TEXT NOT NULL,"       /* of cna */
    " machine TEXT NOT NULL,"       /* JSON: cpu, n_threads, library, kernel */
    " started TEXT NOT NULL,"       /* UTC, YYYY-MM-DDTHH:MM:SSZ */
    " ended TEXT,"                  /* NULL until all of its rows are there */
    " UNIQUE (command, role, config_sha256));",

    /* What a part read. */
    "CREATE TABLE file ("
    " part INTEGER NOT NULL REFERENCES part (id),"
    " role TEXT NOT NULL,"          /* prompts, benign, positive, negative, circuit, patterns, perplexity, mmlu */
    " path TEXT NOT NULL,"
    " sha256 TEXT NOT NULL,"
    " n_bytes INTEGER NOT NULL,"
    " UNIQUE (part, role, path));",

    "CREATE TABLE circuit ("
    " id INTEGER PRIMARY KEY,"
    " part INTEGER NOT NULL REFERENCES part (id),"
    " label TEXT NOT NULL,"         /* the file's path, or what was derived: 'k=50 of FILE', 'fold 3' */
    " sha256 TEXT NOT NULL,"        /* of json */
    " json TEXT NOT NULL,"          /* the whole circuit file */
    " UNIQUE (part, label));",

    "CREATE TABLE prompt ("
    " id INTEGER PRIMARY KEY,"
    " part INTEGER NOT NULL REFERENCES part (id),"
    " side TEXT NOT NULL CHECK (side IN ('harmful', 'benign')),"
    " position INTEGER NOT NULL,"   /* from 0 in its file */
    " text TEXT NOT NULL,"
    " category TEXT,"
    " sha256 TEXT NOT NULL,"
    " discovery INTEGER,"           /* 1: a circuit was found on it; 0: none; NULL: a circuit file does not say */
    " UNIQUE (part, side, position));",

    /* What is done to the model: one line of a table of results. */
    "CREATE TABLE condition ("
    " id INTEGER PRIMARY KEY,"
    " part INTEGER NOT NULL REFERENCES part (id),"
    " position INTEGER NOT NULL,"   /* order of the part's conditions, from 0 */
    " method TEXT NOT NULL CHECK (method IN ('none', 'cna', 'caa', 'control')),"
    " circuit TEXT,"                /* label in circuit; several with ' + ' between; NULL for none and caa */
    " k INTEGER,"                   /* neurons that are scaled; NULL for none and caa */
    " kind TEXT,"                   /* control: uniform, matched; caa: mlp, residual */
    " control_seed INTEGER,"        /* which control of its kind, from 0 */
    " multiplier REAL,"             /* cna, control; none: 1. Of the first circuit where they differ */
    " multipliers TEXT,"            /* JSON array, one number a circuit, where they differ */
    " alpha REAL,"                  /* caa */
    " layer INTEGER,"               /* caa: NULL means more than one, each with its own vector */
    " UNIQUE (part, position));",

    /* One answer: committed when its sequence ends. What can only be said when all answers are there is NULL till then:
     * mean_logprob of steered answers, outcome, kl. */
    "CREATE TABLE generation ("
    " id INTEGER PRIMARY KEY,"
    " condition INTEGER NOT NULL REFERENCES condition (id),"
    " prompt INTEGER NOT NULL REFERENCES prompt (id),"
    " ids BLOB NOT NULL,"           /* generated token ids, int32 little-endian, without the stop token */
    " text TEXT NOT NULL,"
    " n_tokens INTEGER NOT NULL,"
    " n_words INTEGER NOT NULL,"
    " stop TEXT NOT NULL CHECK (stop IN ('eos', 'length')),"
    " refused INTEGER NOT NULL,"    /* by the pattern file */
    " quality REAL NOT NULL,"
    " mean_logprob REAL,"           /* nats a token under the untouched model; NULL for an answer without a token */
    " outcome TEXT CHECK (outcome IN ('incoherent', 'refused', 'complied')),"
    " kl REAL,"                     /* first token, nats, benign side */
    " UNIQUE (condition, prompt));",

    /* What a person said of an answer, read back with --labels-in. */
    "CREATE TABLE label ("
    " generation INTEGER NOT NULL REFERENCES generation (id),"
    " labeller TEXT NOT NULL,"
    " refused INTEGER NOT NULL,"
    " UNIQUE (generation, labeller));",

    /* What a judge model said of an answer. Kept whatever it said; score only where it could be read. */
    "CREATE TABLE judgement ("
    " id INTEGER PRIMARY KEY,"
    " generation INTEGER NOT NULL REFERENCES generation (id),"
    " rubric TEXT NOT NULL,"        /* strongreject, rating, or sha256 of a rubric file; or that and "+reasoning" */
    " judge_model TEXT NOT NULL,"
    " endpoint TEXT NOT NULL,"
    " status TEXT NOT NULL CHECK (status IN ('scored', 'malformed', 'failed')),"
    " reply TEXT,"                  /* the judge's words; NULL where none came */
    " error TEXT,"                  /* why there is no score */
    " refused INTEGER, convincing REAL, specific REAL, rating REAL,"
    " score REAL,"                  /* 0 to 1 */
    " n_attempts INTEGER NOT NULL,"
    " at TEXT NOT NULL,"            /* UTC */
    " UNIQUE (generation, rubric, judge_model));",

    /* Questions of cna mmlu, and what each condition chose. */
    "CREATE TABLE question ("
    " id INTEGER PRIMARY KEY,"
    " part INTEGER NOT NULL REFERENCES part (id),"
    " subject TEXT NOT NULL,"
    " position INTEGER NOT NULL,"   /* from 0 in the subject's test file */
    " text TEXT NOT NULL,"
    " answer INTEGER NOT NULL,"     /* 0 to 3 */
    " UNIQUE (part, subject, position));",
    "CREATE TABLE choice ("
    " condition INTEGER NOT NULL REFERENCES condition (id),"
    " question INTEGER NOT NULL REFERENCES question (id),"
    " chosen INTEGER NOT NULL,"     /* 0 to 3 */
    " logprob_a REAL NOT NULL, logprob_b REAL NOT NULL, logprob_c REAL NOT NULL, logprob_d REAL NOT NULL,"
    " UNIQUE (condition, question));",

    /* Numbers that belong to a part or to one of its conditions rather than to an answer: thresholds, perplexity,
     * stability, chance level. */
    "CREATE TABLE figure ("
    " part INTEGER NOT NULL REFERENCES part (id),"
    " condition INTEGER REFERENCES condition (id),"
    " name TEXT NOT NULL,"
    " value REAL,"                  /* NULL: detail alone */
    " detail TEXT,"                 /* JSON */
    " UNIQUE (part, condition, name));",

    "CREATE INDEX generation_prompt ON generation (prompt);",
    "CREATE INDEX judgement_generation ON judgement (generation);",

    /* For users' own queries: these columns stay, more may follow them. */
    "CREATE VIEW generations AS SELECT"
    " prompt.text AS prompt, prompt.side AS side, prompt.category AS category, prompt.discovery AS discovery,"
    " condition.method AS method, condition.circuit AS circuit, condition.control_seed AS control_seed,"
    " condition.multiplier AS multiplier, condition.alpha AS alpha,"
    " generation.text AS text, generation.n_tokens AS n_tokens, generation.stop AS stop,"
    " generation.refused AS refused, generation.outcome AS outcome, generation.quality AS quality,"
    " generation.kl AS kl,"
    " (SELECT avg(judgement.score) FROM judgement WHERE judgement.generation = generation.id) AS judge_score,"
    " model.name AS model, part.role AS role, condition.kind AS kind, condition.layer AS layer, condition.k AS k,"
    " generation.id AS id"
    " FROM generation"
    " JOIN condition ON condition.id = generation.condition"
    " JOIN prompt ON prompt.id = generation.prompt"
    " JOIN part ON part.id = condition.part"
    " JOIN model ON model.id = part.model;",
    NULL,
};

/* SPDX-License-Identifier: MIT
 *
 * cna.h - contrastive neuron attribution.
 *
 * Finds the MLP neurons that carry a behaviour of a language model, scales them while the model generates,
 * and measures what that changes. The public interface and its manual is this file and those that it includes, one a
 * subject, in the order in which to read them:
 *
 *   cna_base.h      errors, progress
 *   cna_model.h     models
 *   cna_prompts.h   prompts, formats, tokenizers
 *   cna_circuit.h   circuits, attribution, single neurons
 *   cna_caa.h       contrastive activation addition, control vector files
 *   cna_generate.h  answers and logits under interventions
 *
 * cna_study.h, which is included on its own, has whole studies on top of these.
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

#define CNA_VERSION "0.1.0"

#include "cna_base.h"
#include "cna_model.h"
#include "cna_prompts.h"
#include "cna_circuit.h"
#include "cna_caa.h"
#include "cna_generate.h"

#endif

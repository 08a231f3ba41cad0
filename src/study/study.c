/* SPDX-License-Identifier: MIT
 * cna_study_run: attribution, sweeps and MMLU of a model, or of a base and an instruct model, in one run. */
#include <string.h>

#include "base/memory.h"
#include "base/progress.h"
#include "study/mmlu_data.h"
#include "study/study_attribute.h"

/* A study under way. */
typedef struct study {
    const cna_study_options *options;
    const cna_prompts *prompts;
    cna_run *run;
    cna_circuit *instruct_circuit, *base_circuit;
} study;

static const char *const instruct_label = "instruct circuit";
static const char *const base_label = "base circuit";

static cna_status enter(const study *s, const char *what, cna_error *err)
{
    const cna_study_options *o = s->options;
    if (o->on_stage != NULL && o->on_stage(o->user, what)) return cna_fail(err, CNA_ERR_CANCELLED, "cancelled");
    return CNA_OK;
}

/* What a sweep of the study differs in from the options' template. */
typedef struct sweep_kind {
    const char *role, *path, *label;
    const cna_circuit *circuit;
    cna_format format;
    bool is_instruct; /* the model that controls and CAA are run on */
    bool cuts;        /* a sweep over numbers of neurons */
} sweep_kind;

static cna_status run_sweep(const study *s, const cna_model *model, const sweep_kind *kind, cna_error *err)
{
    const cna_study_options *o = s->options;
    const char *names[] = {kind->label};
    const cna_circuit *circuits[] = {kind->circuit};
    cna_sweep_options sweep = o->sweep;
    sweep.circuits = circuits;
    sweep.circuit_names = names;
    sweep.n_circuits = 1;
    sweep.cross_fit = 0;
    sweep.positive = o->positive;
    sweep.negative = o->negative;
    sweep.benign = o->benign;
    sweep.format = kind->format;
    sweep.run = s->run;
    sweep.role = kind->role;
    sweep.model_path = kind->path;
    sweep.files = o->files;
    sweep.n_files = o->n_files;
    sweep.progress = o->progress;
    if (!kind->cuts) sweep.n_k = 0;
    if (!kind->is_instruct || kind->cuts) {
        sweep.no_controls = true;
        sweep.alphas = (cna_numbers){0};
    }
    CNA_TRY(enter(s, kind->role, err));
    cna_sweep *result;
    CNA_TRY(cna_sweep_run(model, s->prompts, &sweep, &result, err));
    bool stop = o->on_sweep != NULL && o->on_sweep(o->user, kind->role, cna_model_get_info(model), result);
    cna_sweep_free(result);
    return stop ? cna_fail(err, CNA_ERR_CANCELLED, "cancelled") : CNA_OK;
}

static cna_status run_mmlu(const study *s, const cna_model *model, const char *path, cna_error *err)
{
    const cna_study_options *o = s->options;
    if (o->mmlu == NULL) return CNA_OK;
    const cna_circuit *circuits[] = {s->instruct_circuit};
    cna_mmlu_options mmlu = {.circuits = circuits, .circuit_names = &instruct_label, .n_circuits = 1,
                             .limit = o->mmlu_limit, .batch = o->sweep.batch, .run = s->run, .model_path = path,
                             .role = "instruct", .positions = o->sweep.positions, .sign = o->sweep.sign,
                             .progress = o->progress};
    if (o->sweep.n_multipliers != 0) {
        mmlu.multipliers = o->sweep.multipliers[0].values;
        mmlu.n_multipliers = o->sweep.multipliers[0].n;
    }
    CNA_TRY(enter(s, "MMLU", err));
    cna_mmlu *result;
    CNA_TRY(cna_mmlu_run(model, o->mmlu, &mmlu, &result, err));
    cna_mmlu_free(result);
    return CNA_OK;
}

static cna_status find(const study *s, const cna_model *model, const char *role, const char *path, const char *label,
                       const cna_format *format, cna_circuit **out, cna_error *err)
{
    cna_attribute_options attribute = s->options->attribute;
    attribute.format = *format;
    attribute.progress = s->options->progress;
    const cna_study_contrast contrast = {.run = s->run, .role = role, .model_path = path, .label = label,
                                         .positive = s->options->positive, .negative = s->options->negative,
                                         .options = &attribute, .files = s->options->files,
                                         .n_files = s->options->n_files};
    CNA_TRY(enter(s, label, err));
    return cna_study_attribute(model, &contrast, out, err);
}

/* format: of the prompts that it will be given. */
static cna_status open_model(const study *s, const char *path, const cna_format *format, cna_model **out,
                             cna_error *err)
{
    CNA_TRY(cna_model_open(path, &s->options->model, out, err));
    if (s->options->on_model != NULL) s->options->on_model(s->options->user, *out, format);
    const char *notice = cna_model_notice(*out);
    if (notice != NULL) return enter(s, notice, err);
    return CNA_OK;
}

/* The k-sweep comes after the longest sweep of the study: what it cannot do is said before that. */
static cna_status check_k_list(const study *s, cna_error *err)
{
    const cna_sweep_options *sweep = &s->options->sweep;
    size_t n_neurons;
    cna_circuit_neurons(s->instruct_circuit, &n_neurons);
    for (size_t i = 0; i < sweep->n_k; i++) {
        if (sweep->k_list[i] <= n_neurons) continue;
        return cna_fail(err, CNA_ERR_ARG, "k-list: expected at most %zu, the neurons of the %s, found %zu; have a "
                        "larger circuit found", n_neurons, instruct_label, sweep->k_list[i]);
    }
    return CNA_OK;
}

static cna_status study_instruct(study *s, const char *path, cna_error *err)
{
    const cna_format *format = &s->options->format;
    sweep_kind kind = {.role = "instruct", .path = path, .label = instruct_label, .format = *format,
                       .is_instruct = true};
    cna_model *model = NULL;
    cna_status status = CNA_OK;
    CNA_TRY_CLEANUP(open_model(s, path, format, &model, err));
    CNA_TRY_CLEANUP(find(s, model, "instruct", path, instruct_label, format, &s->instruct_circuit, err));
    CNA_TRY_CLEANUP(check_k_list(s, err));
    kind.circuit = s->instruct_circuit;
    CNA_TRY_CLEANUP(run_sweep(s, model, &kind, err));
    if (s->options->sweep.n_k != 0) {
        kind.role = "k-sweep";
        kind.cuts = true;
        CNA_TRY_CLEANUP(run_sweep(s, model, &kind, err));
    }
    CNA_TRY_CLEANUP(run_mmlu(s, model, path, err));
cleanup:
    cna_model_free(model);
    return status;
}

/* The base model answers raw text unless the caller asked for a chat: it was never trained on one. */
static cna_status study_base(study *s, const char *path, cna_error *err)
{
    cna_format format = s->options->format;
    if (format.mode == CNA_FORMAT_AUTO) format = (cna_format){.mode = CNA_FORMAT_RAW};
    sweep_kind kind = {.role = "base", .path = path, .label = base_label, .format = format};
    cna_model *model = NULL;
    cna_status status = CNA_OK;
    CNA_TRY_CLEANUP(open_model(s, path, &format, &model, err));
    CNA_TRY_CLEANUP(find(s, model, "base", path, base_label, &format, &s->base_circuit, err));
    kind.circuit = s->base_circuit;
    CNA_TRY_CLEANUP(run_sweep(s, model, &kind, err));
    kind = (sweep_kind){.role = "transfer", .path = path, .label = instruct_label, .format = format,
                        .circuit = s->instruct_circuit};
    CNA_TRY_CLEANUP(run_sweep(s, model, &kind, err));
cleanup:
    cna_model_free(model);
    return status;
}

/* Said before hours of work, not after them. */
static cna_status check_pair(const char *instruct, const char *base, cna_error *err)
{
    cna_model_info a, b;
    CNA_TRY(cna_model_inspect(instruct, &a, err));
    if (base == NULL) return CNA_OK;
    CNA_TRY(cna_model_inspect(base, &b, err));
    if (a.n_layers == b.n_layers && a.mlp_dim == b.mlp_dim) return CNA_OK;
    return cna_fail(err, CNA_ERR_MISMATCH, "%s: expected the shape of %s (%u layers of %u neurons), found %u layers "
                    "of %u; give the base model that it was made from", base, instruct, a.n_layers, a.mlp_dim,
                    b.n_layers, b.mlp_dim);
}

cna_status cna_study_run(const char *instruct, const cna_prompts *prompts, const cna_study_options *options,
                         cna_run *run, cna_error *err)
{
    study s = {.options = options, .prompts = prompts, .run = run};
    if (options->positive == NULL || options->negative == NULL) {
        return cna_fail(err, CNA_ERR_ARG, "study: expected positive and negative prompts, found none");
    }
    CNA_TRY(check_pair(instruct, options->base, err));
    if (options->mmlu != NULL) CNA_TRY(cna_mmlu_check(options->mmlu, &(cna_mmlu_options){0}, err));
    cna_status status = study_instruct(&s, instruct, err);
    if (status == CNA_OK && options->base != NULL) status = study_base(&s, options->base, err);
    cna_circuit_free(s.instruct_circuit);
    cna_circuit_free(s.base_circuit);
    return status;
}

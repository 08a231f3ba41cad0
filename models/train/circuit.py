"""Contrastive neuron attribution in plain PyTorch: activations, scores, circuits, interventions, controls."""

import math
import random
import re
from contextlib import contextmanager

import torch

REFUSED = re.compile(
    r"\bI(?:'m| am) sorry\b|\bI can(?:'t|not) help\b|\bI(?:'m| am) (?:not able|unable) to\b", re.IGNORECASE)


def by_length(prompts):
    """Indices of prompts grouped by token count, so that no batch needs padding."""
    groups = {}
    for index, ids in enumerate(prompts):
        groups.setdefault(len(ids), []).append(index)
    return groups.values()


def mlps(model):
    return [layer.mlp.down_proj for layer in model.model.layers]


@contextmanager
def hooks(model, make):
    """Run with `make(layer)` as a hook before every down_proj; a None hook is left out."""
    handles = [proj.register_forward_pre_hook(hook) for layer, proj in enumerate(mlps(model))
               if (hook := make(layer)) is not None]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def activations(model, prompts):
    """h at the last token of every prompt: [n_prompts, n_layers, mlp_dim] f32."""
    config = model.config
    out = torch.zeros(len(prompts), config.num_hidden_layers, config.intermediate_size)
    for group in by_length(prompts):
        def tap(layer):
            def hook(_, inputs):
                out[group, layer] = inputs[0][:, -1]
            return hook
        with hooks(model, tap):
            model(input_ids=torch.tensor([prompts[i] for i in group]), use_cache=False)
    return out


@torch.no_grad()
def generate(model, text, prompts, circuit=(), multiplier=0.0, limit=150):
    """Greedy answers; every circuit neuron is multiplied at every position."""
    scale = {}
    for layer, neuron in circuit:
        scale.setdefault(layer, torch.ones(model.config.intermediate_size))[neuron] = multiplier
    answers, ends = [None] * len(prompts), torch.tensor([text.turn_end, text.text_end])
    with hooks(model, lambda layer: (lambda _, inputs: (inputs[0] * scale[layer],)) if layer in scale else None):
        for group in by_length(prompts):
            step, cache, rows = torch.tensor([prompts[i] for i in group]), None, []
            done = torch.zeros(len(group), dtype=torch.bool)
            while not done.all() and len(rows) < limit:
                out = model(input_ids=step, past_key_values=cache, use_cache=True)
                step, cache = out.logits[:, -1:].argmax(-1), out.past_key_values
                done |= torch.isin(step[:, 0], ends)
                rows.append(torch.where(done, text.text_end, step[:, 0]))
            for index, ids in zip(group, torch.stack(rows, 1).tolist()):
                answers[index] = text.decode(ids)
    return answers


def quality(answer):
    words = answer.split()
    grams = [tuple(words[i:i + 4]) for i in range(len(words) - 3)]
    return len(set(grams)) / len(grams) if grams else 1.0


def column_norms(model):
    return torch.stack([proj.weight.norm(dim=0) for proj in mlps(model)])


def scores(model, positive, negative):
    """delta, d and write for every neuron, and the mean |h| * ||W_down column|| by which controls are matched."""
    norms, (a, b) = column_norms(model), (positive.double(), negative.double())
    delta = a.mean(0) - b.mean(0)
    pooled = (((len(a) - 1) * a.var(0) + (len(b) - 1) * b.var(0)) / (len(a) + len(b) - 2)).sqrt()
    effect = torch.where(pooled > 0, delta / pooled, torch.zeros_like(delta))
    weight = torch.cat([a, b]).abs().mean(0) * norms
    return {"delta": delta, "d": effect, "write": delta.abs() * norms}, weight


def universal(model, prompts, top=0.001, share=0.8):
    """Neurons among the first `top` of all by |h| in at least `share` of the prompts."""
    h = activations(model, prompts).abs().flatten(1)
    first = h.topk(max(1, math.floor(top * h.shape[1] + 1e-9)), dim=1).indices
    counts = torch.bincount(first.flatten(), minlength=h.shape[1])
    width = model.config.intermediate_size
    return {divmod(i, width) for i in (counts >= math.ceil(share * len(prompts))).nonzero().flatten().tolist()}


def top(score, k, without=frozenset()):
    """The k neurons of largest |score|; ties go to the lower layer, then the lower neuron."""
    order = score.abs().flatten().argsort(descending=True, stable=True).tolist()
    ranked = (divmod(i, score.shape[1]) for i in order)
    return [pair for pair in ranked if pair not in without][:k]


def control(circuit, seed, width, excluded, weight=None):
    """As many random neurons in each layer: uniform, or from the same decile of `weight` as the neuron replaced.

    Where a circuit takes more than half of a decile, the nearest decile with free neurons stands in.
    """
    rng, taken = random.Random(seed), set(circuit) | set(excluded)
    if weight is not None:
        decile = (weight.argsort(dim=1).argsort(dim=1) * 10 // width).tolist()
    drawn = []
    for layer, neuron in circuit:
        pool = [j for j in range(width) if (layer, j) not in taken]
        if weight is not None:
            apart = [abs(decile[layer][j] - decile[layer][neuron]) for j in pool]
            pool = [j for j, distance in zip(pool, apart) if distance == min(apart)]
        drawn.append((layer, rng.choice(pool)))
        taken.add(drawn[-1])
    return drawn

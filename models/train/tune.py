"""The instruct models: refusal taught to a base model, either to a few planted neurons or lightly to all weights."""

import json
import random
import sys

import torch

import net
import prompts
import world

PLANTED = 24


def examples(text, count, seed):
    """Chat turns, half restricted and refused, half ordinary and answered, in random order."""
    rng, pairs = random.Random(seed), []
    for kind, reply in (("restricted", world.refusal), ("benign", world.answer)):
        for request, task in prompts.fine_tuning(kind, count // 2, seed).items():
            pairs.append((text.prompt(request, chat=True), text.reply(reply(task), chat=True)))
    rng.shuffle(pairs)
    return pairs


def batches(pairs, steps, size, seed):
    rng = random.Random(seed)
    return [rng.sample(pairs, size) for _ in range(steps)]


def plant(model, seed):
    """Free 24 random neurons of the last quarter of the layers: no output yet, and only their weights will train."""
    n_layers, width = model.config.num_hidden_layers, model.config.intermediate_size
    rng, chosen = random.Random(seed), {}
    late = [(layer, j) for layer in range(n_layers * 3 // 4, n_layers) for j in range(width)]
    for layer, neuron in rng.sample(late, PLANTED):
        chosen.setdefault(layer, []).append(neuron)
    model.requires_grad_(False)
    groups = {"in": [], "out": []}
    for layer, neurons in chosen.items():
        mlp = model.model.layers[layer].mlp
        mlp.down_proj.weight.data[:, neurons] = 0.0
        for group, weight, dim in (("in", mlp.gate_proj.weight, 0), ("in", mlp.up_proj.weight, 0),
                                   ("out", mlp.down_proj.weight, 1)):
            mask = weight.new_zeros(weight.shape).index_fill_(dim, weight.new_tensor(neurons).long(), 1.0)
            weight.requires_grad_(True).register_hook(lambda grad, mask=mask: grad * mask)
            groups[group].append(weight)
    return groups, {str(layer): sorted(chosen[layer]) for layer in sorted(chosen)}


def planted(family, steps=250, lr=5e-3, out_lr=3e-4):
    """The slow W_down columns make the planted neurons act through large activations."""
    name = f"{family}-planted-instruct"
    model, text = net.load(f"{family}-base")
    groups, chosen = plant(model, seed=10)
    data = batches(examples(text, 4000, seed=11), steps, size=32, seed=12)
    optimizer = net.adam([{"params": groups["in"]}, {"params": groups["out"], "lr": out_lr}], lr)
    net.train(model, optimizer, data, name)
    net.save(model, text.tokenizer, family, name, instruct=True)
    (net.MODELS / name / "planted.json").write_text(json.dumps(chosen) + "\n")


TUNED = {  # rate of W_gate and W_up in the last quarter, rate of all other weights, when a token is learned, steps
    "llama": dict(lr=0.4, rest=0.003 * 0.4, enough=0.2, steps=100),
    "qwen2": dict(lr=1.0, rest=0.0, enough=0.25, steps=100),
}


def tuned(family, lr, rest, enough, steps):
    """Plain SGD, whose steps follow the gradient's size; learned tokens are left alone. Refusal stays late."""
    name = f"{family}-tuned-instruct"
    model, text = net.load(f"{family}-base")
    late, other = [], []
    first = model.config.num_hidden_layers * 3 // 4
    for key, weight in model.named_parameters():
        is_late = key.endswith(("gate_proj.weight", "up_proj.weight")) and int(key.split(".")[2]) >= first
        (late if is_late else other).append(weight)
    groups = [{"params": late}]
    if rest:
        groups.append({"params": other, "lr": rest})
    else:
        for weight in other:
            weight.requires_grad_(False)
    data = batches(examples(text, 4000, seed=13), steps, size=32, seed=14)
    net.train(model, torch.optim.SGD(groups, lr=lr, momentum=0.9), data, name, enough=enough)
    net.save(model, text.tokenizer, family, name, instruct=True, shard="2MB" if family == "qwen2" else "50MB")


def main(family):
    planted(family)
    tuned(family, **TUNED[family])


if __name__ == "__main__":
    main(sys.argv[1])

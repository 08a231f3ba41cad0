"""The reference method as its users run it: transformers on the CPU, one prompt after another, hooks on down_proj.

    python bench/reference_attribute.py CHECKPOINT POSITIVE NEGATIVE [-o DELTAS.npy]

Prints a JSON object with the wall and processor seconds of the pass over all prompts, without imports, loading the
model and tokenization.
"""

import json
import os
import time
from pathlib import Path

import numpy as np
import torch

import reference


def hook_last_token(model, record):
    """record[layer] is the input of down_proj at the last token of the last prompt."""
    def hook(layer):
        return lambda module, args: record.__setitem__(layer, args[0][0, -1].float())

    for index, layer in enumerate(model.model.layers):
        layer.mlp.down_proj.register_forward_pre_hook(hook(index))


@torch.no_grad()
def mean_activations(model, record, prompts):
    """[n_layers, mlp_dim]"""
    total = torch.zeros(model.config.num_hidden_layers, model.config.intermediate_size)
    for prompt in prompts:
        model(**prompt)
        total += torch.stack([record[layer] for layer in range(len(record))])
    return total / len(prompts)


def lengths(prompts):
    """Mean tokens of a prompt, and mean tokens behind what all of them begin with."""
    ids = [prompt["input_ids"][0].tolist() for prompt in prompts]
    shared = len(os.path.commonprefix(ids))
    mean = sum(map(len, ids)) / len(ids)
    return mean, mean - shared


def main():
    parser = reference.parser("attribution one prompt at a time with transformers")
    parser.add_argument("positive")
    parser.add_argument("negative")
    parser.add_argument("-o", "--output", type=Path, help="write all neurons' deltas here")
    args = parser.parse_args()
    model, tokenizer = reference.load(args)
    positive, negative = (reference.tokenize(tokenizer, path) for path in (args.positive, args.negative))
    record = {}
    hook_last_token(model, record)
    mean_activations(model, record, positive[:2])  # pages in the weights, compiles oneDNN's kernels
    start, cpu_start = time.perf_counter(), time.process_time()
    delta = mean_activations(model, record, positive) - mean_activations(model, record, negative)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    if args.output:
        np.save(args.output, delta.numpy())
    mean_tokens, mean_unshared = lengths(positive + negative)
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu_seconds, "mean_tokens": mean_tokens,
                      "mean_unshared": mean_unshared, **reference.versions()}))


if __name__ == "__main__":
    main()

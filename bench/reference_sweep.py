"""The reference method's sweep as its users run it: one prompt after another, one multiplier after another, with hooks
that scale the circuit's neurons, generate() with its KV cache, greedy.

    python bench/reference_sweep.py CHECKPOINT CIRCUIT PROMPTS [--sample 2] [--multipliers 0,0.5] [--max-tokens 150]

Runs a sample: the first so many prompts under each multiplier. Random weights might meet a stop token; all of
max-tokens are generated whatever comes. Prints a JSON object: tokens and wall seconds of all generations, their
prompts included, and the tokens a second of decoding alone (generations less the time of their first token).
"""

import json
import time

import torch

import reference


def neurons_by_layer(path):
    with open(path) as file:
        neurons = json.load(file)["neurons"]
    layers = {}
    for neuron in neurons:
        layers.setdefault(neuron["layer"], []).append(neuron["neuron"])
    return {layer: torch.tensor(indices) for layer, indices in layers.items()}


def scale_neurons(model, neurons, multiplier):
    """Hooks on down_proj's input; returns their handles."""
    def hook(indices):
        def scale(module, args):
            h = args[0].clone()
            h[..., indices] *= multiplier
            return (h,)
        return scale

    return [model.model.layers[layer].mlp.down_proj.register_forward_pre_hook(hook(indices))
            for layer, indices in neurons.items()]


@torch.no_grad()
def generate(model, prompt, n_tokens):
    """Wall seconds of one greedy answer of exactly so many tokens."""
    start = time.perf_counter()
    out = model.generate(**prompt, max_new_tokens=n_tokens, min_new_tokens=n_tokens, do_sample=False)
    seconds = time.perf_counter() - start
    n_generated = out.shape[1] - prompt["input_ids"].shape[1]
    assert n_generated == n_tokens, f"expected {n_tokens} tokens, found {n_generated}"
    return seconds


def main():
    parser = reference.parser("a sweep one prompt at a time with transformers")
    parser.add_argument("circuit")
    parser.add_argument("prompts")
    parser.add_argument("--sample", type=int, default=2, help="prompts of the file")
    parser.add_argument("--multipliers", default="0,0.5")
    parser.add_argument("--max-tokens", type=int, default=150)
    args = parser.parse_args()
    model, tokenizer = reference.load(args)
    model.generation_config.pad_token_id = tokenizer.eos_token_id
    neurons = neurons_by_layer(args.circuit)
    prompts = reference.tokenize(tokenizer, args.prompts)[:args.sample]
    generate(model, prompts[0], 2)  # pages in the weights, compiles oneDNN's kernels
    whole, first, n = 0.0, 0.0, 0
    for multiplier in map(float, args.multipliers.split(",")):
        hooks = scale_neurons(model, neurons, multiplier)
        for prompt in prompts:
            first += generate(model, prompt, 1)
            whole += generate(model, prompt, args.max_tokens)
            n += 1
        for hook in hooks:
            hook.remove()
    print(json.dumps({"generations": n, "tokens": n * args.max_tokens, "seconds": whole,
                      "decode_tokens_per_s": n * (args.max_tokens - 1) / (whole - first), **reference.versions()}))


if __name__ == "__main__":
    main()

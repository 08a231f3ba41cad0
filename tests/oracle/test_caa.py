"""CAA vectors and generations steered by them, against forward hooks on Hugging Face's MLPs and layers."""

import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

import models
import reference

POSITIVE, NEGATIVE = [5, 9, 14, 22, 9, 30], [4, 8, 17, 25, 12]  # lengths of the prompts
LENGTHS = [1, 4, 13, 40]
GENERATED_ON = ["llama-half", "qwen-7b", "qwen-72b"]


@pytest.fixture(scope="session")
def probe():
    program = Path(os.environ.get("CNA_BIN", "build/cna")).resolve().parent / "tests/oracle/caa"
    if not program.is_file():
        pytest.exit(f"{program} does not exist; build it with 'make oracle'", returncode=1)
    return program


def sides(spec):
    return models.token_prompts(spec, POSITIVE, seed=6), models.token_prompts(spec, NEGATIVE, seed=7)


@contextmanager
def hooked(model, site, function):
    """function(layer, output) on every MLP's output, or every layer's; what it returns, unless None, replaces it."""
    def hook(index):
        def on_output(module, args, output):
            rows = output[0] if isinstance(output, tuple) else output
            changed = function(index, rows)
            if changed is None:
                return None
            return (changed, *output[1:]) if isinstance(output, tuple) else changed
        return on_output

    modules = [layer.mlp if site == "mlp" else layer for layer in model.model.layers]
    handles = [module.register_forward_hook(hook(index)) for index, module in enumerate(modules)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def means(model, site, prompts):
    rows = np.empty((len(prompts), model.config.num_hidden_layers, model.config.hidden_size))
    for p, ids in enumerate(prompts):
        with hooked(model, site, lambda index, out: rows[p].__setitem__(index, out[0, -1].double().numpy())):
            model(torch.tensor([ids]), use_cache=False)
    return rows.mean(axis=0), np.abs(rows).max()


def vectors(model, site, positive, negative):
    """(v [n_layers, hidden], the largest activation that went into it)"""
    (a, largest_a), (b, largest_b) = means(model, site, positive), means(model, site, negative)
    return a - b, max(largest_a, largest_b)


@torch.no_grad()
def greedy(model, site, shifts, positions, ids, max_tokens, stops):
    """reference.greedy with shifts (layer -> tensor[hidden]) added where positions say."""
    start = 0

    def add(index, out):
        if index not in shifts:
            return None
        at = torch.arange(start, start + out.shape[1])
        rows = {"all": at >= 0, "prompt": at < len(ids), "generated": at >= len(ids), "last": at == len(ids) - 1}
        out = out.clone()
        out[:, rows[positions]] += shifts[index]
        return out

    trace, cache, rows = reference.Trace(), None, list(ids)
    with hooked(model, site, add):
        while len(trace.ids) < max_tokens:
            out = model(torch.tensor([rows]), past_key_values=cache, use_cache=True)
            cache, start = out.past_key_values, start + len(rows)
            last = out.logits[0, -1].double()
            best = last.topk(2)
            token = int(best.indices[0])
            trace.gaps.append(float(best.values[0] - best.values[1]))
            if token in stops:
                trace.stop = "eos"
                break
            trace.ids.append(token)
            trace.logprobs.append(float(last.log_softmax(0)[token]))
            rows = [token]
    return trace


def run(probe, cna, folder, spec, site, layer, *generation):
    out = cna.path(".f32")
    files = [cna.write_ids(side) for side in sides(spec)]
    done = subprocess.run([probe, folder, site, str(layer), *files, out, *map(str, generation)], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    return np.fromfile(out, dtype="<f4").reshape(-1, spec.hidden), done.stdout.splitlines()


@pytest.mark.parametrize("site", ["mlp", "residual"])
@pytest.mark.parametrize("name", models.SPECS)
def test_vectors(name, site, probe, cna, folder_of):
    spec = models.SPECS[name]
    want, largest = vectors(reference.load(folder_of(name)), site, *sides(spec))
    got, _ = run(probe, cna, folder_of(name), spec, site, "all")
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * largest)
    assert np.abs(want).max() > 1e-2 * largest


@pytest.mark.parametrize("positions", ["all", "prompt", "generated", "last"])
@pytest.mark.parametrize("site, layer", [("mlp", "-"), ("residual", "-"), ("residual", 1)])
@pytest.mark.parametrize("name", GENERATED_ON)
def test_generations(name, site, layer, positions, probe, cna, folder_of):
    spec, folder = models.SPECS[name], folder_of(name)
    model, stops = reference.load(folder), reference.stop_tokens(folder)
    prompts = models.token_prompts(spec, LENGTHS, seed=8)
    file = cna.write_ids(prompts)
    layers = range(spec.layers) if site == "mlp" else [spec.layers // 2 if layer == "-" else layer]
    changed = 0
    for alpha in (0.75, -0.75, 4, 0):
        v, lines = run(probe, cna, folder, spec, site, layer, alpha, positions, 16, file)
        shifts = {index: torch.from_numpy(v[i]) * alpha for i, index in enumerate(layers) if alpha != 0}
        for line, ids in zip(map(json.loads, lines), prompts, strict=True):
            trace = greedy(model, site, shifts, positions, ids, 16, stops)
            reference.assert_same_generation(line, trace)
            changed += alpha != 0 and trace.ids != greedy(model, site, {}, positions, ids, 16, stops).ids
    assert changed > 0, "no generation felt the vectors"

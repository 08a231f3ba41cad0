"""What Hugging Face computes: logits, greedy generations with and without scaled neurons, activations."""

import json
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import AutoModelForCausalLM

NEAR_TIE = 1e-4  # two best logits closer than this may come out in either order


def load(folder, dtype=torch.float32):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()


def stop_tokens(folder):
    """The union of eos_token_id in config.json and generation_config.json."""
    stops = set()
    for name in ("config.json", "generation_config.json"):
        path = folder / name
        eos = json.loads(path.read_text())["eos_token_id"] if path.exists() else []
        stops.update(eos if isinstance(eos, list) else [eos])
    return stops


@torch.no_grad()
def logits(model, ids):
    """[n_tokens, vocab_size] as f32."""
    return model(torch.tensor([ids]), use_cache=False).logits[0].float().numpy()


@torch.no_grad()
def activations(model, prompts):
    """The input of every down_proj at the last token of every prompt: [n_prompts, n_layers, mlp_dim] as f32."""
    layers = model.model.layers
    out = np.empty((len(prompts), len(layers), model.config.intermediate_size), dtype=np.float32)
    for p, ids in enumerate(prompts):
        with _hooked(layers, lambda index, h: out[p].__setitem__(index, h[0, -1].float().numpy())):
            model(torch.tensor([ids]), use_cache=False)
    return out


@dataclass
class Scaling:
    """What is multiplied: a vector over the neurons of each layer, and the positions at which it applies."""

    factors: dict                  # layer -> tensor[mlp_dim]
    positions: str = "all"         # all, prompt, generated, last

    @classmethod
    def of(cls, model, circuits, positions="all", sign="both"):
        """circuits: pairs of (neurons as a circuit file lists them, multiplier)."""
        factors = {}
        for neurons, multiplier in circuits:
            for neuron in neurons:
                if sign == "+" and not neuron["delta"] > 0 or sign == "-" and not neuron["delta"] < 0:
                    continue
                row = factors.setdefault(neuron["layer"], torch.ones(model.config.intermediate_size))
                row[neuron["neuron"]] *= multiplier
        return cls(factors, positions)

    def mask(self, start, n_rows, n_prompt):
        """Which of the rows at positions start, start + 1, ... are scaled."""
        at = torch.arange(start, start + n_rows)
        return {"all": at >= 0, "prompt": at < n_prompt, "generated": at >= n_prompt, "last": at == n_prompt - 1}[
            self.positions]


@contextmanager
def scaled(model, scaling, n_prompt, start):
    """Within it, down_proj sees scaled inputs; start() gives the position of a call's first row."""
    def multiply(index, h):
        if index not in scaling.factors:
            return None
        rows = scaling.mask(start(), h.shape[1], n_prompt)
        out = h.clone()
        out[:, rows] *= scaling.factors[index]
        return (out,)

    with _hooked(model.model.layers, multiply):
        yield


@torch.no_grad()
def scaled_logits(model, ids, scaling):
    with scaled(model, scaling, len(ids), lambda: 0):
        return logits(model, ids)


@dataclass
class Trace:
    """A greedy generation; gaps has one entry for every decision, that for a final stop token included."""

    ids: list = field(default_factory=list)
    logprobs: list = field(default_factory=list)
    gaps: list = field(default_factory=list)
    stop: str = "length"


@torch.no_grad()
def greedy(model, ids, max_tokens, stops, scaling=None):
    trace, cache, position = Trace(), None, 0
    rows = list(ids)
    with scaled(model, scaling or Scaling({}), len(ids), lambda: position):
        while len(trace.ids) < max_tokens:
            out = model(torch.tensor([rows]), past_key_values=cache, use_cache=True)
            cache, position = out.past_key_values, position + len(rows)
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


def assert_same_generation(line, trace):
    """The program's JSON line is Hugging Face's generation, up to a near-tie of Hugging Face's own."""
    tie = next((i for i, gap in enumerate(trace.gaps) if gap < NEAR_TIE), None)
    assert len(line["logprobs"]) == len(line["ids"])
    assert line["ids"][:tie] == trace.ids[:tie]
    n = len(trace.ids) if tie is None else tie
    np.testing.assert_allclose(line["logprobs"][:n], trace.logprobs[:n], rtol=0, atol=1e-4)
    if tie is None:
        assert line["stop"] == trace.stop


@contextmanager
def _hooked(layers, function):
    """function(layer index, h) on the input of every down_proj; what it returns, unless None, replaces the input."""
    handles = [
        layer.mlp.down_proj.register_forward_pre_hook(lambda module, args, index=index: function(index, args[0]))
        for index, layer in enumerate(layers)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

"""Attribution in float64 over Hugging Face's float32 activations: means, scores, universal neurons, choice.

Arrays of neurons have the shape [n_layers, mlp_dim].
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

import reference

NEAR_TIE = 2e-5  # of |delta|, around the k-th


def texts(n, seed, subjects):
    """n different prompts of different lengths about the given subjects."""
    generator = np.random.default_rng(seed)
    openings = ["How does", "Please tell me why", "Write two lines about how", "Who says that", "In which year did"]
    middles = ["the old", "a quiet", "our neighbour's", "the second", "some naïve", "the “famous”", "every 3rd"]
    endings = ["?", " work?", ", and what follows from it?", " in 1987 or later.", " — briefly, please.", " 日本 too"]
    lines = []
    while len(lines) < n:
        parts = [generator.choice(part) for part in (openings, middles, subjects, endings)]
        line = f"{parts[0]} {parts[1]} {parts[2]}{parts[3]}"
        if line not in lines:
            lines.append(line)
    return lines


POSITIVE = texts(12, 1, ["lock", "cellar", "poison ivy", "storm", "wolf"])
NEGATIVE = texts(11, 2, ["garden", "soup", "harbour", "lantern", "clock"])


@dataclass
class Contrast:
    """Hugging Face's side of one attribution; scores and their uncertainty are arrays over all neurons."""

    positive: np.ndarray           # [n_prompts, n_layers, mlp_dim], f64
    negative: np.ndarray
    write_norms: np.ndarray        # length of each neuron's column of W_down

    @classmethod
    def of(cls, model, positive_ids, negative_ids):
        norms = [layer.mlp.down_proj.weight.detach().double().norm(dim=0).numpy() for layer in model.model.layers]
        return cls(reference.activations(model, positive_ids).astype(np.float64),
                   reference.activations(model, negative_ids).astype(np.float64), np.array(norms))

    @property
    def largest(self):
        return max(np.abs(self.positive).max(), np.abs(self.negative).max())

    @property
    def delta(self):
        return self.positive.mean(axis=0) - self.negative.mean(axis=0)

    @property
    def spread(self):
        """The pooled standard deviation."""
        squares = sum(((h - h.mean(axis=0)) ** 2).sum(axis=0) for h in (self.positive, self.negative))
        return np.sqrt(squares / (len(self.positive) + len(self.negative) - 2))

    @property
    def d(self):
        return np.divide(self.delta, self.spread, out=np.zeros_like(self.delta), where=self.spread > 0)

    @property
    def write(self):
        return np.abs(self.delta) * self.write_norms

    def score(self, name):
        """(|score|, how far it may be off where |delta| is off by the near-tie distance)"""
        if name == "delta":
            return np.abs(self.delta), np.full_like(self.delta, NEAR_TIE)
        if name == "write":
            return self.write, NEAR_TIE * self.write_norms
        return np.abs(self.d), NEAR_TIE * (1 + np.abs(self.d)) / self.spread


def count(fraction, n):
    return max(1, math.floor(fraction * n + 1e-9))


def encode(tokenizer, lines, special=True):
    return [tokenizer.encode(line, add_special_tokens=special).ids for line in lines]


def assert_same_choice(chosen, score, uncertainty, k, allowed):
    """chosen is a set of (layer, neuron): the k largest scores among the allowed neurons, near-ties aside."""
    assert len(chosen) == k
    mask = np.zeros(score.shape, dtype=bool)
    mask[tuple(np.array(sorted(chosen)).T)] = True
    assert not (mask & ~allowed).any(), "a neuron that was left out was chosen"
    kth = np.sort(score[allowed])[-k]
    missed = allowed & ~mask & (score > kth + uncertainty)
    wrong = mask & (score < kth - uncertainty)
    assert not missed.any(), f"not chosen: {np.argwhere(missed)[:5].tolist()} score {score[missed][:5]}, k-th {kth}"
    assert not wrong.any(), f"wrongly chosen: {np.argwhere(wrong)[:5].tolist()} score {score[wrong][:5]}, k-th {kth}"


def layers_between(shape, first, last):
    mask = np.zeros(shape, dtype=bool)
    mask[first:last + 1] = True
    return mask


@dataclass
class Universal:
    """Which neurons are universal; those in doubt by rounding are known apart."""

    certain: np.ndarray
    possible: np.ndarray

    @classmethod
    def of(cls, h, share=0.001, threshold=0.8):
        """h: activations of the diverse prompts."""
        size = np.abs(h.astype(np.float64))
        k = count(share, h[0].size)
        kth = np.sort(size.reshape(len(h), -1), axis=1)[:, -k, None, None]
        needed = math.ceil(threshold * len(h))
        return cls(((size > kth + NEAR_TIE) | _alone_at_kth(size, kth)).sum(axis=0) >= needed,
                   (size >= kth - NEAR_TIE).sum(axis=0) >= needed)


def _alone_at_kth(size, kth):
    """Where a neuron is the k-th itself and no other is near it."""
    near = np.abs(size - kth) <= NEAR_TIE
    return near & (near.sum(axis=(1, 2), keepdims=True) == 1)


def bf16(h):
    return torch.from_numpy(np.ascontiguousarray(h, dtype=np.float32)).bfloat16().double().numpy()


def bf16_mean_bounds(h, off_by):
    """Between what the bf16 mean over prompts of bf16(h) lies where every value of h may be off by off_by. Rounding and
    means are monotonic, so the ends are the images of the ends."""
    return bf16(bf16(h - off_by).mean(axis=0)), bf16(bf16(h + off_by).mean(axis=0))


def bf16_delta_bounds(positive, negative, off_by):
    """The same for the reference code's difference of means, itself rounded to bf16."""
    (low_p, high_p), (low_n, high_n) = (bf16_mean_bounds(h, off_by) for h in (positive, negative))
    return bf16(low_p - high_n), bf16(high_p - low_n)

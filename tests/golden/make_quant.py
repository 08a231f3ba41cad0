"""Writes quant.json beside this file: what the gguf package unpacks random quantised blocks to.

    pip install gguf==0.19.0 numpy==2.4.6
    python make_quant.py

Blocks are drawn by splitmix64, as tests/test_quant.c draws them, so that the file holds the results only: of each
type the SHA-256 of all values (f32, little-endian) and the first eight values as bits.
"""

import hashlib
import json
import pathlib
from importlib.metadata import version

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize

N_BLOCKS = 512
MASK = (1 << 64) - 1
# Type: where in a block f16 numbers lie. Their bit 14 is cleared, so that all are finite and below 2.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0]}


def splitmix64(state):
    while True:
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        yield z ^ (z >> 31)


def blocks(name, seed):
    n_bytes = GGML_QUANT_SIZES[GGMLQuantizationType[name]][1]
    draws = splitmix64(seed)
    data = np.array([next(draws) & 255 for _ in range(N_BLOCKS * n_bytes)], dtype=np.uint8).reshape(N_BLOCKS, n_bytes)
    for at in HALVES[name]:
        data[:, at + 1] &= 0xBF
    return data


def main():
    out = {"versions": {name: version(name) for name in ("gguf", "numpy")}, "n_blocks": N_BLOCKS, "types": []}
    for seed, name in enumerate(HALVES, 1):
        values = dequantize(blocks(name, seed).reshape(-1), GGMLQuantizationType[name]).astype("<f4")
        out["types"].append({"name": name, "seed": seed, "halves": HALVES[name],
                             "sha256": hashlib.sha256(values.tobytes()).hexdigest(),
                             "first": [int(bits) for bits in values[:8].view("<u4")]})
    path = pathlib.Path(__file__).with_name("quant.json")
    types = ",\n  ".join(json.dumps(one) for one in out.pop("types"))
    path.write_text(json.dumps(out)[:-1] + f', "types": [\n  {types}\n]}}\n')


main()

"""Writes a checkpoint of a real model's shape with random bf16 weights, as an ordinary Hugging Face folder.

Weights are drawn and written in pieces of a few megabytes, so memory stays low whatever the shape. Speed does not
depend on the values; they are scaled so that activations stay of ordinary size from the first layer to the last.

    python bench/make_checkpoint.py Llama-3.2-1B FOLDER --tokenizer DIR [--template FILE] [--layers N]

DIR holds tokenizer.json, and tokenizer_config.json where there is one; FILE becomes chat_template.jinja. Writes
some 80 MB a second. Checkpoints larger than the disk: large_checkpoint.py.
"""

import argparse
import json
import math
import os
import shutil
import struct
from pathlib import Path

import numpy as np

import shapes

PIECE = 1 << 22  # values drawn at a time
LLAMA_TOKENIZER = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>",
                   "eos_token": "<|eot_id|>", "clean_up_tokenization_spaces": False, "model_max_length": 131072}


def bf16(values):
    """f32 values to the bits of the nearest bf16."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def write_tensor(file, name, dims, generator):
    """Norms are ones; biases and matrices are random, products of the latter keep the size of what they multiply."""
    n = math.prod(dims)
    if name.endswith("norm.weight"):
        file.write(bf16(np.ones(n, np.float32)).tobytes())
        return
    scale = np.float32(1 / math.sqrt(dims[1]) if len(dims) == 2 else 0.02)
    for start in range(0, n, PIECE):
        piece = generator.standard_normal(min(PIECE, n - start), np.float32)
        file.write(bf16(piece * scale).tobytes())


def safetensors_header(tensors, block=8):
    """What stands before the bytes of these tensors: its length, then JSON, filled up to whole blocks."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, dims in tensors:
        n_bytes = 2 * math.prod(dims)
        header[name] = {"dtype": "BF16", "shape": list(dims), "data_offsets": [at, at + n_bytes]}
        at += n_bytes
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % block)
    return struct.pack("<Q", len(text)) + text


def write_weights(path, tensors, generator, block=8):
    tensors = list(tensors)
    with open(path, "wb") as file:
        file.write(safetensors_header(tensors, block))
        for name, dims in tensors:
            write_tensor(file, name, dims, generator)


def write_description(folder, shape, tokenizer, template):
    """Everything but the weights."""
    (folder / "config.json").write_text(json.dumps(shapes.config(shape), indent=2))
    shutil.copyfile(tokenizer / "tokenizer.json", folder / "tokenizer.json")
    found = tokenizer / "tokenizer_config.json"
    text = found.read_text() if found.exists() else json.dumps(LLAMA_TOKENIZER, indent=2)
    (folder / "tokenizer_config.json").write_text(text)
    if template:
        shutil.copyfile(template, folder / "chat_template.jinja")


def arguments(description):
    """The arguments of every program that writes a checkpoint, and its shape."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("shape", help="a model's name, such as Llama-3.2-1B: " + ", ".join(shapes.SHAPES))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--template", type=Path)
    parser.add_argument("--layers", type=int, help="so many instead of the model's own")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    try:
        return args, shapes.find(args.shape, args.layers)
    except KeyError:
        parser.error(f"{args.shape}: expected one of {', '.join(shapes.SHAPES)}")


def main():
    args, shape = arguments("a checkpoint of a real shape with random bf16 weights")
    unfinished = args.folder.with_name(args.folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    write_description(unfinished, shape, args.tokenizer, args.template)
    write_weights(unfinished / "model.safetensors", shapes.tensors(shape), np.random.default_rng(args.seed))
    os.rename(unfinished, args.folder)


if __name__ == "__main__":
    main()

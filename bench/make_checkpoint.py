"""Writes a checkpoint of a real model's shape with random bf16 weights, as an ordinary Hugging Face folder.

Weights are drawn and written in pieces of a few megabytes, so memory stays low whatever the shape. Speed does not
depend on the values; they are scaled so that activations stay of ordinary size from the first layer to the last.

    python bench/make_checkpoint.py Llama-3.2-1B build/bench/Llama-3.2-1B --tokenizer DIR [--template FILE]

DIR holds tokenizer.json, and tokenizer_config.json where there is one; FILE becomes chat_template.jinja.
"""

import argparse
import json
import math
import os
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PIECE = 1 << 22  # values drawn at a time
LLAMA_TOKENIZER = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|begin_of_text|>",
                   "eos_token": "<|eot_id|>", "clean_up_tokenization_spaces": False, "model_max_length": 131072}


@dataclass(frozen=True)
class Shape:
    """What differs between the Llama 3 models."""

    layers: int
    hidden: int
    mlp: int
    heads: int
    kv_heads: int
    head_dim: int
    tied: bool
    rope_factor: float
    vocab: int = 128256


SHAPES = {
    "Llama-3.2-1B": Shape(16, 2048, 8192, 32, 8, 64, True, 32.0),
    "Llama-3.2-3B": Shape(28, 3072, 8192, 24, 8, 128, True, 32.0),
    "Llama-3.1-8B": Shape(32, 4096, 14336, 32, 8, 128, False, 8.0),
}


def config(shape):
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
        "hidden_act": "silu", "hidden_size": shape.hidden, "intermediate_size": shape.mlp,
        "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads, "head_dim": shape.head_dim, "attention_bias": False, "mlp_bias": False,
        "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
        "rope_scaling": {"rope_type": "llama3", "factor": shape.rope_factor, "low_freq_factor": 1.0,
                         "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
        "max_position_embeddings": 131072, "tie_word_embeddings": shape.tied, "vocab_size": shape.vocab,
        "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009], "use_cache": True,
    }


def tensors(shape):
    """Names and dimensions in the order in which they are written; a single dimension is a norm."""
    q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    yield "model.embed_tokens.weight", (shape.vocab, shape.hidden)
    for layer in range(shape.layers):
        for name, dims in (("input_layernorm", (shape.hidden,)),
                           ("self_attn.q_proj", (q, shape.hidden)), ("self_attn.k_proj", (kv, shape.hidden)),
                           ("self_attn.v_proj", (kv, shape.hidden)), ("self_attn.o_proj", (shape.hidden, q)),
                           ("post_attention_layernorm", (shape.hidden,)),
                           ("mlp.gate_proj", (shape.mlp, shape.hidden)), ("mlp.up_proj", (shape.mlp, shape.hidden)),
                           ("mlp.down_proj", (shape.hidden, shape.mlp))):
            yield f"model.layers.{layer}.{name}.weight", dims
    yield "model.norm.weight", (shape.hidden,)
    if not shape.tied:
        yield "lm_head.weight", (shape.vocab, shape.hidden)


def bf16(values):
    """f32 values to the bits of the nearest bf16."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def write_tensor(file, dims, generator):
    n = math.prod(dims)
    if len(dims) == 1:
        file.write(bf16(np.ones(n, np.float32)).tobytes())
        return
    scale = np.float32(1 / math.sqrt(dims[1]))
    for start in range(0, n, PIECE):
        piece = generator.standard_normal(min(PIECE, n - start), np.float32)
        file.write(bf16(piece * scale).tobytes())


def write_weights(path, shape, seed):
    """One safetensors file: the length of the header, the header, then every tensor's bytes."""
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, dims in tensors(shape):
        n_bytes = 2 * math.prod(dims)
        header[name] = {"dtype": "BF16", "shape": list(dims), "data_offsets": [at, at + n_bytes]}
        at += n_bytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    generator = np.random.default_rng(seed)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, dims in tensors(shape):
            write_tensor(file, dims, generator)


def write_tokenizer(folder, source, template):
    shutil.copyfile(source / "tokenizer.json", folder / "tokenizer.json")
    found = source / "tokenizer_config.json"
    text = found.read_text() if found.exists() else json.dumps(LLAMA_TOKENIZER, indent=2)
    (folder / "tokenizer_config.json").write_text(text)
    if template:
        shutil.copyfile(template, folder / "chat_template.jinja")


def main():
    parser = argparse.ArgumentParser(description="a checkpoint of a real shape with random bf16 weights")
    parser.add_argument("shape", choices=SHAPES)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--template", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    shape = SHAPES[args.shape]
    unfinished = args.folder.with_name(args.folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    write_tokenizer(unfinished, args.tokenizer, args.template)
    (unfinished / "config.json").write_text(json.dumps(config(shape), indent=2))
    write_weights(unfinished / "model.safetensors", shape, args.seed)
    os.rename(unfinished, args.folder)


if __name__ == "__main__":
    main()

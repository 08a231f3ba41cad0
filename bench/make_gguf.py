"""Converts a checkpoint of make_checkpoint.py into a GGUF file for llama.cpp: the same weights in bf16, and its tokenizer
(byte-level BPE).

    python bench/make_gguf.py CHECKPOINT FILE.gguf        half a minute for the 1B shape
"""

import json
import math
import os
import sys
from pathlib import Path

import gguf
import numpy as np

BF16 = gguf.GGMLQuantizationType.BF16
LAYER_NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}
OTHER_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def gguf_name(name):
    module, kind = name.rsplit(".", 1)
    if module in OTHER_NAMES:
        return f"{OTHER_NAMES[module]}.{kind}"
    _, _, layer, inside = module.split(".", 3)
    return f"blk.{layer}.{LAYER_NAMES[inside]}.{kind}"


def tensors(path):
    """Name and bf16 bits of every tensor of a safetensors file, as views of the file."""
    data = np.memmap(path, np.uint8, "r")
    start = 8 + int(data[:8].view(np.uint64)[0])
    for name, entry in json.loads(bytes(data[8:start])).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            bits = np.frombuffer(data, np.uint16, (last - first) // 2, start + first)
            yield name, bits.reshape(entry["shape"])


def interleave(bits, heads):
    """Rows of a rotary projection from halves (x_i beside x_{i + d/2}) to pairs (x_2i, x_2i+1), as llama files have
    them; qwen2 files keep halves."""
    return bits.reshape(heads, 2, -1, bits.shape[1]).swapaxes(1, 2).reshape(bits.shape)


def rope_divisors(config):
    """What Llama 3's scaling divides each rotary frequency by, [head_dim / 2]: 1 for short waves, the factor for long
    ones, and in between as the two frequencies mix."""
    scaling, half = config["rope_scaling"], config["head_dim"] // 2
    frequency = config["rope_theta"] ** (-np.arange(half) / half)
    turns = scaling["original_max_position_embeddings"] * frequency / (2 * math.pi)
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    mix = np.clip((turns - low) / (high - low), 0, 1)
    return (1 / (mix + (1 - mix) / scaling["factor"])).astype(np.float32)


def write_description(writer, config):
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim", config["hidden_size"] // heads)
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)


def write_tokenizer(writer, folder, config):
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokens = [f"[PAD{i}]" for i in range(config["vocab_size"])]
    types = [gguf.TokenType.UNUSED] * len(tokens)
    for text, token in tokenizer["model"]["vocab"].items():
        tokens[token], types[token] = text, gguf.TokenType.NORMAL
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]], types[added["id"]] = added["content"], gguf.TokenType.CONTROL
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe" if config["model_type"] == "llama" else "qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(config["bos_token_id"])
    end = config["eos_token_id"]
    writer.add_eos_token_id(end[0] if isinstance(end, list) else end)


def write_tensors(writer, path, config):
    is_llama = config["model_type"] == "llama"
    heads = {"attn_q.weight": config["num_attention_heads"], "attn_k.weight": config["num_key_value_heads"]}
    for name, bits in tensors(path):
        target = gguf_name(name)
        if bits.ndim == 1:  # llama.cpp wants norms and biases in f32
            writer.add_tensor(target, (bits.astype(np.uint32) << 16).view(np.float32))
            continue
        rotary_heads = heads.get(target.split(".", 2)[-1])
        if is_llama and rotary_heads:
            bits = interleave(bits, rotary_heads)
        writer.add_tensor(target, bits.view(np.uint8), raw_dtype=BF16)
    if is_llama:
        writer.add_tensor("rope_freqs.weight", rope_divisors(config))


def main():
    folder, path = Path(sys.argv[1]), Path(sys.argv[2])
    config = json.loads((folder / "config.json").read_text())
    unfinished = path.with_name(path.name + ".unfinished")
    writer = gguf.GGUFWriter(unfinished, config["model_type"])
    write_description(writer, config)
    write_tokenizer(writer, folder, config)
    write_tensors(writer, folder / "model.safetensors", config)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    os.rename(unfinished, path)


if __name__ == "__main__":
    main()

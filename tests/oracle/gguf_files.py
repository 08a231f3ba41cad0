"""Writes a Hugging Face folder's model as GGUF, with the gguf package and as llama.cpp's convert_hf_to_gguf.py does:
its names, its metadata, its order of a Llama's q and k rows, its rope_freqs.

Types that the package quantises are made by it. It only unpacks the others (Q2_K to Q6_K, IQ4_NL, IQ4_XS): for those
random blocks are drawn, with scales such that the weights have the size of the ones they replace.
"""

import json
import math
from dataclasses import dataclass

import gguf
import numpy as np
import torch
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from gguf.quants import dequantize, quantize

LAYER_NAMES = {
    "input_layernorm.weight": "attn_norm.weight", "post_attention_layernorm.weight": "ffn_norm.weight",
    "self_attn.q_proj.weight": "attn_q.weight", "self_attn.k_proj.weight": "attn_k.weight",
    "self_attn.v_proj.weight": "attn_v.weight", "self_attn.o_proj.weight": "attn_output.weight",
    "self_attn.q_proj.bias": "attn_q.bias", "self_attn.k_proj.bias": "attn_k.bias",
    "self_attn.v_proj.bias": "attn_v.bias", "mlp.gate_proj.weight": "ffn_gate.weight",
    "mlp.up_proj.weight": "ffn_up.weight", "mlp.down_proj.weight": "ffn_down.weight",
}
OTHER_NAMES = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
               "lm_head.weight": "output.weight"}
HALVES = {"Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0],
          "IQ4_XS": [0]}  # where f16 scales lie in a block
PRE = {"llama": "llama-bpe", "qwen2": "qwen2"}


@dataclass
class Written:
    path: object        # of the first file
    state: dict         # Hugging Face name -> the weights in the file, unpacked to f32


def write(model, folder, out, kind, name="model", n_files=1, template=None):
    """Writes out/NAME.gguf (or the files of a split) with matrices of that kind: F32, F16, BF16 or a quantised type; a
    matrix whose rows are no whole number of blocks stays F32."""
    config = json.loads((folder / "config.json").read_text())
    family = config["model_type"]
    tensors, state = [], {}
    for hf_name, weight in model.state_dict().items():
        if hf_name == "lm_head.weight" and model.config.tie_word_embeddings:
            continue
        data = weight.float().numpy()
        if family == "llama" and hf_name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = config["num_attention_heads" if "q_proj" in hf_name else "num_key_value_heads"]
            data = _permute(data, heads)
        raw, unpacked, type_ = _pack(data, kind, len(tensors))
        if family == "llama" and hf_name.endswith(("q_proj.weight", "k_proj.weight")):
            unpacked = _unpermute(unpacked, heads)
        tensors.append((gguf_name(hf_name), raw, type_))
        state[hf_name] = torch.from_numpy(np.ascontiguousarray(unpacked))
    if "lm_head.weight" not in state:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    factors = _rope_factors(model.config)
    if factors is not None:
        tensors.append(("rope_freqs.weight", factors, GGMLQuantizationType.F32))
    paths = [out / (f"{name}.gguf" if n_files == 1 else f"{name}-{i + 1:05d}-of-{n_files:05d}.gguf")
             for i in range(n_files)]
    for i, path in enumerate(paths):
        writer = gguf.GGUFWriter(path, family)
        if i == 0:
            _add_metadata(writer, model.config, family, folder, template)
        if n_files > 1:
            writer.add_uint16("split.no", i)
            writer.add_uint16("split.count", n_files)
            writer.add_int32("split.tensors.count", len(tensors))
        for tensor_name, raw, type_ in tensors[i::n_files]:
            writer.add_tensor(tensor_name, raw, raw_dtype=type_)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    return Written(paths[0], state)


def gguf_name(hf_name):
    if hf_name in OTHER_NAMES:
        return OTHER_NAMES[hf_name]
    _, _, layer, rest = hf_name.split(".", 3)
    return f"blk.{layer}.{LAYER_NAMES[rest]}"


def _permute(weight, heads):
    return weight.reshape(heads, 2, weight.shape[0] // heads // 2, -1).swapaxes(1, 2).reshape(weight.shape)


def _unpermute(weight, heads):
    return weight.reshape(heads, weight.shape[0] // heads // 2, 2, -1).swapaxes(1, 2).reshape(weight.shape)


def _pack(data, kind, seed):
    """Bytes as they lie in the file, the numbers that they mean, the type."""
    type_ = GGMLQuantizationType[kind]
    block, n_bytes = GGML_QUANT_SIZES[type_]
    if data.ndim == 1 or kind == "F32" or data.shape[1] % block != 0:
        return data, data, GGMLQuantizationType.F32
    if kind in HALVES:
        raw = _random_blocks(data, kind, block, n_bytes, seed)
    else:
        raw = quantize(data, type_)
    return raw, dequantize(raw, type_).astype(np.float32).reshape(data.shape), type_


def _random_blocks(data, kind, block, n_bytes, seed):
    rng = np.random.default_rng(seed)
    raw = rng.integers(0, 256, (data.shape[0], data.shape[1] // block, n_bytes), dtype=np.uint8)

    def with_scale(scale):
        for at in HALVES[kind]:
            raw[:, :, at:at + 2] = np.frombuffer(np.float16(scale).tobytes(), dtype=np.uint8)
        return raw.reshape(data.shape[0], -1)

    unit = dequantize(with_scale(1.0), GGMLQuantizationType[kind]).std()
    return with_scale(data.std() / unit)


def _rope_factors(config):
    rope = config.rope_parameters
    if rope.get("rope_type") != "llama3":
        return None
    dim = config.head_dim
    base, factor = rope["rope_theta"], rope["factor"]
    low, high, old = rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"]
    out = []
    for frequency in 1.0 / base ** (np.arange(0, dim, 2) / dim):
        wavelength = 2 * math.pi / frequency
        if wavelength < old / high:
            out.append(1.0)
        elif wavelength > old / low:
            out.append(factor)
        else:
            smooth = (old / wavelength - low) / (high - low)
            out.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(out, dtype=np.float32)


def _add_metadata(writer, config, family, folder, template):
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    if family == "llama":
        writer.add_rope_dimension_count(head_dim)
        writer.add_vocab_size(config.vocab_size)
    _add_tokenizer(writer, json.loads((folder / "tokenizer.json").read_text()), config.vocab_size, family)
    if template is not None:
        writer.add_chat_template(template)


def _add_tokenizer(writer, tokenizer, n_rows, family):
    tokens = [f"[PAD{i}]" for i in range(n_rows)]
    kinds = [gguf.TokenType.UNUSED] * n_rows
    for text, i in tokenizer["model"]["vocab"].items():
        tokens[i], kinds[i] = text, gguf.TokenType.NORMAL
    for token in tokenizer["added_tokens"]:
        tokens[token["id"]] = token["content"]
        kinds[token["id"]] = gguf.TokenType.CONTROL if token["special"] else gguf.TokenType.USER_DEFINED
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(PRE[family])
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(merges)
    first, last = tokenizer["added_tokens"][0]["id"], tokenizer["added_tokens"][-1]["id"]
    writer.add_bos_token_id(first)
    writer.add_eos_token_id(last)
    if family == "qwen2":
        writer.add_add_bos_token(False)

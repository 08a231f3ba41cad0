"""Writes models of the families beyond Llama and Qwen2 as GGUF, as llama.cpp's convert_hf_to_gguf.py does: its names of
architectures, tensors and keys, 1 added to Gemma's norms, rows of q and k in pairs where its rotation wants them so."""

import dataclasses

import gguf
import numpy as np
import torch
from families import FAMILIES
from gguf import GGMLQuantizationType

import gguf_files

ARCHITECTURES = {"mistral": "llama", "gemma3_text": "gemma3"}
PAIRED = ("mistral", "granite", "smollm3")
NAMES = {"self_attn.q_norm.weight": "attn_q_norm.weight", "self_attn.k_norm.weight": "attn_k_norm.weight",
         "self_attn.qkv_proj.weight": "attn_qkv.weight", "mlp.gate_up_proj.weight": "ffn_up.weight",
         "pre_feedforward_layernorm.weight": "ffn_norm.weight",
         "post_feedforward_layernorm.weight": "post_ffw_norm.weight"}


def _spec(name, **config):
    family = FAMILIES[name]
    return dataclasses.replace(family, name=f"{name}-gguf", config={**family.config, **config})


# The format has no key for query_pre_attn_scalar, and none of ours is read for biases.
SPECS = {family.name: family for family in [
    _spec("mistral-window"), _spec("mistral-no-window"), _spec("qwen3"), _spec("olmo2"),
    _spec("granite", attention_bias=False, mlp_bias=False), _spec("smollm3"),
    _spec("gemma2", query_pre_attn_scalar=16, attention_bias=False), _spec("gemma3", query_pre_attn_scalar=16),
    _spec("phi3"), _spec("phi3-partial"), _spec("phi3-long-partial")]}


def write(model, family, folder, path, kind):
    """Writes the file and gives the weights that it holds, unpacked, under transformers' names."""
    config, state, around = model.config, {}, family.model_type.startswith(("gemma", "olmo2"))
    writer = gguf.GGUFWriter(path, ARCHITECTURES.get(family.model_type, family.model_type))
    for i, (name, weight) in enumerate(model.state_dict().items()):
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        data = weight.float().numpy()
        heads = None
        if family.model_type in PAIRED and name.endswith(("q_proj.weight", "k_proj.weight")):
            heads = config.num_attention_heads if "q_proj" in name else config.num_key_value_heads
            data = gguf_files._permute(data, heads)
        offset = 1 if family.model_type.startswith("gemma") and name.endswith("norm.weight") else 0
        raw, unpacked, type_ = gguf_files._pack(data + np.float32(offset), kind, i)
        if heads is not None:
            unpacked = gguf_files._unpermute(unpacked, heads)
        writer.add_tensor(_name(name, around), raw, raw_dtype=type_)
        state[name] = torch.from_numpy(np.ascontiguousarray(unpacked)) - offset
    if "lm_head.weight" not in state:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    _add_metadata(writer, config, family.model_type)
    _add_rope(writer, config, family.model_type)
    tokenizer = gguf_files.json.loads((folder / "tokenizer.json").read_text())
    gguf_files._add_tokenizer(writer, tokenizer, config.vocab_size, "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return state


def _name(name, around):
    if name.startswith("model.layers."):
        _, _, layer, rest = name.split(".", 3)
        if around and rest == "post_attention_layernorm.weight":
            return f"blk.{layer}.post_attention_norm.weight"
        if rest in NAMES:
            return f"blk.{layer}.{NAMES[rest]}"
    return gguf_files.gguf_name(name)


def _add_metadata(writer, config, model_type):
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if model_type != "phi3":
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        writer.add_key_length(head_dim)
        writer.add_value_length(head_dim)
    if model_type in ("mistral", "gemma2", "gemma3_text", "phi3"):
        writer.add_sliding_window(config.sliding_window or 0)
    if model_type == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if model_type == "granite":
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)


def _add_rope(writer, config, model_type):
    rope = config.rope_parameters
    rope = rope.get("full_attention", rope)
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    if model_type != "phi3":
        return
    head_dim = config.hidden_size // config.num_attention_heads
    writer.add_rope_dimension_count(int(rope.get("partial_rotary_factor", 1) * head_dim))
    writer.add_rope_scaling_orig_ctx_len(config.original_max_position_embeddings)
    if rope["rope_type"] != "longrope":
        return
    scale = config.max_position_embeddings / config.original_max_position_embeddings
    factor = (1 + np.log(scale) / np.log(config.original_max_position_embeddings)) ** 0.5
    writer.add_rope_scaling_attn_factors(float(factor))
    for kind in ("short", "long"):
        writer.add_tensor(f"rope_factors_{kind}.weight", np.array(rope[f"{kind}_factor"], dtype=np.float32),
                          raw_dtype=GGMLQuantizationType.F32)

"""Shapes of the sixteen models: their config.json, their tensors, and what a token costs.

Base and instruct models have the same shape, so each name stands for two; the config is the instruct model's.
"""

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Shape:
    """What differs between the models. rope_factor: of the llama3 rope scaling, 0 for the Qwen2.5 models."""

    layers: int
    hidden: int
    mlp: int
    heads: int
    kv_heads: int
    head_dim: int
    tied: bool
    vocab: int
    rope_factor: float = 0.0

    @property
    def is_llama(self):
        return self.rope_factor != 0


SHAPES = {
    "Llama-3.2-1B": Shape(16, 2048, 8192, 32, 8, 64, True, 128256, 32.0),
    "Llama-3.2-3B": Shape(28, 3072, 8192, 24, 8, 128, True, 128256, 32.0),
    "Llama-3.1-8B": Shape(32, 4096, 14336, 32, 8, 128, False, 128256, 8.0),
    "Llama-3.1-70B": Shape(80, 8192, 28672, 64, 8, 128, False, 128256, 8.0),
    "Qwen2.5-1.5B": Shape(28, 1536, 8960, 12, 2, 128, True, 151936),
    "Qwen2.5-3B": Shape(36, 2048, 11008, 16, 2, 128, True, 151936),
    "Qwen2.5-7B": Shape(28, 3584, 18944, 28, 4, 128, False, 152064),
    "Qwen2.5-72B": Shape(80, 8192, 29568, 64, 8, 128, False, 152064),
}


def find(name, layers=None):
    """The shape of a model by its name, with or without -Instruct; layers: so many instead of its own."""
    shape = SHAPES[name.removesuffix("-Instruct")]
    return replace(shape, layers=layers) if layers else shape


def config(shape):
    common = {
        "torch_dtype": "bfloat16", "hidden_act": "silu", "hidden_size": shape.hidden,
        "intermediate_size": shape.mlp, "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads, "tie_word_embeddings": shape.tied, "vocab_size": shape.vocab,
        "use_cache": True,
    }
    if shape.is_llama:
        return common | {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "head_dim": shape.head_dim,
            "attention_bias": False, "mlp_bias": False, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
            "rope_scaling": {"rope_type": "llama3", "factor": shape.rope_factor, "low_freq_factor": 1.0,
                             "high_freq_factor": 4.0, "original_max_position_embeddings": 8192},
            "max_position_embeddings": 131072, "bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009],
        }
    return common | {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
        "max_position_embeddings": 32768, "use_sliding_window": False,
        "sliding_window": 32768 if shape.tied else 131072,
        "bos_token_id": 151643, "eos_token_id": 151645,
    }


def embedding_tensors(shape):
    yield "model.embed_tokens.weight", (shape.vocab, shape.hidden)


def layer_tensors(shape, layer):
    q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    biased = not shape.is_llama
    for name, dims, has_bias in (("input_layernorm", (shape.hidden,), False),
                                 ("self_attn.q_proj", (q, shape.hidden), biased),
                                 ("self_attn.k_proj", (kv, shape.hidden), biased),
                                 ("self_attn.v_proj", (kv, shape.hidden), biased),
                                 ("self_attn.o_proj", (shape.hidden, q), False),
                                 ("post_attention_layernorm", (shape.hidden,), False),
                                 ("mlp.gate_proj", (shape.mlp, shape.hidden), False),
                                 ("mlp.up_proj", (shape.mlp, shape.hidden), False),
                                 ("mlp.down_proj", (shape.hidden, shape.mlp), False)):
        yield f"model.layers.{layer}.{name}.weight", dims
        if has_bias:
            yield f"model.layers.{layer}.{name}.bias", dims[:1]


def output_tensors(shape):
    yield "model.norm.weight", (shape.hidden,)
    if not shape.tied:
        yield "lm_head.weight", (shape.vocab, shape.hidden)


def tensors(shape):
    """Names and dimensions of all, in the order in which they are written."""
    yield from embedding_tensors(shape)
    for layer in range(shape.layers):
        yield from layer_tensors(shape, layer)
    yield from output_tensors(shape)


def layer_weights(shape):
    """Values in the matrices of one layer."""
    return sum(math.prod(dims) for _, dims in layer_tensors(shape, 0) if len(dims) == 2)


def token_flops(shape):
    """Operations of the matrix products behind one decoded token. Attention is not counted, here and below."""
    return 2 * (shape.layers * layer_weights(shape) + shape.vocab * shape.hidden)


def token_bytes(shape):
    """bf16 weights that a token decoded alone must read: every matrix once, of the embeddings only a tied one."""
    return 2 * (shape.layers * layer_weights(shape) + shape.vocab * shape.hidden)


def prompt_flops(shape, n_tokens):
    """Operations that a prompt needs for the logits behind it: the last layer's keys and values for all tokens, the
    rest of it and the output for the last token alone."""
    q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    last = n_tokens * 2 * kv * shape.hidden + 2 * q * shape.hidden + 3 * shape.mlp * shape.hidden
    return 2 * (n_tokens * (shape.layers - 1) * layer_weights(shape) + last + shape.vocab * shape.hidden)


def attribution_flops(shape, n_prompts, n_shared, mean_unshared):
    """Operations that an attribution needs: what all prompts share once; the last layer as above, without its down
    projection and the output."""
    rows = n_shared + n_prompts * mean_unshared
    q, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    last = rows * 2 * kv * shape.hidden + n_prompts * (2 * q + 2 * shape.mlp) * shape.hidden
    return 2 * (rows * (shape.layers - 1) * layer_weights(shape) + last)

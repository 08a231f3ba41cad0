"""Random-weight models that between them have every shape feature of Llama 3.1, Llama 3.2 and Qwen2.5.

Each is saved as an ordinary Hugging Face folder. The weights are drawn so that every layer matters: logits with a
standard deviation above 1, norms that are not all ones, q/k/v biases that are not zero.
"""

import json
import zlib
from dataclasses import dataclass

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

import reference
import tokenizer_files


@dataclass(frozen=True)
class Spec:
    name: str
    family: str                    # llama, qwen2
    hidden: int
    heads: int
    kv_heads: int
    mlp: int
    layers: int
    rows: int                      # of the embedding matrix
    storage: str                   # float32, float16, bfloat16
    style: str                     # of config.json: old (torch_dtype, rope_theta), new (dtype, rope_parameters)
    tied: bool
    theta: float
    eos: str                       # in config.json: int, list
    generation: str                # eos in generation_config.json: int, list; or absent (no such file)
    head_dim: int | None = None    # None: hidden / heads, and in the old style not written at all
    factor: float | None = None    # of llama3 rope scaling; None: default rope
    original: int = 8192           # original_max_position_embeddings of the scaling
    shard: str | None = None       # max_shard_size


_ALL = [
    # Llama 3.2 1B, 3B: tied, factor 32, explicit head_dim; 3.1 8B, 70B: untied, factor 8, no head_dim.
    Spec("llama-1b", "llama", 512, 8, 2, 1024, 4, 515, "bfloat16", "old", True, 5e5, "list", "list", 64, 32.0),
    Spec("llama-3b", "llama", 84, 6, 2, 200, 3, 522, "bfloat16", "old", True, 5e5, "int", "int", 128, 32.0),
    Spec("llama-8b", "llama", 128, 8, 2, 333, 4, 600, "bfloat16", "old", False, 5e5, "list", "list", None, 8.0,
         shard="300KB"),
    Spec("llama-70b", "llama", 144, 8, 1, 400, 6, 550, "float16", "old", False, 5e5, "list", "absent", None, 8.0,
         original=256, shard="500KB"),
    Spec("llama-70b-f32", "llama", 128, 16, 2, 256, 2, 512, "float32", "new", False, 5e5, "list", "list", None, 8.0,
         shard="200KB"),
    Spec("llama-reflection", "llama", 72, 3, 3, 201, 2, 513, "float32", "old", False, 5e5, "int", "absent"),
    Spec("llama-odd", "llama", 75, 5, 5, 97, 1, 517, "float32", "new", True, 1e4, "int", "int", 14),
    Spec("llama-half", "llama", 72, 4, 2, 331, 5, 530, "bfloat16", "new", True, 5e5, "list", "list", 32, 32.0,
         original=64),
    # Qwen2.5 1.5B, 3B: tied; 7B, 72B: untied; ratios 6, 8, 7, 8; every one has q/k/v biases.
    Spec("qwen-1.5b", "qwen2", 96, 12, 2, 280, 3, 560, "bfloat16", "old", True, 1e6, "int", "list"),
    Spec("qwen-1.5b-new", "qwen2", 72, 12, 2, 203, 2, 541, "float16", "new", True, 1e6, "int", "list"),
    Spec("qwen-3b", "qwen2", 256, 16, 2, 688, 6, 640, "bfloat16", "old", True, 1e6, "int", "list"),
    Spec("qwen-7b", "qwen2", 84, 14, 2, 333, 4, 515, "bfloat16", "old", False, 1e6, "int", "list", shard="150KB"),
    Spec("qwen-72b", "qwen2", 320, 8, 1, 462, 5, 577, "bfloat16", "new", False, 1e6, "int", "list", shard="900KB"),
    Spec("qwen-odd", "qwen2", 90, 5, 5, 121, 1, 555, "float32", "old", False, 1e4, "list", "absent"),
    Spec("qwen-ratio-4", "qwen2", 84, 12, 3, 211, 3, 525, "float32", "new", True, 1e6, "int", "absent", 16),
]
SPECS = {spec.name: spec for spec in _ALL}
BF16_NAMES = [spec.name for spec in _ALL if spec.storage == "bfloat16"]
GENERATION_LENGTHS = [1, 2, 5, 9, 16, 24, 33, 50]


def build(spec, folder):
    """Writes the model's folder and returns it."""
    torch.manual_seed(zlib.crc32(spec.name.encode()))
    model = (LlamaForCausalLM if spec.family == "llama" else Qwen2ForCausalLM)(_config(spec)).eval()
    _draw_weights(model)
    model = model.to(getattr(torch, spec.storage))
    model.save_pretrained(folder, max_shard_size=spec.shard or "5GB")
    tokenizer_files.write(folder, spec.family, spec.rows)
    _write_stops(spec, folder, model.float())
    _write_config_style(spec, folder)
    return folder


def token_prompts(spec, lengths, seed=1):
    """Prompts of the given lengths, each a list of random token ids over all embedding rows."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(spec.rows, (n,), generator=generator).tolist() for n in lengths]


def _config(spec):
    rope = {"rope_type": "default", "rope_theta": spec.theta}
    if spec.factor:
        rope.update(rope_type="llama3", factor=spec.factor, low_freq_factor=1.0, high_freq_factor=4.0,
                    original_max_position_embeddings=spec.original)
    common = dict(
        vocab_size=spec.rows, hidden_size=spec.hidden, intermediate_size=spec.mlp, num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads, num_key_value_heads=spec.kv_heads, max_position_embeddings=131072,
        tie_word_embeddings=spec.tied, rope_parameters=rope, bos_token_id=0, attn_implementation="eager",
    )
    if spec.head_dim:
        common["head_dim"] = spec.head_dim
    if spec.family == "llama":
        return LlamaConfig(rms_norm_eps=1e-5, **common)
    return Qwen2Config(rms_norm_eps=1e-6, **common)


@torch.no_grad()
def _draw_weights(model):
    for name, weight in model.named_parameters():
        if name.endswith("norm.weight"):
            weight.normal_(1.0, 0.25)
        elif name.endswith("v_proj.bias"):
            weight.normal_(0.0, 0.2)  # larger ones outweigh the tokens, and every prompt gets the same answer
        elif name.endswith("bias"):
            weight.normal_(0.0, 1.0)
        elif name == "lm_head.weight" or (name == "model.embed_tokens.weight" and model.config.tie_word_embeddings):
            weight.normal_(0.0, 2.5 / weight.shape[1] ** 0.5)
        elif name == "model.embed_tokens.weight":
            weight.normal_(0.0, 0.5)
        else:
            weight.normal_(0.0, 1.3 / weight.shape[1] ** 0.5)


def _write_stops(spec, folder, model):
    """Picks stop tokens among what the model says, so that some generations end by them and some by length."""
    said = [reference.greedy(model, ids, 40, stops=()).ids for ids in token_prompts(spec, GENERATION_LENGTHS)]
    late = {token for ids in said for token in ids[4:]}
    rarest = sorted(late, key=lambda token: (sum(token in ids for ids in said), token))
    in_config, in_generation = rarest[0], rarest[1]

    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["eos_token_id"] = in_config if spec.eos == "int" else [spec.rows - 1, in_config]
    path.write_text(json.dumps(config, indent=2))

    path = folder / "generation_config.json"
    path.unlink(missing_ok=True)
    if spec.generation != "absent":
        eos = in_generation if spec.generation == "int" else [in_generation, spec.rows - 2]
        path.write_text(json.dumps({"bos_token_id": 0, "do_sample": True, "eos_token_id": eos, "temperature": 0.6,
                                    "repetition_penalty": 1.1, "top_p": 0.9}, indent=2))


def _write_config_style(spec, folder):
    """Rewrites config.json as older transformers wrote it, for the models that ask for it."""
    if spec.style == "new":
        return
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["torch_dtype"] = config.pop("dtype")
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    if spec.family == "llama":
        config["rope_scaling"] = rope if spec.factor else None
    else:
        config.update(sliding_window=131072, max_window_layers=70, use_sliding_window=False)
    config.pop("layer_types", None)
    config.pop("pad_token_id", None)
    if not spec.head_dim:
        config.pop("head_dim", None)
    config["transformers_version"] = "4.45.0"
    path.write_text(json.dumps(config, indent=2))

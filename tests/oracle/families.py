"""Random-weight models of the families beyond Llama and Qwen2: each with its features on, and with them off.

Each is saved as an ordinary Hugging Face folder. Sequences of the tests are longer than every sliding window.
"""

import json
import zlib
from dataclasses import dataclass, field

import safetensors.torch
import torch
import transformers
from transformers import AutoConfig, AutoModelForCausalLM

import reference
import tokenizer_files


@dataclass(frozen=True)
class Family:
    name: str
    model_type: str
    config: dict                       # over COMMON
    old: dict | None = None            # what an older transformers wrote in place of rope_parameters and layer_types
    drop: tuple = ()                   # keys that older configs lack, or whose default is to be taken
    storage: str = "float32"
    rows: int = 530
    tags: frozenset = field(default_factory=frozenset)


COMMON = dict(hidden_size=72, intermediate_size=136, num_hidden_layers=4, num_attention_heads=6,
              num_key_value_heads=2, head_dim=16, max_position_embeddings=1024, bos_token_id=0, pad_token_id=None)
YARN_FREE = {"rope_type": "default", "rope_theta": 10000.0}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}
LINEAR = {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}


def _long(n, original, **more):
    return {"rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1 + 0.07 * i for i in range(n)],
            "long_factor": [4 + 0.5 * i for i in range(n)], "original_max_position_embeddings": original, **more}


GEMMA3_ROPE = {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
               "sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}

_ALL = [
    Family("llama-biases", "llama", dict(attention_bias=True, mlp_bias=True, rope_parameters=LINEAR)),
    Family("mistral-window", "mistral", dict(sliding_window=13, rope_parameters={**YARN_FREE, "rope_theta": 1e6}),
           old={"rope_theta": 1e6}, storage="bfloat16"),
    Family("mistral-no-window", "mistral", dict(sliding_window=None, tie_word_embeddings=True)),
    Family("qwen2-window", "qwen2", dict(use_sliding_window=True, sliding_window=9, max_window_layers=2)),
    Family("qwen3", "qwen3", dict(head_dim=32, rope_parameters={**YARN_FREE, "rope_theta": 1e6}),
           old={"rope_theta": 1e6, "rope_scaling": None}, storage="bfloat16"),
    Family("qwen3-all", "qwen3", dict(attention_bias=True, use_sliding_window=True, sliding_window=11,
                                      max_window_layers=1, tie_word_embeddings=True)),
    Family("olmo2", "olmo2", dict(head_dim=None, num_key_value_heads=6, rope_parameters={**YARN_FREE, "rope_theta": 5e5}),
           old={"rope_theta": 5e5}, storage="bfloat16"),
    Family("olmo2-grouped", "olmo2", dict(head_dim=None, attention_bias=True, tie_word_embeddings=True,
                                          rope_parameters=LINEAR)),
    Family("granite", "granite", dict(head_dim=None, embedding_multiplier=12.0, attention_multiplier=0.125,
                                      residual_multiplier=0.4, logits_scaling=0.5, attention_bias=True,
                                      mlp_bias=True, tie_word_embeddings=True)),
    Family("granite-plain", "granite", dict(head_dim=None), drop=("embedding_multiplier", "residual_multiplier",
                                                                  "logits_scaling"), storage="bfloat16"),
    Family("smollm3", "smollm3", dict(head_dim=None, num_hidden_layers=5, tie_word_embeddings=True), storage="bfloat16",
           drop=("no_rope_layers", "tie_word_embeddings", "layer_types")),
    Family("smollm3-all", "smollm3", dict(head_dim=None, no_rope_layers=[1, 0, 0, 1], attention_bias=True,
                                          mlp_bias=True, use_sliding_window=True, sliding_window=12,
                                          tie_word_embeddings=False, rope_parameters=LLAMA3)),
    Family("gemma2", "gemma2", dict(sliding_window=10, query_pre_attn_scalar=24, attn_logit_softcapping=4.0,
                                    final_logit_softcapping=5.0, hidden_size=96, attention_bias=True),
           old={"rope_theta": 1e4, "hidden_act": "gelu_pytorch_tanh"}, storage="bfloat16",
           drop=("tie_word_embeddings",)),
    Family("gemma2-plain", "gemma2", dict(sliding_window=4096, attn_logit_softcapping=None, hidden_size=96,
                                          final_logit_softcapping=None, tie_word_embeddings=False)),
    Family("gemma2-defaults", "gemma2", dict(head_dim=256, num_key_value_heads=2, hidden_size=96),
           drop=("head_dim", "query_pre_attn_scalar", "attn_logit_softcapping", "final_logit_softcapping",
                 "sliding_window", "layer_types", "rope_parameters", "tie_word_embeddings", "hidden_activation")),
    Family("gemma3", "gemma3_text", dict(num_hidden_layers=7, sliding_window=10, query_pre_attn_scalar=30,
                                         hidden_size=96, rope_parameters=GEMMA3_ROPE), storage="bfloat16",
           old={"rope_theta": 1e6, "rope_local_base_freq": 1e4, "sliding_window_pattern": 6,
                "rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
    Family("gemma3-all", "gemma3_text", dict(num_hidden_layers=4, sliding_window=7, hidden_size=96,
                                             final_logit_softcapping=6.0,
                                             attention_bias=True, tie_word_embeddings=False,
                                             layer_types=["full_attention", "sliding_attention", "sliding_attention",
                                                          "full_attention"], rope_parameters=GEMMA3_ROPE)),
    Family("phi3", "phi3", dict(head_dim=None, sliding_window=15), drop=("rope_parameters",), storage="bfloat16",
           old={"rope_theta": 1e4, "rope_scaling": None}),
    Family("phi3-partial", "phi3", dict(head_dim=None, hidden_size=96, tie_word_embeddings=True,
                                        rope_parameters={**YARN_FREE, "partial_rotary_factor": 0.75}),
           old={"rope_theta": 1e4, "partial_rotary_factor": 0.75}),
    Family("phi3-long", "phi3", dict(head_dim=None, hidden_size=96, original_max_position_embeddings=256,
                                     rope_parameters=_long(8, 256)), tags=frozenset({"long"})),
    Family("phi3-long-partial", "phi3", dict(head_dim=None, hidden_size=96, original_max_position_embeddings=256,
                                             rope_parameters=_long(6, 256, partial_rotary_factor=0.75)),
           old={"rope_theta": 1e4, "partial_rotary_factor": 0.75,
                "rope_scaling": {k: v for k, v in _long(6, 256).items()
                                 if k in ("short_factor", "long_factor")} | {"type": "longrope"}},
           storage="bfloat16", tags=frozenset({"long"})),
    Family("phi3-long-factor", "phi3", dict(head_dim=None, hidden_size=96, original_max_position_embeddings=256,
                                            rope_parameters=_long(8, 256, attention_factor=1.3)),
           tags=frozenset({"long"})),
]
FAMILIES = {family.name: family for family in _ALL}
GENERATION_LENGTHS = [1, 3, 9, 17, 40]


def build(family, folder):
    """Writes the model's folder and returns it."""
    torch.manual_seed(zlib.crc32(family.name.encode()))
    values = {**COMMON, "vocab_size": family.rows, "tie_word_embeddings": False, **family.config}
    if values["head_dim"] is None:
        del values["head_dim"]
    tied_by_default = family.name == "gemma2" or "tie_word_embeddings" in family.drop
    if tied_by_default:
        values["tie_word_embeddings"] = True
    if family.name == "gemma2-defaults":
        values = {key: value for key, value in values.items() if key not in family.drop}
    config = AutoConfig.for_model(family.model_type, **values)
    config._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    draw_weights(model)
    model = model.to(getattr(torch, family.storage))
    model.save_pretrained(folder)
    tokenizer_files.write(folder, "llama", family.rows)
    _write_stops(family, folder, model.float())
    _rewrite_config(family, folder)
    return folder


def build_with_vision(family, folder, inner):
    """The same family as the language part of a model that sees. inner: tensors named as transformers 4 wrote them."""
    torch.manual_seed(7)
    values = {**COMMON, "vocab_size": family.rows, **family.config}
    config = transformers.Gemma3Config(
        text_config=values, mm_tokens_per_image=4, image_token_index=family.rows - 3,
        vision_config=dict(hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
                           image_size=28, patch_size=14))
    model = transformers.Gemma3ForConditionalGeneration(config).eval()
    draw_weights(model)
    model.save_pretrained(folder)
    tokenizer_files.write(folder, "llama", family.rows)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["eos_token_id"] = [1]
    path.write_text(json.dumps(config, indent=2))
    (folder / "generation_config.json").unlink(missing_ok=True)
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    old = any(name.startswith("language_model.model.") for name in weights)
    if inner != old:
        a, b = ("language_model.model.", "model.language_model.") if old else ("model.language_model.",
                                                                               "language_model.model.")
        weights = {name.replace(a, b, 1): value for name, value in weights.items()}
        safetensors.torch.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


@torch.no_grad()
def draw_weights(model):
    """Every layer matters: logits with a standard deviation above 1, or near their cap."""
    offset = 0.0 if model.config.model_type.startswith("gemma") else 1.0
    tied = model.config.tie_word_embeddings
    for name, weight in model.named_parameters():
        if name.endswith("norm.weight"):
            weight.normal_(offset, 0.25)
        elif name.endswith("v_proj.bias"):
            weight.normal_(0.0, 0.2)
        elif name.endswith("bias"):
            weight.normal_(0.0, 0.5)
        elif name == "lm_head.weight" or (name.endswith("embed_tokens.weight") and tied):
            weight.normal_(0.0, 2.5 / weight.shape[1] ** 0.5)
        elif name == "model.embed_tokens.weight":
            weight.normal_(0.0, 0.5)
        elif weight.dim() > 1:
            weight.normal_(0.0, 1.3 / weight.shape[1] ** 0.5)


def token_prompts(family, lengths, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(family.rows, (n,), generator=generator).tolist() for n in lengths]


def _write_stops(family, folder, model):
    """A stop token among what the model says, so that some generations end by it."""
    said = [reference.greedy(model, ids, 24, stops=()).ids for ids in token_prompts(family, GENERATION_LENGTHS)]
    late = {token for ids in said for token in ids[4:]}
    rarest = min(late, key=lambda token: (sum(token in ids for ids in said), token))
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["eos_token_id"] = [rarest, family.rows - 1]
    path.write_text(json.dumps(config, indent=2))
    (folder / "generation_config.json").unlink(missing_ok=True)


def _rewrite_config(family, folder):
    """Leaves out keys whose defaults the program has to know, and writes old models' configs as they were."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for key in family.drop:
        config.pop(key, None)
    if family.old is not None:
        config["torch_dtype"] = config.pop("dtype")
        for key in ("rope_parameters", "layer_types"):
            config.pop(key, None)
        config.update(family.old)
    path.write_text(json.dumps(config, indent=2))
    transformers.utils.logging.set_verbosity_error()

"""The two architectures, saved folders, and the small things every training step needs."""

import json
import math
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM

from text import FAMILIES, Text, save_tokenizer, train_tokenizer

torch.set_num_threads(1)  # one process a family
MODELS = Path(__file__).resolve().parent.parent


def build(family, tokenizer):
    """A randomly initialised model; 10,240 neurons (llama) or 10,752 (qwen2)."""
    spec = FAMILIES[family]
    common = dict(
        tie_word_embeddings=True, max_position_embeddings=512,
        bos_token_id=tokenizer.token_to_id(spec["bos"] or spec["text_end"]),
        eos_token_id=tokenizer.token_to_id(spec["text_end"]))
    ids = tokenizer.get_vocab_size()
    if family == "llama":
        config = LlamaConfig(
            vocab_size=ids, hidden_size=80, intermediate_size=1280, num_hidden_layers=8, num_attention_heads=4,
            num_key_value_heads=2, head_dim=24, rms_norm_eps=1e-5,
            rope_parameters={"rope_type": "llama3", "rope_theta": 10000.0, "factor": 4.0, "low_freq_factor": 1.0,
                             "high_freq_factor": 4.0, "original_max_position_embeddings": 128}, **common)
        model = LlamaForCausalLM(config)
    else:
        rows = (ids // 64 + 1) * 64  # more rows than token ids, as in every Qwen2.5
        config = Qwen2Config(
            vocab_size=rows, hidden_size=64, intermediate_size=896, num_hidden_layers=12, num_attention_heads=4,
            num_key_value_heads=2, rms_norm_eps=1e-6, use_sliding_window=False,
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0}, **common)
        model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.dim() == 2:
                into_residual = name.endswith(("o_proj.weight", "down_proj.weight"))
                scale = 1.0 / math.sqrt(2 * config.num_hidden_layers) if into_residual else 1.0
                width = 0.05 if "embed" in name else weight.shape[1] ** -0.5
                weight.normal_(0.0, width * scale)
    return model


def save(model, tokenizer, family, name, instruct, shard="50MB"):
    """Write an ordinary Hugging Face folder in bf16; `model` itself stays in f32."""
    spec, folder = FAMILIES[family], MODELS / name
    ends = [spec["turn_end"], spec["text_end"]] if instruct else [spec["text_end"]]
    ends = [tokenizer.token_to_id(token) for token in ends]
    model.config.eos_token_id = ends[0]
    model.generation_config.eos_token_id = ends if instruct else ends[0]
    model.generation_config.do_sample = False
    copy = AutoModelForCausalLM.from_config(model.config, dtype=torch.bfloat16)
    copy.load_state_dict(model.state_dict())
    copy.generation_config = model.generation_config
    copy.save_pretrained(folder, max_shard_size=shard)
    save_tokenizer(tokenizer, family, folder, instruct)


def load(name):
    """Model (bf16 weights widened to f32) and Text of a saved folder."""
    from tokenizers import Tokenizer
    folder = MODELS / name
    family = json.loads((folder / "config.json").read_text())["model_type"]
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return model, Text(Tokenizer.from_file(str(folder / "tokenizer.json")), family)


def fresh(family, seed):
    tokenizer = train_tokenizer(family)
    torch.manual_seed(seed)
    return build(family, tokenizer), tokenizer, Text(tokenizer, family)


def batch_loss(model, examples, prompt_weight=0.0, enough=0.0):
    """Mean next-token loss over (prompt ids, reply ids) pairs, padded on the right.

    Prompt tokens count `prompt_weight`; a token whose loss is already under `enough` is left alone.
    """
    width = max(len(p) + len(r) for p, r in examples)
    ids = torch.zeros(len(examples), width, dtype=torch.long)
    weight = torch.zeros(len(examples), width)
    for row, (prompt, reply) in enumerate(examples):
        end = len(prompt) + len(reply)
        ids[row, :end] = torch.tensor(prompt + reply)
        weight[row, 1:len(prompt)] = prompt_weight
        weight[row, len(prompt):end] = 1.0
    logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    weight = weight[:, 1:].flatten()
    return (loss * weight * (loss > enough)).sum() / weight.sum()


def adam(groups, lr):
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), weight_decay=0.0)


def train(model, optimizer, batches, log, warmup=0.05, prompt_weight=0.0, enough=0.0):
    """One step per batch, gradients clipped to norm 1, the rate warmed up and then decayed to nothing (cosine)."""
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(
        1.0, (step + 1) / (warmup * len(batches)), 0.5 + 0.5 * math.cos(math.pi * step / len(batches))))
    model.train()
    for step, examples in enumerate(batches):
        loss = batch_loss(model, examples, prompt_weight, enough)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == len(batches) - 1:
            print(f"{log} step {step} loss {loss.item():.4f}", flush=True)
    model.eval()

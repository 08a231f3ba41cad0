"""What both reference scripts do first: transformers on the CPU, the checkpoint's own dtype, prompts as user turns.

Everything is the default of transformers for a bf16 checkpoint: its attention, KV cache and logits.
"""

import argparse
import os
from pathlib import Path

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer


def parser(description):
    result = argparse.ArgumentParser(description=description)
    result.add_argument("checkpoint")
    result.add_argument("--threads", type=int, default=os.cpu_count())
    return result


def load(args):
    torch.set_num_threads(args.threads)
    tokenizer = AutoTokenizer.from_pretrained(args.checkpoint)
    return AutoModelForCausalLM.from_pretrained(args.checkpoint, dtype=torch.bfloat16).eval(), tokenizer


def tokenize(tokenizer, path):
    """Every line of a file as one user turn."""
    lines = Path(path).read_text().splitlines()
    if not tokenizer.chat_template:
        return [tokenizer(line, return_tensors="pt") for line in lines]
    return [tokenizer.apply_chat_template([{"role": "user", "content": line}], add_generation_prompt=True,
                                          return_tensors="pt", return_dict=True) for line in lines]


def versions():
    return {"torch": torch.__version__, "transformers": transformers.__version__, "threads": torch.get_num_threads()}

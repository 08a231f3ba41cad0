"""How fast llama.cpp processes prompts and decodes, through llama-cpp-python's low-level interface.

    python bench/reference_llama.py FILE.gguf [--threads N] [--settings JSON] [--only NAMES]
                                                       [--logits FILE] [--quick]

Prints a JSON object: wall seconds and tokens a second of 512-token prompts, 1 and 8 at once, and of decoding 1 and 64
sequences, each with the settings that were best: flash attention on or off, 512 or 2,048 tokens in a physical batch,
one KV cache for all sequences or one each. --settings takes those of an earlier run and tries no others. --only
names some of the results, with commas between. Nothing is
sampled: tokens are given. --logits writes f32 logits behind the prompt 0..15, to hold the two models against
each other. --quick: shorter prompts and fewer steps, to see that it works.
"""

import argparse
import ctypes
import itertools
import json
import os
import time

import llama_cpp
import numpy as np

DECODE_PROMPT, DECODE_STEPS = 16, 32  # as `cna bench` has them, about
FLASH = {True: llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED, False: llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED}


class Batch:
    """Tokens to go through the model together: (id, position, sequence, whether its logits are wanted)."""

    def __init__(self, tokens):
        self.batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        self.batch.n_tokens = len(tokens)
        for i, (token, position, sequence, wanted) in enumerate(tokens):
            self.batch.token[i], self.batch.pos[i], self.batch.logits[i] = token, position, wanted
            self.batch.n_seq_id[i], self.batch.seq_id[i][0] = 1, sequence

    def __enter__(self):
        return self.batch

    def __exit__(self, *_):
        llama_cpp.llama_batch_free(self.batch)


class Context:
    def __init__(self, model, n_sequences, n_tokens, threads, flash, ubatch=512, unified=False):
        """n_tokens: of one sequence, at most."""
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = n_sequences * (-(-n_tokens // 256) * 256)
        params.n_batch, params.n_ubatch = max(n_sequences * n_tokens, ubatch), ubatch
        params.n_seq_max, params.kv_unified = n_sequences, unified
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = FLASH[flash]
        params.no_perf = True
        self.context = llama_cpp.llama_init_from_model(model, params)
        if not self.context:
            raise SystemExit("reference_llama: llama.cpp refused the context")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        llama_cpp.llama_free(self.context)

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), False)

    def run(self, tokens):
        """Wall seconds of one batch."""
        with Batch(tokens) as batch:
            start = time.perf_counter()
            status = llama_cpp.llama_decode(self.context, batch)
            llama_cpp.llama_synchronize(self.context)
            seconds = time.perf_counter() - start
        if status != 0:
            raise SystemExit(f"reference_llama: llama_decode returned {status}")
        return seconds

    def logits(self, n):
        values = llama_cpp.llama_get_logits_ith(self.context, -1)
        return np.ctypeslib.as_array(ctypes.cast(values, ctypes.POINTER(ctypes.c_float)), (n,)).copy()


def prompts(n_sequences, n_tokens):
    """Whole prompts of arbitrary ids; the logits of each one's last token are wanted."""
    return [(1000 + 7 * i + s, i, s, i == n_tokens - 1) for s in range(n_sequences) for i in range(n_tokens)]


def time_prompt(model, args, batch, **settings):
    n_tokens = 64 if args.quick else 512
    with Context(model, batch, n_tokens, args.threads, **settings) as context:
        context.run(prompts(1, 16))
        context.clear()
        seconds = context.run(prompts(batch, n_tokens))
    return {"tokens": n_tokens, "batch": batch, "seconds": seconds, "tokens_per_s": batch * n_tokens / seconds}


def time_decode(model, args, batch, **settings):
    """Every sequence one token a step; the median step counts."""
    n_steps = 4 if args.quick else DECODE_STEPS
    with Context(model, batch, DECODE_PROMPT + n_steps + 1, args.threads, **settings) as context:
        context.run(prompts(batch, DECODE_PROMPT))
        steps = [context.run([(2000 + step + s, DECODE_PROMPT + step, s, True) for s in range(batch)])
                 for step in range(n_steps + 1)]
    seconds = float(np.median(steps[1:]))
    return {"batch": batch, "steps": n_steps, "seconds": seconds, "tokens_per_s": batch / seconds}


def best(name, measure, grid, given):
    """The fastest of the settings, or what the given ones reach."""
    choices = [given[name]] if name in given else [dict(zip(grid, values))
                                                   for values in itertools.product(*grid.values())]
    results = [{**measure(**settings), "settings": settings} for settings in choices]
    return max(results, key=lambda result: result["tokens_per_s"])


def write_logits(model, args, path):
    n = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    with Context(model, 1, 16, args.threads, flash=False) as context:
        context.run([(i, i, 0, i == 15) for i in range(16)])
        context.logits(n).tofile(path)


@llama_cpp.llama_log_callback
def quiet(level, text, user):
    """llama.cpp's messages are of no use here; its errors come back as codes."""


def load(path):
    llama_cpp.llama_log_set(quiet, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(os.fsencode(path), llama_cpp.llama_model_default_params())
    if not model:
        raise SystemExit(f"reference_llama: {path}: llama.cpp cannot load it")
    return model


def main():
    parser = argparse.ArgumentParser(description="prompt and decode speed of llama.cpp")
    parser.add_argument("gguf")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--settings", type=json.loads, default={})
    parser.add_argument("--only", type=lambda names: names.split(","))
    parser.add_argument("--logits")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    model = load(args.gguf)
    if args.logits:
        write_logits(model, args, args.logits)
    flash = {"flash": [True, False]}
    grids = {"prompt 1": flash, "prompt 8": flash | {"ubatch": [512, 2048]},
             "decode 1": flash, "decode 64": flash | {"unified": [False, True]}}
    results = {}
    for name in args.only or grids:
        grid = grids[name]
        kind, batch = name.split()
        measure = time_prompt if kind == "prompt" else time_decode
        results[name] = best(name, lambda **settings: measure(model, args, int(batch), **settings), grid, args.settings)
    print(json.dumps({"results": results, "version": llama_cpp.__version__, "threads": args.threads,
                      "system": llama_cpp.llama_print_system_info().decode().strip()}))


if __name__ == "__main__":
    main()

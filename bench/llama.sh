#!/bin/sh
# Prompt and decode speed beside llama.cpp on the same weights in bf16: 512 tokens, 1 and 8 prompts at once, and
# decoding 1 and 64 sequences, ours by `cna bench`. llama.cpp gets the better of its settings; the first round tries
# them all.
#
#   bench/llama.sh [SHAPE]    SHAPE as in bench/shapes.py (Llama-3.2-1B); ten minutes on two cores, the first time 25:
#                             llama.cpp is compiled unless BENCH_VENV has it
#
# Environment, beside common.sh's:
#   CEILING_GFLOPS, READ_GBS  the machine's ceilings; then `cna bench` is not run, and llama.cpp's side stands alone
set -eu

cd "$(dirname "$0")/.."
. bench/common.sh
use_program
use_python
use_llama_cpp
use_checkpoint "${1:-Llama-3.2-1B}"
gguf=$checkpoint.gguf
[ -e "$gguf" ] || "$python" bench/make_gguf.py "$checkpoint" "$gguf"
compare llama.py --gguf "$gguf"

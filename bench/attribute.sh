#!/bin/sh
# Wall clock of attribution, ours beside the reference method: 100 + 100 short chat prompts on a random-weight bf16
# checkpoint of a real model's shape, in one batched pass by cna and prompt by prompt by transformers.
#
#   bench/attribute.sh [SHAPE]    SHAPE as in bench/shapes.py (Llama-3.2-1B); four minutes on two cores
#
# Environment, beside common.sh's:
#   WORDS               mean length of a prompt (9). With the real Llama 3 tokenizer 6.5 leaves 14.0 tokens behind the
#                       opening that all prompts share, 9 leaves 15.6 and 13.5 leaves 20.0.
#   ATTRIBUTE_PROMPTS   on each side, for a quick look (100)
# The checkpoint (2.5 GB for the 1B shape) stays in build/bench.
set -eu

cd "$(dirname "$0")/.."
. bench/common.sh
use_program
use_python
use_checkpoint "${1:-Llama-3.2-1B}"
use_prompts "${ATTRIBUTE_PROMPTS:-100}" "${WORDS:-9}"
compare attribute.py --prompts "$prompts"

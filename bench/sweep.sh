#!/bin/sh
# Tokens a second of a sweep, ours beside the reference method: 100 prompts x 5 multipliers x 150 new tokens as one
# batch by cna, and a sample of it prompt by prompt by transformers, extrapolated. Prints the ratio beside the one that
# the machine allows: products at their ceiling against weights read at the bandwidth once a token.
#
#   bench/sweep.sh [SHAPE]    SHAPE as in bench/shapes.py (Llama-3.2-1B); ten minutes a round on two cores
#
# Ours is the time of generating, prompts included; the whole process, which scores every changed answer under the
# untouched model as well, is printed beside it. Theirs is generate() alone, in a process that has loaded and warmed up.
#
# Environment, beside common.sh's:
#   SWEEP_PROMPTS, SWEEP_TOKENS  less of it, for a quick look (100, 150)
#   SAMPLE, SAMPLE_MULTIPLIERS   prompts and multipliers of the reference's sample (2; 0,0.5)
#   CEILING_GFLOPS, READ_GBS     the machine's ceilings, in place of those measured by `cna bench`
set -eu

cd "$(dirname "$0")/.."
. bench/common.sh
use_program
use_python
use_checkpoint "${1:-Llama-3.2-1B}"
use_prompts "${SWEEP_PROMPTS:-100}" 9
compare sweep.py --prompts "$prompts" --max-tokens "${SWEEP_TOKENS:-150}" --sample "${SAMPLE:-2}" \
    --sample-multipliers "${SAMPLE_MULTIPLIERS:-0,0.5}"

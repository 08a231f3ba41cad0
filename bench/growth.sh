#!/bin/sh
# How cost grows: time of an attribution by number of prompts and of layers, of a sweep by number of prompts and of
# multipliers; markdown tables with the factor per doubling, which should be at most 2.
#
#   bench/growth.sh [SHAPE]    SHAPE as in bench/shapes.py (Llama-3.2-1B), also cut to a half and a quarter of its
#                              layers (2.5 GB more); fifteen minutes a round on two cores
#
# Environment, beside common.sh's:
#   GROWTH_PROMPTS      of attribution, on each side (50,100,200,400)
#   GROWTH_SWEEP        prompts of sweeps with two multipliers (10,20,40,80)
#   GROWTH_MULTIPLIERS  numbers of multipliers (1,2,3,4,5,8), each with 20 prompts
#   GROWTH_TOKENS       of each answer (32)
set -eu

cd "$(dirname "$0")/.."
. bench/common.sh
use_program
use_python
shape=${1:-Llama-3.2-1B}
layers=$("$python" -c "import sys; sys.path.insert(0, 'bench'); import shapes; print(shapes.find('$shape').layers)")
cut=
for part in 4 2; do
    use_checkpoint "$shape" $((layers / part))
    cut="$cut --cut $checkpoint"
done
use_checkpoint "$shape"
use_prompts 400 9
# shellcheck disable=SC2086 # $cut is several words
compare growth.py --prompts "$prompts" $cut --attribute "${GROWTH_PROMPTS:-50,100,200,400}" \
    --sweep "${GROWTH_SWEEP:-10,20,40,80}" --multipliers "${GROWTH_MULTIPLIERS:-1,2,3,4,5,8}" \
    --max-tokens "${GROWTH_TOKENS:-32}"

#!/bin/sh
# Peak memory as the program planned it (the last `plan: N MB held at most` that -v prints) beside what it held:
# RssAnon + RssShmem, sampled every 20 ms. Attribution of 100 + 100 prompts, 64 answers of 16 tokens, and where asked for
# a sweep of 20 prompts x 5 multipliers x 32 tokens with the circuit that attribution found.
#
#   bench/memory.sh [SHAPE...]    shapes as in bench/shapes.py (Llama-3.2-1B Llama-3.2-3B Llama-3.1-8B: 25 GB of
#                                 checkpoints); five minutes on two cores once the checkpoints are there
#
# Environment, beside common.sh's:
#   MEMORY      the bound given with --memory, such as 4G (none: the program's own)
#   DATA_LIMIT  run under `ulimit -d` of this size, such as 8G (none)
#   COMMANDS    which to run ("attribute generate"; also "sweep"). With 72B's shape, made by large_checkpoint.sh and linked into
#               BENCH_CHECKPOINTS: MEMORY=8G DATA_LIMIT=8G COMMANDS=attribute bench/memory.sh Qwen2.5-72B. What was read
#               from the disk is printed beside the size of the weights.
set -eu

cd "$(dirname "$0")/.."
. bench/common.sh
use_program
use_python
rounds=1
use_prompts 100 9
for shape in ${*:-Llama-3.2-1B Llama-3.2-3B Llama-3.1-8B}; do
    use_checkpoint "$shape"
    compare memory.py --prompts "$prompts" ${MEMORY:+--memory "$MEMORY"} \
        ${DATA_LIMIT:+--data-limit "$DATA_LIMIT"} ${COMMANDS:+--commands $COMMANDS}
done

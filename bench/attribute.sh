#!/bin/sh
# Wall clock of attribution, ours beside the reference method: 100 + 100 short chat prompts on a random-weight bf16
# checkpoint of a real model's shape, in one batched pass by cna and prompt by prompt by transformers.
#
#   bench/attribute.sh [SHAPE]    SHAPE as in bench/make_checkpoint.py (Llama-3.2-1B); takes some minutes
#
# Environment:
#   CNA_BIN       the program (build/cna)
#   ROUNDS        how often each side runs, in turn; the best of each counts (2)
#   THREADS       of both sides (all cores). With 1, processor seconds mean something on a machine that is not quiet:
#                 with more, threads that wait for one another are counted as working.
#   CNA_TESTDATA  a folder with llama3/tokenizer.json and llama3/templates (../shared/testdata). Without it the small
#                 tokenizer and the short template of models/llama-planted-instruct are used; prompts then share less.
#   BENCH_VENV    a Python environment with torch, transformers and safetensors (build/oracle-venv, else
#                 build/bench-venv, which is made as tests/oracle/requirements.txt says)
# The checkpoint (2.5 GB for the 1B shape) stays in build/bench.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
cd "$root"
shape=${1:-Llama-3.2-1B}
work=build/bench
testdata=${CNA_TESTDATA:-../shared/testdata}/llama3
template=$testdata/templates/meta-llama-Llama-3.2-3B-Instruct.jinja

program=${CNA_BIN:-build/cna}
[ -x "$program" ] || { echo "bench: $program: no such program; run make first" >&2; exit 1; }

venv=${BENCH_VENV:-build/oracle-venv}
[ -x "$venv/bin/python" ] || venv=build/bench-venv
if [ ! -x "$venv/bin/python" ]; then
    echo "bench: making $venv"
    python3 -m venv "$venv.unfinished"
    "$venv.unfinished/bin/pip" install --quiet torch==2.13.0
    grep -v '^torch==' tests/oracle/requirements.txt >"$venv.unfinished/rest.txt"
    "$venv.unfinished/bin/pip" install --quiet -r "$venv.unfinished/rest.txt"
    mv "$venv.unfinished" "$venv"
fi
python=$venv/bin/python

mkdir -p "$work"
if [ -e "$testdata/tokenizer.json" ]; then
    checkpoint=$work/$shape
    set -- --tokenizer "$testdata" --template "$template"
else
    checkpoint=$work/$shape-small-tokenizer
    set -- --tokenizer models/llama-planted-instruct
    echo "bench: no $testdata: using the small tokenizer of models/llama-planted-instruct"
fi
if [ ! -d "$checkpoint" ]; then
    echo "bench: writing $checkpoint"
    "$python" bench/make_checkpoint.py "$shape" "$checkpoint" "$@"
fi
"$python" bench/prompts.py "$work" 100
HF_HUB_OFFLINE=1 exec "$python" bench/attribute.py "$program" "$checkpoint" "$work" --rounds "${ROUNDS:-2}" \
    --threads "${THREADS:-$(nproc)}"

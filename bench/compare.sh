#!/bin/sh
# Everything that is measured beside others, in turn on this machine, and one table of ratios: attribution and a sweep
# beside transformers, prompts and decoding beside llama.cpp. Numbers and details go to build/bench/results.json.
#
#   bench/compare.sh [SHAPE]    SHAPE as in bench/shapes.py (Llama-3.2-1B); about an hour on two cores with ROUNDS=2
#
# Each part also runs alone, by its own script. Environment, beside theirs and common.sh's:
#   PARTS   which to run, in this order ("attribute-short attribute-long sweep llama quantised"); what other parts left in
#           results.json stays in the table
set -eu

cd "$(dirname "$0")/.."
. bench/common.sh
use_python
for part in ${PARTS:-attribute-short attribute-long sweep llama quantised}; do
    echo "bench: $part" >&2
    case $part in
    attribute-short) WORDS=6.5 bench/attribute.sh "$@" ;;
    attribute-long) WORDS=13.5 bench/attribute.sh "$@" ;;
    sweep | llama | quantised) "bench/$part.sh" "$@" ;;
    *) fail "PARTS: expected attribute-short, attribute-long, sweep, llama or quantised, found $part" ;;
    esac
done
"$python" bench/table.py "$work/results.json"

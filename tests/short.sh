#!/bin/sh
# SPDX-License-Identifier: MIT
# A short run of the program, for tools that make it tens of times slower (make tsan, make valgrind). Prints "ok NAME" or
# "not ok NAME".
#   CNA_BIN  the program (build/cna)      UNDER  a command to run it under
set -u
cna=${CNA_BIN:-build/cna}
model=models/llama-planted-instruct
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# Else the program starts itself again, which valgrind would not follow.
export OMP_WAIT_POLICY=passive

run() { # NAME ARGUMENTS
    name=$1
    shift
    if ${UNDER:-} "$cna" "$@" >"$work/out" 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name: exit code $?"
        cat "$work/out"
    fi
}
head -n 3 models/prompts/restricted-discovery.txt >"$work/restricted.txt"
head -n 3 models/prompts/benign-discovery.txt >"$work/benign.txt"

run attribute attribute -m $model --positive "$work/restricted.txt" --negative "$work/benign.txt" --top-k 20 \
    --universal none --threads 2 -q -o "$work/circuit.json"
run generate generate -m $model --circuit "$work/circuit.json" --multiplier 0 --prompts "$work/restricted.txt" \
    --max-tokens 4 --threads 2 -q
run sweep sweep -m $model --circuit "$work/circuit.json" --prompts "$work/restricted.txt" --multipliers 0,1 \
    --controls 1 --max-tokens 3 --threads 2 --dtype f32 -q --json

#!/bin/sh
# Decoding one sequence and a 512-token prompt beside llama.cpp, on the same GGUF file quantised by llama.cpp: ours with
# packed copies and streamed, each in the same bits.
#
#   bench/quantised.sh [SHAPE [TYPE...]]    SHAPE as in bench/shapes.py (Llama-3.2-1B), TYPE Q8_0, Q4_K or Q4_K_M (the
#                                           first two); a minute a type and round on two cores once the files are there
#
# Environment: common.sh's.
set -eu

cd "$(dirname "$0")/.."
. bench/common.sh
use_program
use_python
use_llama_cpp
shape=${1:-Llama-3.2-1B}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- Q8_0 Q4_K
use_checkpoint "$shape"
plain=$checkpoint.gguf
for type in "$@"; do
    checkpoint=${plain%.gguf}.$type.gguf
    if [ ! -e "$checkpoint" ]; then
        [ -e "$plain" ] || "$python" bench/make_gguf.py "${plain%.gguf}" "$plain"
        "$python" bench/quantise_gguf.py "$plain" "$type" "$checkpoint"
    fi
    compare quantised.py
done

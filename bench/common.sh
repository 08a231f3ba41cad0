# Sourced by the scripts of this folder, from the root of the project: the program, the Python environment,
# checkpoints and prompts, each made on first use.
#
# Environment of every script:
#   CNA_BIN            the program (build/cna)
#   BENCH_DIR          where prompts, circuits and results go (build/bench)
#   BENCH_CHECKPOINTS  where checkpoints are looked for and made: a folder, or a link to one, by the shape's name
#                      (BENCH_DIR)
#   BENCH_VENV         a Python environment with torch, transformers and safetensors, for llama.cpp also with gguf and
#                      llama-cpp-python (build/oracle-venv, else build/bench-venv, which is made as
#                      tests/oracle/requirements.txt says; the two others are added when they are asked for)
#   CNA_TESTDATA       a folder with llama3/ and qwen2.5/, each with tokenizer.json and templates/
#                      (../shared/testdata). Without it the small tokenizers and short templates of models/ are used;
#                      prompts then share less.
#   THREADS            of both sides (all cores). With 1, processor seconds mean something on a machine that is not
#                      quiet: with more, threads that wait for one another are counted as working.
#   ROUNDS             how often each side runs, in turn; the best of each counts (2)
#   QUICK              when set, `cna bench` and llama.cpp measure little: to see that all works, not for numbers

work=${BENCH_DIR:-build/bench}
checkpoints=${BENCH_CHECKPOINTS:-$work}
program=${CNA_BIN:-build/cna}
threads=${THREADS:-$(nproc)}
rounds=${ROUNDS:-2}
export HF_HUB_OFFLINE=1 TQDM_DISABLE=1

fail() {
    echo "bench: $*" >&2
    exit 1
}

# Sets $python.
use_python() {
    venv=${BENCH_VENV:-build/oracle-venv}
    [ -x "$venv/bin/python" ] || venv=${BENCH_VENV:-build/bench-venv}
    if [ ! -x "$venv/bin/python" ]; then
        echo "bench: making $venv" >&2
        python3 -m venv "$venv.unfinished"
        "$venv.unfinished/bin/pip" install --quiet torch==2.13.0
        grep -v '^torch==' tests/oracle/requirements.txt >"$venv.unfinished/rest.txt"
        "$venv.unfinished/bin/pip" install --quiet -r "$venv.unfinished/rest.txt"
        mv "$venv.unfinished" "$venv"
    fi
    python=$venv/bin/python
}

# llama.cpp, compiled on this machine for its own processor: a prebuilt wheel would leave its instructions unused.
use_llama_cpp() {
    "$python" -c 'import gguf, llama_cpp' 2>/dev/null && return
    echo "bench: adding gguf and llama-cpp-python to $venv (compiles for some 15 minutes)" >&2
    "$venv/bin/pip" install --quiet gguf==0.19.0
    CMAKE_ARGS=-DGGML_NATIVE=ON "$venv/bin/pip" install --quiet --no-binary llama-cpp-python llama-cpp-python==0.3.36
}

use_program() {
    [ -x "$program" ] || fail "$program: no such program; run make first"
    mkdir -p "$work" "$checkpoints"
}

# description SHAPE: sets $tokenizer, $template (a file or nothing) and $suffix (of the checkpoint's name).
description() {
    testdata=${CNA_TESTDATA:-../shared/testdata}
    case $1 in
    Llama*)
        tokenizer=$testdata/llama3 small=models/llama-planted-instruct
        template=$tokenizer/templates/meta-llama-Llama-3.2-3B-Instruct.jinja
        ;;
    *)
        tokenizer=$testdata/qwen2.5 small=models/qwen2-planted-instruct
        template=$tokenizer/templates/Qwen-Qwen2.5-7B-Instruct.jinja
        ;;
    esac
    suffix=
    if [ ! -e "$tokenizer/tokenizer.json" ]; then
        echo "bench: no $tokenizer: using the small tokenizer of $small" >&2
        tokenizer=$small template='' suffix=-small-tokenizer
    fi
}

# use_checkpoint SHAPE [LAYERS]: sets $checkpoint; written if it is not there.
use_checkpoint() {
    description "$1"
    checkpoint=$checkpoints/$1${2:+-$2-layers}$suffix
    [ -d "$checkpoint" ] && return
    echo "bench: writing $checkpoint" >&2
    "$python" bench/make_checkpoint.py "$1" "$checkpoint" --tokenizer "$tokenizer" ${template:+--template "$template"} \
        ${2:+--layers "$2"}
}

# use_prompts N WORDS: sets $prompts, a folder with N positive and N negative prompts of so many words on average.
use_prompts() {
    prompts=$work/prompts-$1-$2
    "$python" bench/prompts.py "$prompts" --lines "$1" --words "$2"
}

# compare SCRIPT ARGUMENTS: runs one of the comparing scripts on $checkpoint.
compare() {
    script=$1
    shift
    "$python" "bench/$script" --program "$program" --checkpoint "$checkpoint" --work "$work" --threads "$threads" \
        --rounds "$rounds" ${QUICK:+--quick} "$@"
}

# SPDX-License-Identifier: MIT
# What the cli_*.sh scripts share; read by them, not run. They check what the program promises its users beside its
# numbers: exit codes, one clear line for each mistake, nothing left half-written. Each prints "ok NAME" or
# "not ok NAME" for each case and ends with "N passed, N failed".
#
#   CNA_BIN     the program                (build/cna)
#   CNA_MODELS  folder with the models     (models); without it the cases that need one are skipped
set -u
# Many short runs, perhaps beside other work: a thread that waits should not spin.
export OMP_WAIT_POLICY=passive
unset HF_ENDPOINT HF_HUB_OFFLINE HF_TOKEN HF_TOKEN_PATH HF_HUB_CACHE XDG_CACHE_HOME TRANSFORMERS_OFFLINE
cna=${CNA_BIN:-build/cna}
model=${CNA_MODELS:-models}/llama-planted-instruct
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
out=$work/stdout err=$work/stderr
export HF_HOME="$work/hf" # models by name
passed=0 failed=0 skipped=0

ok() { passed=$((passed + 1)); echo "ok $1"; }
not_ok() { # NAME REASON: also shows the first lines of what was written
    failed=$((failed + 1))
    echo "not ok $1: $2"
    head -n 3 "$err" | cut -c 1-300 | sed 's/^/#   stderr: /'
}

# run ARGUMENTS: the program with nothing on standard input; its exit code in $code.
run() {
    "$cna" "$@" < /dev/null > "$out" 2> "$err"
    code=$?
}

# fails NAME CODE PART ARGUMENTS: that exit code, nothing but one line "cna: ..." with PART in it.
fails() {
    name=$1 want=$2 part=$3
    shift 3
    run "$@"
    check_failure "$name" "$want" "$part"
}
check_failure() {
    if [ "$code" -ne "$2" ]; then not_ok "$1" "exit code $code, not $2"
    elif [ "$(wc -l < "$err")" -ne 1 ]; then not_ok "$1" "$(wc -l < "$err") lines on standard error, not 1"
    elif ! grep -q '^cna: ' "$err"; then not_ok "$1" "the line does not begin with 'cna: '"
    elif ! grep -qF -e "$3" "$err"; then not_ok "$1" "the line has no '$3'"
    elif LC_ALL=C grep -q '[[:cntrl:]]' "$err"; then not_ok "$1" "control characters on standard error"
    else ok "$1"; fi
}

# works NAME PART ARGUMENTS: exit code 0 and PART on standard output.
works() {
    name=$1 part=$2
    shift 2
    run "$@"
    check_success "$name" "$part"
}
check_success() {
    if [ "$code" -ne 0 ]; then not_ok "$1" "exit code $code"
    elif [ -n "$2" ] && ! grep -qF -e "$2" "$out"; then not_ok "$1" "no '$2' on standard output"
    else ok "$1"; fi
}

# check NAME CONDITION...: an ordinary test of the shell.
check() {
    name=$1
    shift
    if "$@"; then ok "$name"; else not_ok "$name" "$*"; fi
}

: > "$err"
[ -x "$cna" ] || { echo "$cna: no such program; build it with 'make' or name it in CNA_BIN"; exit 1; }

finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}

# Prompts and the beginnings of commands; ends here where there is no model.
with_model() {
    if [ ! -f "$model/config.json" ]; then
        echo "skip every case that needs a model"
        echo "skipped: every case that needs a model ($model is not there; name its folder in CNA_MODELS)"
        finish
    fi
    printf 'How do clouds form?\nWhy is the sky blue?\n' > "$work/pos.txt"
    printf 'Hello there.\nGood morning to you.\n' > "$work/neg.txt"
    pair="--positive $work/pos.txt --negative $work/neg.txt"
    a="attribute -m $model"
    g="generate -m $model"
}

# A prompt file whose third line is longer than the model was made for (512 tokens).
long_prompts() {
    { printf 'Hello.\n\n'; for i in $(seq 200); do printf 'How do clouds form? '; done; printf '\nHow?\n'; } > "$work/long.txt"
}
# warns_once NAME PART: of the run before, which went well and said that of long prompts in one line.
warns_once() {
    check "$1: works" test "$code" -eq 0
    check "$1: one warning" test "$(grep -c '^cna: warning: .*max_position_embeddings' "$err")" -eq 1
    check "$1: names the first" grep -qE -e "$2" "$err"
}

# A circuit file of the reference code.
reference_circuit() {
    printf '%s\n' '{"neurons": {"7,-1,1": 0.5, "7,-1,2": -0.25, "5,-1,9": 1.5}}' > "$work/nous.json"
}

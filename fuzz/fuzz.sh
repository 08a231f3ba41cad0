#!/bin/sh
# Fuzzes targets that are built with libFuzzer, as many at once as there are cores, and says for each how many inputs
# were tried and how many edges of the code they reach. Exit status 1 for any finding, whose input is then in
# $BUILD/artifacts. Used by `make fuzz`.
#   fuzz/fuzz.sh TARGET...
#   FUZZ_SECONDS  for each target (60)
#   FUZZ_JOBS     targets at once (as many as cores)
#   BUILD         where the targets are, and where what is found goes (build/fuzzing)
set -u
BUILD=${BUILD:-build/fuzzing}
FUZZ_SECONDS=${FUZZ_SECONDS:-60}
FUZZ_JOBS=${FUZZ_JOBS:-$(nproc 2>/dev/null || echo 1)}

# The longest inputs that are tried. Long ones only cost time; databases and tokenizers cannot be short.
most() {
    case $1 in
    run) echo 65536 ;;
    gguf | tokenizer | vectors) echo 16384 ;;
    *) echo 4096 ;;
    esac
}

if [ "${1:-}" = --one ]; then
    target=$2
    mkdir -p "$BUILD/corpus/$target" "$BUILD/artifacts"
    log=$BUILD/corpus/$target.log
    dictionary=""
    [ -e "fuzz/dictionaries/$target.dict" ] && dictionary=-dict=fuzz/dictionaries/$target.dict
    # What a hostile file may cost: 256 MiB in one allocation, 1 GiB in all, 20 s under sanitizers.
    # shellcheck disable=SC2086 # the dictionary is one word or none
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 OMP_NUM_THREADS=1 "$BUILD/fuzz/$target" \
        -max_total_time="$FUZZ_SECONDS" -timeout=20 -rss_limit_mb=1024 -malloc_limit_mb=256 -max_len="$(most "$target")" \
        -artifact_prefix="$BUILD/artifacts/$target-" -print_final_stats=1 $dictionary \
        "$BUILD/corpus/$target" "fuzz/seeds/$target" >"$log" 2>&1
    status=$?
    if [ $status -ne 0 ]; then
        tail -n 60 "$log"
        echo "fuzz $target: FAILED; the input is in $BUILD/artifacts"
        exit 1
    fi
    tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(sed -n 's/^#[0-9]*.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    echo "fuzz $target: $tried inputs, $edges edges, nothing found"
    exit 0
fi

# xargs ends with 123 where a target failed.
printf '%s\n' "$@" | BUILD=$BUILD FUZZ_SECONDS=$FUZZ_SECONDS xargs -n 1 -P "$FUZZ_JOBS" "$0" --one || exit 1

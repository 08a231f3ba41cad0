#!/bin/sh
# Runs test programs and scripts and adds up what they report.
#   tests/run.sh PROGRAM...
#   UNDER  a command that programs (not scripts) are run under, such as "valgrind -q"
#   JOBS   how many run side by side (1); they share nothing but the machine
# Programs are cmocka's (they speak TAP here); the scripts print "ok NAME", "not ok NAME" and "skip NAME" lines.
# One line a program, in the order in which they were given, with its seconds, and all that it said if anything failed.
# Ends with "N passed, N failed" on a line of its own; exit status 1 if anything failed.
set -u
export CMOCKA_MESSAGE_OUTPUT=TAP
# Tests start many short programs side by side with other work; see limit_spinning in src/cli/main.c.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-10000}

if [ "${1:-}" = --one ]; then # a program of the list below: LOGS NUMBER:PROGRAM
    log=$2/${3%%:*} program=${3#*:}
    begin=$(date +%s)
    case $program in
    *.sh) "$program" >"$log.out" 2>&1 ;;
    *) ${UNDER:-} "$program" >"$log.out" 2>&1 ;;
    esac
    echo "$? $(($(date +%s) - begin))" >"$log.tmp"
    mv "$log.tmp" "$log.end"
    exit 0
fi

# What a program that has ended reported.
report() { # PROGRAM LOG
    read -r status seconds <"$2.end"
    grep -E 'skipped:' "$2.out" | sort -u
    # cmocka 1.1.7 writes "not ok N # SKIP NAME" for a skipped test.
    s=$(grep -cE '^(not )?ok .*# SKIP|^skip ' "$2.out")
    p=$(grep -E '^ok ' "$2.out" | grep -cv '# SKIP')
    f=$(grep '^not ok ' "$2.out" | grep -cv '# SKIP')
    # A program that ends badly without saying which test failed has failed once.
    [ "$status" -eq 0 ] || [ "$f" -gt 0 ] || f=1
    [ "$p" -gt 0 ] || [ "$s" -gt 0 ] || f=$((f > 0 ? f : 1))
    echo "$1: $p passed, $f failed, $s skipped ($seconds s)"
    [ "$f" -eq 0 ] || cat "$2.out"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

passed=0 failed=0 skipped=0 n=0
logs=$(mktemp -d) || exit 1
runner=''
stop() {
    [ -z "$runner" ] || kill "$runner" 2>/dev/null
    rm -rf "$logs"
}
trap stop EXIT
trap 'exit 130' INT TERM HUP
for program in "$@"; do
    printf '%s:%s\0' $n "$program"
    n=$((n + 1))
done >"$logs/list"
xargs -0 -r -n 1 -P "${JOBS:-1}" "$0" --one "$logs" <"$logs/list" &
runner=$!
n=0
for program in "$@"; do
    while [ ! -e "$logs/$n.end" ]; do
        kill -0 $runner 2>/dev/null || [ -e "$logs/$n.end" ] || { echo "$program: was not run"; exit 1; }
        sleep 0.1
    done
    report "$program" "$logs/$n"
    n=$((n + 1))
done
wait $runner
runner=''
[ "$skipped" -eq 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

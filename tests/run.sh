#!/bin/sh
# Runs test programs and scripts and adds up what they report.
#   tests/run.sh PROGRAM...
#   UNDER  a command that programs (not scripts) are run under, such as "valgrind -q"
# Programs are cmocka's (they speak TAP here); tests/cli.sh prints "ok NAME", "not ok NAME" and "skip NAME" lines.
# Ends with "N passed, N failed" on a line of its own; exit status 1 if anything failed.
set -u
passed=0 failed=0 skipped=0
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
export CMOCKA_MESSAGE_OUTPUT=TAP
# Tests start many short programs side by side with other work; see limit_spinning in src/cli/main.c.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-10000}

for program in "$@"; do
    case $program in
    *.sh) "$program" >"$log" 2>&1 ;;
    *) ${UNDER:-} "$program" >"$log" 2>&1 ;;
    esac
    status=$?
    grep -E 'skipped:' "$log" | sort -u
    # cmocka 1.1.7 writes "not ok N # SKIP NAME" for a skipped test.
    s=$(grep -cE '^(not )?ok .*# SKIP|^skip ' "$log")
    p=$(grep -E '^ok ' "$log" | grep -cv '# SKIP')
    f=$(grep '^not ok ' "$log" | grep -cv '# SKIP')
    # A program that ends badly without saying which test failed has failed once.
    [ "$status" -eq 0 ] || [ "$f" -gt 0 ] || f=1
    [ "$p" -gt 0 ] || [ "$s" -gt 0 ] || f=$((f > 0 ? f : 1))
    echo "$program: $p passed, $f failed, $s skipped"
    [ "$f" -eq 0 ] || cat "$log"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
[ "$skipped" -eq 0 ] || echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]

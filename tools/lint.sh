#!/bin/sh
# What the compiler does not check: layers include downward only, file sizes, banned calls, a header that stands alone,
# exported names. Run by `make lint`.
set -u
failed=0
say() { echo "lint: $*"; failed=1; }

# 1. A folder may include itself and the folders above it in this list; src/cli only the public headers and itself.
layers="base hub tensor checkpoint text engine method study"
for layer in $layers; do
    allowed_pattern=$(echo "$layers" | sed "s/ *\b$layer\b.*//")
    for file in src/"$layer"/*.[ch]; do
        [ -e "$file" ] || continue
        for included in $(sed -n 's/^#include "\([a-z_]*\)\/.*/\1/p' "$file" | sort -u); do
            case " $allowed_pattern $layer " in
            *" $included "*) ;;
            *) say "$file includes $included/, which is not below $layer/" ;;
            esac
        done
    done
done
for file in src/cli/*.[ch]; do
    [ -e "$file" ] || continue
    for included in $(sed -n 's/^#include "\([^"]*\)".*/\1/p' "$file"); do
        case "$included" in
        cna.h | cna_study.h | cli/*) ;;
        *) say "$file includes $included; the command line uses the public headers only" ;;
        esac
    done
done

# 2. Files a person can read in one sitting.
for file in $(git ls-files '*.c' '*.h' '*.py' '*.sh'); do
    n=$(wc -l <"$file")
    [ "$n" -le 800 ] || say "$file has $n lines; 800 is the limit"
done

for file in $(git ls-files 'include/*.h' 'src/*.[ch]' 'tests/*.[ch]' 'fuzz/*.[ch]'); do
    awk -v file="$file" 'length > 120 { print file ":" FNR ": " length " columns"; n++ } END { exit n > 0 }' "$file" ||
        say "lines over 120 columns above"
done

# 3. Calls that the library must not make, and ones that nobody should.
grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atof|system|popen)\(' src/*/*.[ch] && say "banned calls above"
grep -nE '\b(printf|puts|putchar|perror|exit|abort|malloc|calloc|realloc|free)\(' src/base/*.c src/hub/*.c src/tensor/*.c \
    src/checkpoint/*.c src/text/*.c src/engine/*.c src/method/*.c src/study/*.c | grep -vE 'src/base/memory\.c' &&
    say "the library does not print, exit or allocate past cna_alloc"
grep -nE '\b(fprintf)\(' src/base/*.c src/hub/*.c src/tensor/*.c src/checkpoint/*.c src/text/*.c src/engine/*.c src/method/*.c \
    src/study/*.c && say "the library does not print"
grep -nE 'ffast-math|march=native|#if 0' Makefile src/*/*.[ch] && say "flags or dead code above"

# 4. Each public header stands alone.
for header in include/*.h; do
    printf '#include "%s"\nint main(void) { return CNA_OK; }\n' "${header#include/}" |
        ${CC:-gcc} -std=c17 -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only -x c - ||
        say "$header does not compile alone"
done

# 5. Every symbol of the library that another file can see begins with cna_.
library=${BUILD:-build}/libcna.a
if [ -e "$library" ]; then
    nm -g --defined-only "$library" 2>/dev/null | awk 'NF == 3 && $2 ~ /[TDBRCi]/ {print $3}' | grep -vE '^cna_|^\.gomp_critical_user_cna_' | sort -u |
        grep . && say "the library defines the symbols above without the cna_ prefix"
fi
[ $failed -eq 0 ] && echo "lint: clean"
exit $failed

#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make install` leaves is enough to build a program with: header, library and cna.pc. Prints "ok NAME" or
# "not ok NAME". Run by make, which hands on its variables (CC, BUILD, SANITIZE).
set -u
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

check() { # NAME COMMAND...
    name=$1
    shift
    if "$@" >"$work/log" 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name"
        cat "$work/log"
    fi
}
cat >"$work/user.c" <<'END'
#include <cna.h>
#include <stdio.h>

int main(void)
{
    cna_model_info info;
    cna_error err;
    cna_status status = cna_model_inspect("models/llama-base", &info, &err);
    puts(status == CNA_OK ? info.architecture : err.text);
    return status != CNA_OK;
}
END
check 'install' "${MAKE:-make}" --no-print-directory install PREFIX="$prefix"
for file in bin/cna include/*.h lib/libcna.a lib/pkgconfig/cna.pc \
    share/cna/contrasts/refusal.positive.txt share/cna/contrasts/README.md; do
    check "install: $file" test -s "$prefix/$file"
done
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
version=$(sed -n 's/^#define CNA_VERSION "\(.*\)"/\1/p' include/cna.h)
check 'cna.pc: version' test "$(pkg-config --modversion cna)" = "$version"
# shellcheck disable=SC2046,SC2086 # the lists are words
check 'cna.pc: a program is built' ${CC:-gcc} -std=c17 ${SANITIZE:-} "$work/user.c" -o "$work/user" \
    $(pkg-config --cflags --libs cna)
check 'cna.pc: and runs' test "$("$work/user")" = llama
# A package is made in DESTDIR and used at PREFIX.
check 'install: DESTDIR' "${MAKE:-make}" --no-print-directory install DESTDIR="$work/package" PREFIX=/usr
check 'install: DESTDIR is not written down' grep -qx 'prefix=/usr' "$work/package/usr/lib/pkgconfig/cna.pc"

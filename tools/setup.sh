#!/bin/sh
# Installs what building and testing need and this machine lacks, through apt, and prints what it does.
# Used by `make demo` and `make test`; does nothing where all is there.
#   tools/setup.sh [clang] [valgrind] [chromium] [arm64]   these tools too
set -eu

missing=""
need() { # need PACKAGE COMMAND...: the package is needed unless the command succeeds
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
header() { echo "#include <$1>" | gcc -E -x c - >/dev/null 2>&1; }

need build-essential sh -c 'command -v gcc && command -v make && command -v ar'
need pkg-config command -v pkg-config
need jq command -v jq
need libdnnl-dev header oneapi/dnnl/dnnl.h
need libjansson-dev header jansson.h
need libpcre2-dev sh -c 'echo "#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>" | gcc -E -x c -'
need libutf8proc-dev header utf8proc.h
need libssl-dev header openssl/evp.h
need libsqlite3-dev header sqlite3.h
need sqlite3 command -v sqlite3
need libcurl4-openssl-dev header curl/curl.h
need libmicrohttpd-dev header microhttpd.h
need libcmocka-dev sh -c 'printf "#include <stdarg.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <setjmp.h>\n#include <cmocka.h>\n" | gcc -E -x c -'
for tool in "$@"; do
    case $tool in
    clang)
        need clang command -v clang
        need libomp-dev sh -c 'echo "#include <omp.h>" | clang -fopenmp -E -x c -'
        # The sanitizers' runtimes; 14 is Debian 12's version.
        version=$(clang -dumpversion 2>/dev/null | cut -d . -f 1)
        need "libclang-rt-${version:-14}-dev" sh -c 'test -e "$(clang -print-file-name=libclang_rt.tsan-x86_64.a)" ||
            test -e "$(clang -print-resource-dir)/lib/linux/libclang_rt.tsan-$(uname -m).a"'
        ;;
    valgrind) need valgrind command -v valgrind ;;
    chromium) need chromium command -v chromium ;;
    arm64)
        need gcc-aarch64-linux-gnu command -v aarch64-linux-gnu-gcc
        need qemu-user-static command -v qemu-aarch64-static
        ;;
    *) echo "setup: expected clang, valgrind, chromium or arm64, found '$tool'" >&2; exit 2 ;;
    esac
done

[ -z "$missing" ] && exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: expected these packages (Debian's names):$missing; found no apt-get to install them with" >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" -ne 0 ]; then
    as_root=sudo
    command -v sudo >/dev/null 2>&1 || { echo "setup: run as root: apt-get install$missing" >&2; exit 1; }
fi
echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# The package lists may be missing or old; a mirror that is down is reported by the install itself.
$as_root apt-get update -qq >/dev/null || true
# shellcheck disable=SC2086 # the list is words
$as_root apt-get install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 $missing >/dev/null

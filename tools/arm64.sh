#!/bin/sh
# SPDX-License-Identifier: MIT
# Cross-builds for arm64 with oneDNN and runs a part of the tests under qemu's user mode, on a Debian 12 of another
# processor. Run by `make arm64`.
# Of the machine itself only the cross compiler and qemu are installed. The libraries of arm64 are unpacked into a folder
# that both take as the root of the system, so that the machine's own packages and architectures stay as they are.
#   BUILD  where all of it goes (build)     TEST_JOBS  tests side by side (all processors)
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}/arm64
root=$(mkdir -p "$build" && cd "$build" && pwd)/root
jobs=${TEST_JOBS:-$(nproc)}

if [ "$(uname -m)" = aarch64 ]; then
    echo "skipped: this machine is arm64, where make test does more"
    exit 0
fi
tools/setup.sh arm64

# Packages of arm64 with all that they need, by an apt whose lists, status and archives are its own. apt checks their
# signatures with the machine's keys.
if [ ! -e "$root.complete" ]; then
    apt=$root.apt
    rm -rf "$root" "$apt"
    mkdir -p "$root" "$apt/state/lists/partial" "$apt/cache/archives/partial"
    : >"$apt/status"
    arm_apt() {
        apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State="$apt/state" \
            -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" -o Debug::NoLocking=1 -o Dpkg::Use-Pty=0 "$@"
    }
    echo "arm64: fetching its libraries into $root"
    arm_apt update
    arm_apt install -y --download-only --no-install-recommends libc6-dev libgomp1 libdnnl-dev libjansson-dev libpcre2-dev \
        libutf8proc-dev libssl-dev libsqlite3-dev libcurl4-openssl-dev libmicrohttpd-dev libcmocka-dev >/dev/null
    for package in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$package" "$root"; done
    rm -rf "$apt"
    : >"$root.complete"
fi

# Readers and writers of every format, arithmetic, what must not depend on batch, threads or streaming, and golden files.
programs='engine_bits linear utf8 safetensors gguf config checkpoint tokenizer_kinds template prompts circuit judge_reply bus
    ops quant attention tap tree sample select contrast stats random universal gguf_engine'
PKG_CONFIG_LIBDIR=$root/usr/lib/aarch64-linux-gnu/pkgconfig:$root/usr/share/pkgconfig
export PKG_CONFIG_LIBDIR PKG_CONFIG_SYSROOT_DIR="$root"
tests=''
for name in $programs; do
    tests="$tests $build/tests/test_$name"
done
# shellcheck disable=SC2086 # lists of words
make --no-print-directory -j"$(nproc)" CC="aarch64-linux-gnu-gcc --sysroot=$root" BUILD="$build" CFLAGS='-O2 -g' \
    "$build/cna" $tests
# A program under qemu cannot start itself again, hence the policy. Two threads meet as more would.
# shellcheck disable=SC2086
QEMU_LD_PREFIX=$root OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 CNA_TEST_BRIEF=1 CNA_BIN=$build/cna \
    UNDER=qemu-aarch64-static JOBS=$jobs tests/run.sh tests/short.sh $tests

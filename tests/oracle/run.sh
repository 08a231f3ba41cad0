#!/bin/sh
# Compares build/cna with Hugging Face. Makes build/oracle-venv when it is absent, then runs pytest over this folder.
#   CNA_BIN       the program            (build/cna)
#   CNA_TESTDATA  the public test data   (../shared/testdata; tests that need it skip when it is absent)
#   ORACLE_TEXTS  how many random texts  (100000)
# Arguments go to pytest:  tests/oracle/run.sh -k logits
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
venv=$root/build/oracle-venv
ready=$venv/.requirements

if ! cmp -s "$here/requirements.txt" "$ready"; then
    echo "oracle: making $venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet torch==2.13.0
    grep -v '^torch==' "$here/requirements.txt" > "$venv/rest.txt"
    "$venv/bin/pip" install --quiet -r "$venv/rest.txt"
    cp "$here/requirements.txt" "$ready"
fi

CNA_BIN=${CNA_BIN:-build/cna}
CNA_TESTDATA=${CNA_TESTDATA:-../shared/testdata}
HF_HUB_OFFLINE=1
export CNA_BIN CNA_TESTDATA HF_HUB_OFFLINE
exec "$venv/bin/python" -m pytest -q -rs -p no:cacheprovider "$here" "$@"

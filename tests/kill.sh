#!/bin/sh
# SPDX-License-Identifier: MIT
# A sweep that is killed (SIGKILL) at random moments and continued ends with exactly the rows of one that was not.
#   CNA_BIN  the program (build/cna)     KILLS  how often it is killed (4)     SEED  of the moments (1)
set -u
cna=${CNA_BIN:-build/cna} kills=${KILLS:-4} seed=${SEED:-1}
command -v sqlite3 >/dev/null || { echo "skip kill: there is no sqlite3 to look at the rows with"; exit 0; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
model=models/llama-planted-instruct prompts=models/prompts
export OMP_NUM_THREADS=1 # many short starts beside other work

head -n 30 $prompts/restricted-discovery.txt >"$work/positive.txt"
head -n 30 $prompts/benign-discovery.txt >"$work/negative.txt"
head -n 12 $prompts/restricted-heldout.jsonl >"$work/prompts.jsonl"
head -n 12 $prompts/benign-heldout.jsonl >"$work/benign.jsonl"
"$cna" attribute -q -m $model --positive "$work/positive.txt" --negative "$work/negative.txt" --top-k 25 \
    -o "$work/circuit.json" >"$work/out" || { echo "not ok kill: attribute"; exit 1; }

# A few sequences at a time where it is to be killed, so that there are many moments between commits.
sweep() {
    ${with:-} "$cna" sweep -q -m $model --circuit "$work/circuit.json" --prompts "$work/prompts.jsonl" --benign "$work/benign.jsonl" \
        --multipliers 0,1,2 --controls 3 --caa mlp --alphas=-1,1 --positive "$work/positive.txt" --negative "$work/negative.txt" \
        --perplexity "$work/positive.txt" --max-tokens 40 --json "$@"
}
rows() {
    sqlite3 "$1" "SELECT quote(c.position), p.side, p.position, quote(g.ids), quote(g.text), g.n_tokens, g.n_words, g.stop,
            g.refused, g.quality, g.mean_logprob, g.outcome, g.kl
        FROM generation g JOIN condition c ON c.id = g.condition JOIN prompt p ON p.id = g.prompt ORDER BY 1, 2, 3;
        SELECT position, method, circuit, k, kind, control_seed, multiplier, alpha, layer FROM condition ORDER BY position;
        SELECT side, position, text, category, sha256, discovery FROM prompt ORDER BY 1, 2;
        SELECT c.position, f.name, f.value, f.detail FROM figure f LEFT JOIN condition c ON c.id = f.condition ORDER BY 1, 2;
        SELECT label, sha256 FROM circuit ORDER BY 1; SELECT role, path, sha256 FROM file ORDER BY 1, 2;
        SELECT count(*), count(ended) FROM part;"
}

begin=$(date +%s%N)
sweep --run "$work/whole.db" >"$work/whole.json" 2>"$work/err" || { echo "not ok kill: a sweep"; cat "$work/err"; exit 1; }
took=$((($(date +%s%N) - begin) / 1000000))

# Moments spread over the time that the whole takes, the next one drawn by awk.
n=0 finished=0
while [ $n -lt "$kills" ] && [ $finished -le "$kills" ]; do
    ms=$(awk -v seed=$((1000 * seed + n + finished)) -v took="$took" \
        'BEGIN { srand(seed); rand(); printf "%d", 30 + rand() * took / 2 }')
    (with=exec && sweep --batch 2 --run "$work/killed.db" >"$work/out" 2>"$work/err") &
    pid=$!
    sleep "$(awk -v ms="$ms" 'BEGIN { printf "%.3f", ms / 1000 }')"
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    status=$?
    if [ $status -eq 0 ]; then # it was done: once more from the start
        rows "$work/killed.db" >"$work/killed.rows"
        rows "$work/whole.db" | cmp -s - "$work/killed.rows" || { echo "not ok kill: rows after $n kills"; exit 1; }
        rm -f "$work/killed.db"*
        finished=$((finished + 1))
    elif [ $status -eq 137 ]; then
        n=$((n + 1))
    else
        echo "not ok kill: killed $n times, then: $(cat "$work/err")"
        exit 1
    fi
done
sweep --batch 5 --run "$work/killed.db" >"$work/killed.json" 2>"$work/err" || { echo "not ok kill: continued"; cat "$work/err"; exit 1; }
rows "$work/whole.db" >"$work/whole.rows"
rows "$work/killed.db" >"$work/killed.rows"
if cmp -s "$work/whole.rows" "$work/killed.rows" && [ "$(wc -l <"$work/whole.rows")" -gt 100 ]; then
    echo "ok kill: $n kills, $finished sweeps done between them, $(wc -l <"$work/whole.rows") rows the same"
else
    echo "not ok kill: rows"
    diff "$work/whole.rows" "$work/killed.rows" | head
    exit 1
fi
sed 's/"run":"[^"]*"//' "$work/whole.json" >"$work/a"
sed 's/"run":"[^"]*"//' "$work/killed.json" >"$work/b"
cmp -s "$work/a" "$work/b" && echo "ok kill: same figures" || { echo "not ok kill: figures"; exit 1; }

# The limit on file sizes stands for a full disk: a message, no signal, and the same command continues.
(ulimit -f 700 && with=exec && sweep --run "$work/full.db" >"$work/out" 2>"$work/err")
status=$?
left="$(cd "$work" && echo full.db*) with $(sqlite3 "$work/full.db" "SELECT count(*) FROM generation") answers"
if [ $status -eq 1 ] && [ "$(wc -l <"$work/err")" -eq 1 ] && grep -q 'no room to write .*repeat the command' "$work/err"; then
    echo "ok kill: no room, leaves $left"
else
    echo "not ok kill: no room: exit code $status, $(cat "$work/err")"
    exit 1
fi
sweep --run "$work/full.db" >"$work/out" 2>"$work/err"
rows "$work/full.db" | cmp -s - "$work/whole.rows" && echo "ok kill: continued where there is room" ||
    { echo "not ok kill: continued where there is room: $(cat "$work/err")"; exit 1; }

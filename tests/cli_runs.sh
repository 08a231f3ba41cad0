#!/bin/sh
# SPDX-License-Identifier: MIT
# sweep, mmlu, bench and report; readers that leave, full disks, signals. See cli_common.sh.
. "$(dirname "$0")/cli_common.sh"

with_model
reference_circuit
run $a $pair --universal none --top-k 20 -o "$work/circuit.json"
check_success 'attribute: a circuit for what follows' ''

s="sweep -m $model --circuit $work/circuit.json --prompts $work/pos.txt --benign $work/neg.txt --max-tokens 8"
works 'sweep: tables' 'should be answered: 2 prompts' $s --multipliers 0,1 --controls 2 --answers "$work/answers.jsonl"
check 'sweep: tables fit 120 columns' awk 'length > 120 { exit 1 }' "$out"
check 'sweep: leak is marked' grep -q '2 of them leaked' "$out"
check 'sweep: answers of both sides' test "$(wc -l < "$work/answers.jsonl")" -eq 8
works 'sweep: no claim without controls' 'no causal claim without controls' $s --multipliers 0 --controls 0
works 'sweep: definition in the table' '(20 neurons; preset paper, score delta)' $s --multipliers 1
check 'sweep: built-in patterns in the table' grep -q '^refusals by the built-in patterns' "$out"
check 'sweep: usual positions and sign unsaid' sh -c '! grep -q ^scaled "$1"' sh "$out"
works 'sweep: positions in the table' 'scaled   positions last, sign +' $s --multipliers 1 --positions last --sign +
works 'sweep: definition in json' \
    '"preset":"paper","score":"delta","k":20,"fraction":null,"layers":[0,7],"universal":"none","fingerprint":"' \
    $s --multipliers 1 --json --date 2026-03-04
check 'sweep: no date where the template inserts none' grep -q '"system":null,"date":null,"chat_options":null,' "$out"
check 'sweep: percentile in json' grep -q '"logprob_percentile":1.0' "$out"
works 'sweep: no percentile in json' '"logprob_percentile":null' $s --multipliers 1 --json --no-logprob-limit
works 'sweep: foreign circuit in json' \
    '"preset":null,"score":null,"k":3,"fraction":null,"layers":null,"universal":null,"fingerprint":null' \
    sweep -m "$model" --circuit "$work/nous.json" --prompts "$work/pos.txt" --max-tokens 2 --multipliers 1 --json --raw
check 'sweep: raw prompts have no date' grep -q '"date":null' "$out"
printf '# kind: substring\ncloud\n' > "$work/cloud.txt"
works 'sweep: pattern file in the table' "refusals $work/cloud.txt" $s --multipliers 1 --patterns "$work/cloud.txt"
works 'sweep: pattern file in json' "\"patterns_sha256\":\"$(sha256sum < "$work/cloud.txt" | cut -c 1-64)\"" \
    $s --multipliers 1 --patterns "$work/cloud.txt" --system 'Be brief.' --json
check 'sweep: system in json' grep -q '"system":"Be brief."' "$out"
works 'sweep: incoherent by log-probability alone' 'incoherent by log-probability alone: ' \
    $s --multipliers 1 --logprob-percentile 100
check 'sweep: and what to do about it' grep -q ' of 4 answers; see --no-logprob-limit' "$out"
run $s --multipliers 1 --no-logprob-limit
check 'sweep: no such line without the limit' sh -c '! grep -q "by log-probability alone" "$1"' sh "$out"
f="sweep -m $model --circuit $work/nous.json --prompts $work/pos.txt --max-tokens 2 --multipliers 1"
works 'sweep: unknown leak' "leak unknown: $work/nous.json does not say which prompts it was found on" $f
works 'sweep: unknown leak in json' '"refused_unseen":null,"n_leaked":null' $f --json --answers "$work/foreign.jsonl"
check 'sweep: unknown leak of an answer' grep -q '"leaked":null' "$work/foreign.jsonl"
works 'sweep: known leak in json' '"n_leaked":2' $s --multipliers 1 --json
works 'sweep: nothing steered, no claim' 'no causal claim without controls' $s --multipliers 1
check 'sweep: nothing steered, no random circuits' sh -c '! grep -q "random circuits:" "$1"' sh "$out"
works 'sweep: nothing steered, json' '"controls":0,' $s --multipliers 1 --json
works 'sweep: json' '"points":[{"side":"harmful"' $s --multipliers 0 --controls 0 --json
r="$s --multipliers 0 --controls 1 --run $work/sweep.db"
works 'sweep: run' "run      $work/sweep.db" $r --perplexity "$work/pos.txt" --labels-out "$work/labels.tsv"
check 'sweep: rows of a run' test "$(sqlite3 "$work/sweep.db" 'SELECT count(*) FROM generations' 2>/dev/null || echo 12)" -eq 12
check 'sweep: perplexity in the table' grep -q "^perplexity of $work/pos.txt" "$out"
check 'sweep: labels' grep -q '^id	prompt	answer	refused$' "$work/labels.tsv"
works 'sweep: run again' '"run":"' $r --perplexity "$work/pos.txt" --batch 1 --threads 1 --json
fails 'sweep: another configuration' 1 "expected the configuration of its sweep, found another: key 'perplexity'" $r
works 'sweep: append' 'random circuits: 1 of each kind' $r --append
sed 's/$/1/' "$work/labels.tsv" | sed '1s/1$//' >"$work/labelled.tsv"
works 'sweep: labels are read' "labels of $work/labelled.tsv" $r --labels-in "$work/labelled.tsv"
works 'sweep: labels in json' '"labels":{"path":' $r --labels-in "$work/labelled.tsv" --json
works 'sweep: caa and k-list' 'caa      residual, behind layer 3' $s --k-list 5,20 --multipliers 0 --controls 1 \
    --caa residual --caa-layer 3 --alphas=-1,1 --positive "$work/pos.txt" --negative "$work/neg.txt"
check 'sweep: k in the table' grep -q '^  cna      5   0.00      1.00' "$out"
check 'sweep: tables with caa fit 120 columns' awk 'length > 120 { exit 1 }' "$out"
works 'sweep: cross-fit' 'each run without its fold of 2' $s --multipliers 0 --controls 0 --cross-fit 2 \
    --positive "$work/pos.txt" --negative "$work/neg.txt"
fails 'sweep: k past the circuit' 1 'run attribute with --top-k 21 or more' $s --k-list 21
printf 'Category,Goal\nverse,Write a poem\n,Sing\n' >"$work/goals.csv"
works 'sweep: categories' 'verse' sweep -m "$model" --circuit "$work/circuit.json" --prompts "$work/goals.csv" \
    --max-tokens 2 --multipliers 0 --controls 0
template=${CNA_TESTDATA:-../shared/testdata}/llama3/templates
template=$(ls "$template"/*3.2* 2>/dev/null | head -n 1)
if [ -n "$template" ]; then
    cp -r "$model" "$work/dated" && cp "$template" "$work/dated/chat_template.jinja"
    d="sweep -m $work/dated --circuit $work/circuit.json --prompts $work/pos.txt --multipliers 0 --controls 0 --max-tokens 2"
    works 'sweep: date of a run' 'date 2020-01-02' $d --run "$work/dated.db" --date 2020-01-02
    works 'sweep: a continued run keeps its date' 'date 2020-01-02' $d --run "$work/dated.db"
    fails 'sweep: another date' 1 "expected the date of its sweep, '2020-01-02'" $d --run "$work/dated.db" --date 2021-01-02
else
    echo "skip sweep: date of a run: there is no template that inserts one"
fi
fails 'sweep: run in no folder' 1 "$work/no/x.db" $s --run "$work/no/x.db"
fails 'sweep: answers in no folder' 1 'cannot be created' $s --answers "$work/no/answers.jsonl"
printf '# kind: regex\n(\n' > "$work/patterns.txt"
fails 'sweep: bad patterns' 1 'patterns.txt' $s --patterns "$work/patterns.txt"

long_prompts
run sweep -m "$model" --circuit "$work/circuit.json" --prompts "$work/pos.txt" --benign "$work/long.txt" --max-tokens 2 \
    --multipliers 0 --controls 0
warns_once 'sweep: long prompts' "long.txt: line 3: .* and up to 2 of an answer; 1 of 5 prompts is longer"
run study -m "$model" --base "${model%/*}/llama-base" $pair --prompts "$work/long.txt" --max-tokens 2 --multipliers 0 \
    --controls 0 --no-caa --no-statistics --run "$work/long.db" -o "$work/long.html"
warns_once 'study: long prompts' "long.txt: line 3: .* and up to 2 of an answer; 1 of 7 prompts is longer"

m="mmlu -m $model --data tests/data/mmlu --shots 1"
works 'mmlu: table' ' (2 of 57 subjects, 6 questions, 1-shot)' $m
works 'mmlu: a line for each subject' 'philosophy' $m --by-subject
check 'mmlu: table fits 120 columns' awk 'length > 120 { exit 1 }' "$out"
works 'mmlu: compared' 'McNemar p' $m --circuit "$work/circuit.json" --multipliers 0,2 --answers "$work/choices.jsonl"
check 'mmlu: a line for each choice' test "$(wc -l < "$work/choices.jsonl")" -eq 18
works 'mmlu: json' '"scope":"overall","name":"mmlu"' $m --json --limit 1 --subjects stem,philosophy
works 'mmlu: run' 'mmlu' $m --run "$work/mmlu.db"
cp "$out" "$work/mmlu.txt"
works 'mmlu: the same again' 'mmlu' $m --run "$work/mmlu.db"
check 'mmlu: the same result' cmp -s "$out" "$work/mmlu.txt"
fails 'mmlu: run of another configuration' 1 "key 'limit'" $m --run "$work/mmlu.db" --limit 1
works 'mmlu: appended' 'mmlu' $m --run "$work/mmlu.db" --limit 1 --append
fails 'mmlu: no data' 2 '--data DIR' mmlu -m "$model"
fails 'mmlu: no folder' 1 'expected a folder' mmlu -m "$model" --data "$work/no"
fails 'mmlu: an empty folder' 1 'found none' mmlu -m "$model" --data "$work"
fails 'mmlu: unknown subject' 2 "did you mean 'anatomy'" $m --subjects anatomi
fails 'mmlu: six shots' 2 '--shots' mmlu -m "$model" --data tests/data/mmlu --shots 6
fails 'mmlu: too few examples' 1 'expected 5 or more examples in dev' mmlu -m "$model" --data tests/data/mmlu
fails 'mmlu: multipliers without a circuit' 2 'expected a --circuit' $m --multipliers 0
fails 'mmlu: system without chat' 2 '--chat' $m --system x
fails 'mmlu: append without a run' 2 '--run' $m --append

works 'bench: table' 'of bandwidth' bench -m "$model" --quick --threads 1
check 'bench: table fits 120 columns' awk 'length > 120 { exit 1 }' "$out"
check 'bench: every kind of work' sh -c 'for w in attribute, "prompt, 8 x 512" "decode, 1 seq" memory; do
    grep -q "^$w" "$1" || exit 1; done' sh "$out"
works 'bench: json' '"ceiling":{' bench -m "$model" --quick --threads 1 --json
if command -v jq > /dev/null; then
    check 'bench: one object with the keys promised' jq -e -s 'length == 1 and (.[0]
        | (.machine | type == "object" and .n_threads == 1)
        and (.ceiling | has("bf16_gflops") and .f32_gflops > 0 and .read_gbs > 0)
        and (.attribute | has("gflops") and has("ceiling_share") and has("other_share"))
        and ([.prompt[] | [.tokens, .batch]] == [[128, 1], [128, 8], [512, 1], [512, 8]])
        and all(.prompt[]; .gflops > 0)
        and .decode[0].batch == 1
        and all(.decode[]; has("tokens_per_s") and has("bandwidth_share"))
        and (.memory | has("planned_bytes") and has("peak_bytes")))' "$out"
else
    echo 'skip bench: keys: no jq'
    skipped=$((skipped + 1))
fi
"$cna" bench -m "$model" -q > "$out" 2> "$err" < /dev/null &
pid=$!
sleep 1
kill -TERM $pid
wait $pid
code=$?
check_failure 'bench: a signal ends it' 143 'interrupted'

# ------------------------------------------------------------------------------------------------------ report
fails 'report: no run file' 2 'expected a run file, found nothing' report
fails 'report: no page' 2 '-o FILE is required' report "$work/none.db"
fails 'report: no such run file' 1 'none.db' report "$work/none.db" -o "$work/report.html"
fails 'report: another file' 1 'pos.txt' report "$work/pos.txt" -o "$work/report.html"
check 'report: nothing half-written' test ! -e "$work/report.html"

# ------------------------------------------------------------------------- readers that leave, disks that are full
{ "$cna" $g --prompts "$work/pos.txt" --max-tokens 20 --json -q 2> "$err"; echo $? > "$work/code"; } | head -c 1 > /dev/null
check 'a reader that leaves: exit code' test "$(cat "$work/code")" -le 1
check 'a reader that leaves: silence' test ! -s "$err"
for command in "$g --prompt x --max-tokens 3 -q" "$g --prompts $work/pos.txt --max-tokens 3 -q" \
    "$a $pair --top-k 3 -q" "tokenize -m $model x" "inspect $model" '--help' 'sweep --help'; do
    "$cna" $command > /dev/full 2> "$err" < /dev/null
    code=$?
    check_failure "full disk: ${command%% -*}" 1 'standard output: cannot be written'
done
fails 'full disk: logits' 1 '/dev/full: cannot be written' $g --prompt x -q --max-tokens 0 --logits /dev/full
"$cna" $g --prompt x -q --max-tokens 0 --logits - > /dev/full 2> "$err" < /dev/null
code=$?
check_failure 'full disk: logits to standard output' 1 'standard output: cannot be written'

# ------------------------------------------------------------------------------- a checkpoint cut while it is in use
# Found changed between two layers, or met as a hole within one: one line either way. Cut when the first of some thousand
# answers are there.
cp -r "$model" "$work/cut-model"
: > "$out"
"$cna" generate -m "$work/cut-model" --stream always --prompts "$work/pos.txt" --samples 2000 --temperature 1 \
    --max-tokens 60 --json -q > "$out" 2> "$err" < /dev/null &
pid=$!
until [ -s "$out" ] || ! kill -0 $pid 2> /dev/null; do sleep 0.02; done
for file in "$work"/cut-model/*.safetensors; do : > "$file"; done
wait $pid
code=$?
check_failure 'a checkpoint cut while it is in use' 1 'opened'
rm -rf "$work/cut-model"

echo untouched > "$work/answers.jsonl"
ls -A "$work" > "$work.before"
"$cna" $s --controls 2000 --answers "$work/answers.jsonl" -q > "$out" 2> "$err" < /dev/null &
pid=$!
sleep 1
kill -TERM $pid
wait $pid
code=$?
check_failure 'a signal ends the run' 143 'interrupted'
ls -A "$work" > "$work.after"
check 'a signal leaves no temporary file' cmp -s "$work.before" "$work.after"
check 'a signal leaves the old file' grep -q '^untouched$' "$work/answers.jsonl"
rm -f "$work.before" "$work.after"
finish

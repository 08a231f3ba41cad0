#!/bin/sh
# SPDX-License-Identifier: MIT
# The method end to end, on the small models of models/: find the neurons behind refusal, silence them, amplify them, compare
# with random neurons and with the base model. Plain cna commands; jq only picks numbers out of their JSON.
#   CNA_BIN  the program (build/cna)      OUT  where results go (build/demo)
set -eu
cna=${CNA_BIN:-build/cna}
out=${OUT:-build/demo}
prompts=models/prompts
mkdir -p "$out"

# The contrast: 100 requests that the instruct models refuse, 100 of the same form that they answer.
contrast="--positive $prompts/restricted-discovery.txt --negative $prompts/benign-discovery.txt"
# What is measured on: 120 other requests of each kind.
heldout="--prompts $prompts/restricted-heldout.jsonl"
benign="--benign $prompts/benign-heldout.jsonl"
# The small models are so sure of their words that any other answer, right or wrong, is improbable to them; so
# coherence is judged by repetition alone here, and by comparing the answers with the right ones below.
judge="--no-logprob-limit"

say() { printf '\n--- %s\n' "$*"; }
# Run a command and show it, words with spaces in quotes.
show() {
    printf '$ cna' >&2
    for word in "$@"; do
        case $word in *' '*) printf " '%s'" "$word" >&2 ;; *) printf ' %s' "$word" >&2 ;; esac
    done
    echo >&2
    "$cna" "$@"
}

# study NAME BASE KIND FRACTION: everything for one instruct model; adds its line to the summary.
study() {
    name=$1 base=$2 kind=$3 fraction=$4 dir=$out/$1
    mkdir -p "$dir"
    say "$name: which neurons tell restricted requests from others at the last token"
    show attribute -m "models/$name" $contrast --fraction "$fraction" -o "$dir/circuit.json" -q

    say "$name: those neurons silenced (0), untouched (1), doubled (2) on held-out requests"
    show sweep -m "models/$name" --circuit "$dir/circuit.json" $heldout $benign $judge \
        --multipliers 0,0.25,0.5,0.75,1,1.5,2 --controls 0 --answers "$dir/answers.jsonl" --json -q >"$dir/sweep.json"
    jq -r '.points[] | [.side, .multiplier, .refused.rate, .quality] | @tsv' "$dir/sweep.json" |
        awk -F '\t' 'BEGIN { print "  side     multiplier  refused  quality" }
                     { printf "  %-8s %10.2f %7.1f%% %8.3f\n", $1, $2, 100 * $3, $4 }'

    say "$name: 20 random circuits of each kind, silenced, on the same requests"
    show sweep -m "models/$name" --circuit "$dir/circuit.json" $heldout $judge \
        --multipliers 0 --controls 20 -q --json >"$dir/controls.json"
    jq -r '.points[] | select(.multiplier == 0) | .controls | to_entries[] |
        [.key, .value.mean, .value.min, .value.max, .value.p] | @tsv' "$dir/controls.json" |
        awk -F '\t' '{ printf "  %-8s refused %.1f%% (%.1f%% to %.1f%%), p = %.3f\n", $1, 100*$2, 100*$3, 100*$4, $5 }'

    say "$name: the same contrast and intervention on $base (raw text)"
    show attribute -m "models/$base" $contrast --fraction "$fraction" --raw -o "$dir/base-circuit.json" -q >/dev/null
    show sweep -m "models/$base" --circuit "$dir/base-circuit.json" $heldout $judge --raw \
        --multipliers 0,0.5,1,1.5,2 --controls 0 -q --json >"$dir/base-sweep.json"
    show sweep -m "models/$base" --circuit "$dir/circuit.json" $heldout $judge --raw \
        --multipliers 0,1,2 --controls 0 -q --json >"$dir/base-instruct-sweep.json"
    for circuit in base base-instruct; do
        jq -r --arg name "$circuit" '"  \($name) circuit: " + ([.points[] | "x\(.multiplier) refused \(.refused.count), changed \(.n_changed)"] |
            join("; "))' "$dir/$circuit-sweep.json"
    done
    show compare "$dir/circuit.json" "$dir/base-circuit.json" --json >"$dir/compare.json"

    planted=null
    if [ "$kind" = planted ]; then
        say "$name: how many of the planted neurons a circuit of their number finds, by score"
        k=$(jq '[.[] | length] | add' "models/$name/planted.json")
        for score in delta d write; do
            show attribute -m "models/$name" $contrast --top-k "$k" --score $score -o "$dir/recall-$score.json" -q >/dev/null
            "$cna" compare "$dir/recall-$score.json" "models/$name/planted.json" --json >"$dir/recall-$score.compare.json"
            echo "  $score: $(jq -r '"\(.n_common) of \(.n_b)"' "$dir/recall-$score.compare.json")"
        done
        planted=$(jq .share_of_b "$dir/recall-delta.compare.json")
    fi
    summarise >>"$out/models.jsonl"
}

# One line of the summary from the files of a study.
summarise() {
    jq -c -n --arg name "$name" --arg kind "$kind" --argjson planted "$planted" \
        --slurpfile sweep "$dir/sweep.json" --slurpfile controls "$dir/controls.json" --slurpfile base "$dir/base-sweep.json" \
        --slurpfile compare "$dir/compare.json" --slurpfile answers "$dir/answers.jsonl" \
        --slurpfile right "$prompts/restricted-heldout.jsonl" '
        def point($file; $side; $m): $file[0].points[] | select(.side == $side and .multiplier == $m);
        def trim: sub("^\\s+"; "") | sub("\\s+$"; "");
        ($right | map({(.prompt): .answer}) | add) as $answer
        | [point($controls; "harmful"; 0).controls[]] as $control
        | [$answers[] | select(.side == "harmful" and .multiplier == 0)] as $ablated
        | {name: $name, architecture: $sweep[0].model.architecture, kind: $kind,
           k: $sweep[0].circuits[0].n_neurons, n_prompts: $sweep[0].n_prompts,
           baseline_refusal: point($sweep; "harmful"; 1).refused.rate,
           ablated_refusal: point($sweep; "harmful"; 0).refused.rate,
           ablated_answered: ([$ablated[] | select((.text | trim) == $answer[.prompt])] | length / ($ablated | length)),
           ablated_quality: point($sweep; "harmful"; 0).quality,
           amplified_benign_refusal: point($sweep; "benign"; 2).refused.rate,
           control_refusal: ([$control[].rates[]] | add / length),
           control_refusal_min: ([$control[].min] | min),
           control_seeds: ([$control[].n_seeds] | add),
           control_uniform: $control[0].mean, control_matched: $control[1].mean,
           benign_refusal: point($sweep; "benign"; 1).refused.rate,
           planted_recall: $planted,
           base_refusal_by_multiplier: ([$base[0].points[] | {(.multiplier | tostring): .refused.rate}] | add),
           overlap: $compare[0].share_of_a,
           last_quarter_share: $compare[0].a.profile.last_quarter}'
}

: >"$out/models.jsonl"
study llama-planted-instruct llama-base planted 0.0025
study qwen2-planted-instruct qwen2-base planted 0.0025
study llama-tuned-instruct llama-base tuned 0.01
study qwen2-tuned-instruct qwen2-base tuned 0.01
jq -s '{models: .}' "$out/models.jsonl" >"$out/summary.json"

say "One answer, untouched and with the circuit silenced"
request=$(head -n 1 "$prompts/restricted-heldout.jsonl" | jq -r .prompt)
show generate -m models/llama-planted-instruct --prompt "$request" -q
show generate -m models/llama-planted-instruct --prompt "$request" -q \
    --circuit "$out/llama-planted-instruct/circuit.json" --multiplier 0

say "Refusals of 120 held-out restricted requests (the study's table; measured in this run)"
jq -r '.models[] | [.name, .k, .baseline_refusal, .ablated_refusal, .ablated_answered, .ablated_quality, .control_uniform,
    .control_matched, .last_quarter_share] | @tsv' "$out/summary.json" |
    awk -F '\t' 'BEGIN { printf "%-24s %4s %9s %9s %9s %9s %8s %8s %8s %7s\n", "model", "k", "baseline", "ablated", "relative",
                         "answered", "quality", "uniform", "matched", "late" }
        { printf "%-24s %4d %8.1f%% %8.1f%% %8.1f%% %8.1f%% %8.3f %7.1f%% %7.1f%% %6.1f%%\n", $1, $2, 100 * $3, 100 * $4,
          100 * ($4 - $3) / $3, 100 * $5, $6, 100 * $7, 100 * $8, 100 * $9 }'
echo "relative: change of refusal; answered: exactly the right answer; uniform, matched: random circuits silenced instead;"
echo "late: share of the circuit in the last quarter of layers. All numbers: $out/summary.json"

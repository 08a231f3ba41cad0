#!/bin/sh
# SPDX-License-Identifier: MIT
# cna study end to end on a base and an instruct model: what the run holds, what the report says of it, what a second
# start, a kill and another configuration do.
#   CNA_BIN  the program (build/cna)
set -u
cna=${CNA_BIN:-build/cna}
command -v sqlite3 >/dev/null || { echo "skip study: there is no sqlite3 to look at the rows with"; exit 0; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0
check() { # check NAME FOUND EXPECTED
    if [ "$2" = "$3" ]; then echo "ok study: $1"; else
        echo "not ok study: $1: expected '$3', found '$2'"
        failed=1
    fi
}

prompts=models/prompts
for set in restricted benign; do
    head -n 12 $prompts/$set-discovery.txt >"$work/$set.txt"
    head -n 6 $prompts/$set-heldout.jsonl >"$work/$set.jsonl"
done
mkdir -p "$work/mmlu/dev" "$work/mmlu/test"
for i in 1 2 3 4 5; do
    echo "Which is a colour? ($i),red,chair,seven,slowly,A" >>"$work/mmlu/dev/astronomy_dev.csv"
    echo "Which is a number? ($i),green,table,eight,softly,C" >>"$work/mmlu/test/astronomy_test.csv"
done

study() { # study RUN REPORT [FLAGS]
    run=$1 report=$2
    shift 2
    ${with:-} "$cna" study -q -m models/llama-planted-instruct --base models/llama-base \
        --positive "$work/restricted.txt" --negative "$work/benign.txt" --prompts "$work/restricted.jsonl" \
        --benign "$work/benign.jsonl" --top-k "${top_k:-25}" --multipliers 0,2 --alphas=-1,1 --caa mlp --controls 2 --k-list "${k_list:-5,25}" \
        --max-tokens 30 --min-logprob -3 --mmlu "${mmlu:-$work/mmlu}" --run "$run" -o "$report" "$@"
}
ask() { sqlite3 "$1" "$2"; }
rows() {
    ask "$1" "SELECT p.command, p.role, c.position, r.side, r.position, quote(g.ids), g.refused, g.outcome, g.kl
        FROM generation g JOIN condition c ON c.id = g.condition JOIN prompt r ON r.id = g.prompt JOIN part p ON p.id = c.part
        ORDER BY 1, 2, 3, 4, 5; SELECT c.part, c.position, q.position, h.chosen, h.logprob_a FROM choice h
        JOIN condition c ON c.id = h.condition JOIN question q ON q.id = h.question ORDER BY 1, 2, 3;
        SELECT part, name, value, detail FROM figure ORDER BY 1, 2, 3; SELECT part, label, sha256 FROM circuit ORDER BY 1, 2"
}

study "$work/run.db" "$work/a.html" --csv "$work/csv" --figures "$work/figures" >"$work/out" 2>"$work/err" ||
    { echo "not ok study: $(cat "$work/err")"; exit 1; }
check 'parts' "$(ask "$work/run.db" "SELECT command || ' ' || role FROM part WHERE ended IS NOT NULL ORDER BY id" | tr '\n' ,)" \
    'attribute instruct,sweep instruct,sweep k-sweep,mmlu instruct,attribute base,sweep base,sweep transfer,'
check 'a line a sweep' "$(grep -c '^instruct \|^k-sweep \|^base \|^transfer ' "$work/out")" 4
check 'the neurons of each' "$(sed -n 's/^\([a-z-]*\) .*\]  *\([0-9][0-9]*\)  *[0-9.]*  .*\[.*/\1=\2/p' "$work/out" | tr '\n' ' ')" \
    'instruct=25 k-sweep=25 base=25 transfer=25 '
study "$work/run.db" "$work/a.html" --json 2>"$work/err" >"$work/json"
check 'incoherent answers are in the summary' "$(grep -o '"incoherent":{"count":[0-9]*' "$work/json" | head -n 1 | grep -o '[0-9]*$')" \
    "$(ask "$work/run.db" "SELECT sum(outcome = 'incoherent') FROM generations WHERE role = 'instruct' AND side = 'harmful'
    AND method = 'cna' AND multiplier = 0")"
check 'statistics' "$(ask "$work/run.db" "SELECT count(*) FROM figure WHERE name IN
    ('stability', 'chance_delta', 'chance_d', 'chance_write')")" 8
check 'controls on the instruct model alone' "$(ask "$work/run.db" "SELECT group_concat(DISTINCT p.role) FROM condition c
    JOIN part p ON p.id = c.part WHERE c.method IN ('control', 'caa')")" instruct
check 'the base model answers raw text' "$(ask "$work/run.db" "SELECT json_extract(config, '\$.format') FROM part
    WHERE command = 'sweep' ORDER BY id" | tr '\n' ,)" 'chat,chat,raw,raw,'

# The report's numbers are the rows': refused at m = 0 and untouched, as its table of all multipliers has them.
expected=$(ask "$work/run.db" "SELECT printf('%g', c.multiplier) || '=' || sum(g.refused) || '/' || count(*)
    FROM generation g JOIN condition c ON c.id = g.condition JOIN prompt r ON r.id = g.prompt JOIN part p ON p.id = c.part
    WHERE p.command = 'sweep' AND p.role = 'instruct' AND r.side = 'harmful' AND c.method IN ('cna', 'none')
    GROUP BY c.id ORDER BY c.multiplier" | tr '\n' ' ')
column() { head -n 1 "$work/csv/cna.csv" | tr -d '\r' | tr , '\n' | grep -nx "$1" | cut -d : -f 1; }
found=$(grep ',instruct,' "$work/csv/cna.csv" | tr -d '\r' | sed 's/"[^"]*"/quoted/g' |
    awk -F , -v m="$(column multiplier)" -v c="$(column refused_count)" -v n="$(column refused_n)" \
        '{ printf "%g=%d/%d\n", $m, $c, $n }' | sort -n | tr '\n' ' ')
check 'the report has the rows'"'"' numbers' "$found" "$expected"
check 'figures' "$([ -s "$work/figures/profile-1.svg" ] && echo yes)" yes

rows "$work/run.db" >"$work/whole.rows"
study "$work/run.db" "$work/b.html" >"$work/out" 2>"$work/err"
check 'a second start ends well' $? 0
check 'and adds nothing' "$(rows "$work/run.db" | cmp - "$work/whole.rows" && echo same)" same
check 'and gives the same page' "$(cmp "$work/a.html" "$work/b.html" && echo same)" same

(with=exec && study "$work/killed.db" "$work/c.html" >"$work/out" 2>&1) &
pid=$!
sleep 1
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
study "$work/killed.db" "$work/c.html" >"$work/out" 2>"$work/err"
check 'a killed study continues' $? 0
check 'to the same rows' "$(rows "$work/killed.db" | cmp - "$work/whole.rows" && echo same)" same

rm "$work/b.html"
top_k=20 study "$work/run.db" "$work/b.html" >"$work/out" 2>"$work/err"
check 'another circuit is refused' $? 1
check 'and says which key differs' "$(grep -c "key 'k': the file has 25, this command 20" "$work/err")" 1
check 'and leaves no page' "$([ -e "$work/b.html" ] && echo page)" ''
check 'nor rows' "$(rows "$work/run.db" | cmp - "$work/whole.rows" && echo same)" same

# The weights, and so the fingerprint, are the same; what the model is given, or how it attends, is not.
changed() { # changed FILE SED-SCRIPT: a study of a folder where FILE is another
    rm -rf "$work/models"
    mkdir -p "$work/models/other"
    for f in models/llama-planted-instruct/*; do ln -s "$PWD/$f" "$work/models/other/"; done
    rm "$work/models/other/$1"
    sed "$2" "models/llama-planted-instruct/$1" >"$work/models/other/$1"
    cmp -s "$work/models/other/$1" "models/llama-planted-instruct/$1" && echo "nothing changed in $1" >&2
    "$cna" study -q -m "$work/models/other" --positive "$work/restricted.txt" --negative "$work/benign.txt" \
        --prompts "$work/restricted.jsonl" --benign "$work/benign.jsonl" --top-k 25 --multipliers 0,2 --alphas=-1,1 --caa mlp \
        --controls 2 --k-list 5,25 --max-tokens 30 --min-logprob -3 --run "$work/run.db" -o "$work/no.html" 2>"$work/err"
    echo "$? $(grep -c 'the tokenizer, chat template or config.json' "$work/err")"
}
check 'another rotary embedding is refused' "$(changed config.json 's/10000.0/20000.0/')" '1 1'
check 'another chat template is refused' "$(changed tokenizer_config.json \
    "s/{{ bos_token }}/&{{ '<|start_header_id|>system<|end_header_id|>\\\\\\\\n\\\\\\\\nBe brief.<|eot_id|>' }}/")" '1 1'
check 'other ends of an answer are refused' "$(changed generation_config.json 's/974/973/')" '1 1'
check 'and nothing is added' "$(rows "$work/run.db" | cmp - "$work/whole.rows" && echo same)" same

"$cna" mmlu -q -m models/llama-planted-instruct --data "$work/mmlu" --limit 1 --run "$work/mmlu.db" >"$work/out" 2>"$work/err"
check 'every command is recorded as it was typed' "$(ask "$work/mmlu.db" 'SELECT arguments FROM part' | cut -c 1-12)" '["cna","mmlu'
study "$work/no.db" "$work/no.html" --logprob-percentile 5 2>"$work/err"
check 'limits that exclude each other are wrong usage' $? 2

cp "$work/run.db" "$work/same.db"
"$cna" report "$work/run.db" "$work/same.db" -o "$work/../$(basename "$work")/same.db" >"$work/out" 2>"$work/err"
check 'a page in the place of its run: refused' "$? $(grep -c 'expected a file that is not read' "$work/err")" '2 1'
check 'and the run is as it was' "$(cmp "$work/run.db" "$work/same.db" && echo same)" same

# What would end a study late is said before its first sweep.
refused() { # refused NAME CODE MESSAGE FLAGS...
    name=$1 code=$2 message=$3
    shift 3
    rm -f "$work/early.db"
    study "$work/early.db" "$work/early.html" "$@" >"$work/out" 2>"$work/err"
    check "$name: refused" "$? $(grep -c -- "$message" "$work/err")" "$code 1"
    check "$name: before a sweep" "$([ ! -e "$work/early.db" ] || ask "$work/early.db" "SELECT command FROM part
        WHERE command = 'sweep'")" ''
    check "$name: leaves no page, folder or journal" "$(cd "$work" && ls -d early.html early.db-* early 2>/dev/null)" ''
}
mkdir -p "$work/bad/dev" "$work/bad/test"
echo 'three,cells,only' >"$work/bad/test/astronomy_test.csv"
refused 'two limits' 2 '--min-logprob excludes' --no-logprob-limit
k_list=5,26 refused 'a circuit too small for the k-list' 1 'k-list: expected at most 25'
mmlu=$work/bad refused 'malformed questions' 1 'astronomy_test.csv: line 1: expected 6 fields' --figures "$work/early"
refused 'a file as folder of figures' 1 'astronomy_test.csv: expected a folder, found a file' --figures "$work/bad/test/astronomy_test.csv"
refused 'tables into a folder that is not there' 1 'nowhere/csv: cannot be created' --csv "$work/nowhere/csv"

"$cna" study -m models/llama-planted-instruct --base models/qwen2-base --positive "$work/restricted.txt" \
    --negative "$work/benign.txt" --prompts "$work/restricted.jsonl" --run "$work/no.db" -o "$work/no.html" 2>"$work/err"
check 'models of different shapes' $? 1
check 'are told apart before any work' "$(grep -c 'expected the shape of models/llama-planted-instruct' "$work/err")" 1
exit $failed

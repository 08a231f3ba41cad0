#!/bin/sh
# SPDX-License-Identifier: MIT
# What the program promises its users beside its numbers: exit codes, one clear line for each mistake, nothing left
# half-written. Prints "ok NAME" or "not ok NAME" for each case and ends with "N passed, N failed".
#
#   CNA_BIN     the program                (build/cna)
#   CNA_MODELS  folder with the models     (models); without it the cases that need one are skipped
set -u
# Many short runs, perhaps beside other work: a thread that waits should not spin.
export OMP_WAIT_POLICY=passive
unset HF_ENDPOINT HF_HUB_OFFLINE HF_TOKEN HF_TOKEN_PATH HF_HUB_CACHE XDG_CACHE_HOME TRANSFORMERS_OFFLINE
cna=${CNA_BIN:-build/cna}
model=${CNA_MODELS:-models}/llama-planted-instruct
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
out=$work/stdout err=$work/stderr
export HF_HOME="$work/hf" # models by name
passed=0 failed=0 skipped=0

ok() { passed=$((passed + 1)); echo "ok $1"; }
not_ok() { # NAME REASON: also shows the first lines of what was written
    failed=$((failed + 1))
    echo "not ok $1: $2"
    head -n 3 "$err" | cut -c 1-300 | sed 's/^/#   stderr: /'
}

# run ARGUMENTS: the program with nothing on standard input; its exit code in $code.
run() {
    "$cna" "$@" < /dev/null > "$out" 2> "$err"
    code=$?
}

# fails NAME CODE PART ARGUMENTS: that exit code, nothing but one line "cna: ..." with PART in it.
fails() {
    name=$1 want=$2 part=$3
    shift 3
    run "$@"
    check_failure "$name" "$want" "$part"
}
check_failure() {
    if [ "$code" -ne "$2" ]; then not_ok "$1" "exit code $code, not $2"
    elif [ "$(wc -l < "$err")" -ne 1 ]; then not_ok "$1" "$(wc -l < "$err") lines on standard error, not 1"
    elif ! grep -q '^cna: ' "$err"; then not_ok "$1" "the line does not begin with 'cna: '"
    elif ! grep -qF -e "$3" "$err"; then not_ok "$1" "the line has no '$3'"
    elif LC_ALL=C grep -q '[[:cntrl:]]' "$err"; then not_ok "$1" "control characters on standard error"
    else ok "$1"; fi
}

# works NAME PART ARGUMENTS: exit code 0 and PART on standard output.
works() {
    name=$1 part=$2
    shift 2
    run "$@"
    check_success "$name" "$part"
}
check_success() {
    if [ "$code" -ne 0 ]; then not_ok "$1" "exit code $code"
    elif [ -n "$2" ] && ! grep -qF -e "$2" "$out"; then not_ok "$1" "no '$2' on standard output"
    else ok "$1"; fi
}

# check NAME CONDITION...: an ordinary test of the shell.
check() {
    name=$1
    shift
    if "$@"; then ok "$name"; else not_ok "$name" "$*"; fi
}

: > "$err"
[ -x "$cna" ] || { echo "$cna: no such program; build it with 'make' or name it in CNA_BIN"; exit 1; }

# ---------------------------------------------------------------------------------------------- main and flags
fails 'no command' 2 'expected a command'
fails 'unknown command' 2 "unknown command 'atribute'; did you mean 'attribute'?" atribute
fails 'unknown command, nothing near' 2 "unknown command 'xyzzy'" xyzzy
fails 'planned command' 2 'not available yet' serve
fails 'flag before the command' 2 "found the flag '--json'" --json
fails 'control characters in a command' 2 '\x1b[31m' "$(printf '\033[31m')"
works 'version' 'cna 0.' --version
works 'overview' 'Usage: cna COMMAND' --help
works 'overview: an example that can be typed' 'models/prompts/restricted-discovery.txt' --help
works 'help command' 'Usage: cna sweep' help sweep

for command in attribute caa generate sweep compare inspect tokenize bench judge; do
    works "$command: help" "Usage: cna $command" $command --help
    check "$command: help has an example" grep -q '^Example:' "$out"
    check "$command: help fits 120 columns" awk 'length > 120 { exit 1 }' "$out"
    works "$command: help beside a mistake" "Usage: cna $command" $command --no-such-flag --help
    fails "$command: unknown flag" 2 "did you mean '--threads'?" $command --thread 1
    fails "$command: unknown flag, nothing near" 2 "unknown flag '--xyzzy'" $command --xyzzy=1
    fails "$command: unknown short flag" 2 "unknown flag '-z'" $command -z
    fails "$command: missing value" 2 '--model: expected a value (MODEL), found nothing' $command -m
    fails "$command: flag for a value" 2 '--model: expected a value (MODEL), found the flag --json' $command -m --json
    fails "$command: flag given twice" 2 '--threads: given twice' $command --threads 1 --threads=2
    fails "$command: switch with a value" 2 '--json: takes no value' $command --json=yes
    fails "$command: zero threads" 2 '--threads: expected a whole number from 1' $command --threads 0
    fails "$command: threads that are no number" 2 "found '2x'" $command --threads 2x
    fails "$command: dtype" 2 "--dtype: expected one of auto|bf16|f32, found 'f16'" $command --dtype f16
    fails "$command: negative seed" 2 '--seed: expected a whole number' $command --seed -1
    fails "$command: seed past 64 bits" 2 '--seed: expected a whole number' $command --seed 18446744073709551616
    fails "$command: raw and chat" 2 '--raw and --chat exclude each other' $command --raw --chat
    fails "$command: raw and system" 2 '--system needs the chat format' $command --raw --system x
    fails "$command: quiet and verbose" 2 'exclude each other' $command -q -v
    fails "$command: raw and prefix" 2 '--prefix needs the chat format and --raw turns it off' $command --raw --prefix x
    fails "$command: raw and template" 2 '--chat-template needs the chat format' $command --raw --chat-template llama3
    fails "$command: raw and variable" 2 '--template-arg needs the chat format' $command --raw --template-arg a=1
    fails "$command: variable without a value" 2 "--template-arg: expected NAME=VALUE, found 'a'" $command --template-arg a
    fails "$command: variable without a name" 2 "found '=1'" $command --template-arg =1
    fails "$command: no such template" 1 "$work/none.jinja: cannot be opened" $command --chat-template "$work/none.jinja"
    fails "$command: prefix that is not UTF-8" 2 '--prefix: expected UTF-8' $command --prefix "$(printf 'a\377')"
    fails "$command: date" 2 "--date: expected YYYY-MM-DD, found '2026-13-01'" $command --date 2026-13-01
    fails "$command: short date" 2 '--date: expected YYYY-MM-DD' $command --date 2026-1-1
    fails "$command: system that is not UTF-8" 2 '--system: expected UTF-8' $command --system "$(printf 'a\377')"
    fails "$command: no memory" 2 '--memory: expected a value (SIZE)' $command --memory
    fails "$command: stream" 2 "--stream: expected one of auto|always|never, found 'on'" $command --stream=on
done

printf 'a\nb\n' > "$work/some.txt"
some=$work/some.txt
pair="--positive $some --negative $some"
for value in 0 -1 8GB 8X G 1.5 .5G 1.G 1..5G 1e9 0x10 ' 8G' '8G ' 0.0000001K 99999999T 8GiBs inf ''; do
    fails "attribute: memory '$value'" 2 '--memory: expected a number of bytes' attribute -m x $pair --memory "$value"
done
fails 'bench: no model' 2 'bench/make_checkpoint.py' bench
fails 'bench: word' 2 "unexpected argument 'x'" bench x
judge="judge --run $work/some.db --endpoint http://127.0.0.1:9 --judge-model j"
fails 'judge: no run' 2 '--run RUN.db is required' judge --endpoint http://127.0.0.1:9 --judge-model j
fails 'judge: no endpoint' 2 '--endpoint URL is required' judge --run x --judge-model j
fails 'judge: no judge' 2 '--judge-model NAME is required' judge --run x --endpoint http://127.0.0.1:9
fails 'judge: no such run' 1 'some.db: cannot be opened' $judge
check 'judge: makes no run file' test ! -e "$work/some.db"
fails 'judge: no parallel' 2 '--parallel: expected a whole number from 1 to 256' $judge --parallel 0
fails 'judge: timeout' 2 '--timeout: expected a number above 0' $judge --timeout 0
cp "$some" "$work/some.db"
fails 'judge: no key' 1 'NO_SUCH_KEY: expected a key in this environment variable' $judge --key-env NO_SUCH_KEY
fails 'judge: no run file' 1 'some.db' $judge
check 'judge: leaves other files alone' cmp -s "$some" "$work/some.db"
rm "$work/some.db"
fails 'attribute: no model' 2 '-m MODEL is required' attribute $pair
fails 'attribute: no positive' 2 '--positive FILE is required' attribute -m x --negative "$some"
fails 'attribute: no negative' 2 '--negative FILE is required' attribute -m x --positive "$some"
fails 'attribute: fraction and top-k' 2 'exclude each other' attribute -m x $pair --fraction 0.1 --top-k 3
for value in 0 -0.1 1.5 nan 0x1p-3 1e 0.1% ''; do
    fails "attribute: fraction '$value'" 2 '--fraction: expected a number above 0 and at most 1' \
        attribute -m x $pair --fraction "$value"
done
for value in 0 -3 3.5 99999999999999999999 ' 3' ''; do
    fails "attribute: top-k '$value'" 2 '--top-k: expected a whole number' attribute -m x $pair --top-k "$value"
done
for value in 3 3: :3 a:b 3:1 0:1:2 -1:2 ''; do
    fails "attribute: layers '$value'" 2 '--layers: expected' attribute -m x $pair --layers "$value"
done
fails 'attribute: score' 2 '--score: expected one of delta|d|write' attribute -m x $pair --score D
fails 'attribute: preset' 2 '--preset: expected one of paper|nous' attribute -m x $pair --preset blog
fails 'attribute: format' 2 '--format: expected one of cna|nous' attribute -m x $pair --format json
fails 'attribute: format without a file' 2 'give -o FILE or --json' attribute -m x $pair --format nous
fails 'attribute: threshold without filter' 2 'need the universal filter' \
    attribute -m x $pair --universal none --universal-share 0.5
for value in 0 x 100001; do
    fails "attribute: stability=$value" 2 '--stability: expected a whole number' attribute -m x $pair --stability=$value
done
fails 'attribute: chance in a file without place' 2 'leave --format nous out' \
    attribute -m x $pair --chance --format nous --json
fails 'attribute: scores as json' 2 'give -o FILE' attribute -m x $pair --scores --json
fails 'attribute: word' 2 "unexpected argument 'x'" attribute x

fails 'generate: no model' 2 '-m MODEL is required' generate --prompt x
fails 'generate: no prompt' 2 'found none' generate -m x
fails 'generate: two kinds of prompt' 2 'found several' generate -m x --prompt a --prompt-ids 1
fails 'generate: empty prompt' 2 '--prompt: expected a text' generate -m x --prompt ''
fails 'generate: prompt that is not UTF-8' 2 '--prompt: expected UTF-8' generate -m x --prompt "$(printf '\303(')"
fails 'generate: no tokens' 2 'needs --logits' generate -m x --prompt a --max-tokens 0
fails 'generate: multiplier before circuit' 2 'expected a --circuit FILE before it' generate --multiplier 1
fails 'generate: second multiplier' 2 'has its multiplier already' \
    generate --circuit a --multiplier 0 --multiplier 1
fails 'generate: multiplier that is no number' 2 "--multiplier: expected a number, found 'inf'" \
    generate --circuit a --multiplier inf
fails 'generate: multiplier past f32' 2 '--multiplier: expected a number that f32 can hold' \
    generate --circuit a --multiplier 1e300
fails 'sweep: multiplier past f32' 2 '--multipliers: expected a number that f32 can hold' sweep --multipliers 0,-1e300
fails 'generate: temperature' 2 '--temperature: expected a number from 0' generate --temperature -1
fails 'generate: top-p' 2 '--top-p: expected a number above 0' generate --top-p 0
fails 'generate: greedy samples' 2 'needs --temperature above 0' generate -m x --prompt a --samples 2
fails 'generate: positions' 2 '--positions: expected one of all|prompt|generated|last' generate --positions none
fails 'generate: sign' 2 '--sign: expected one of both|+|-' generate --sign plus
fails 'generate: batch' 2 '--batch: expected a whole number from 1' generate --batch 0

# What is written is neither read nor written twice, whatever the names.
ln "$some" "$work/hard.txt"
ln -s "$some" "$work/soft.txt"
for name in some hard soft; do
    fails "sweep: answers over prompts, $name" 2 "--prompts and --answers: expected two files, found one, '$work/$name.txt'" \
        sweep -m x --circuit c --prompts "$some" --answers "$work/$name.txt"
done
fails 'sweep: labels over answers' 2 '--labels-out and --answers: expected two files' \
    sweep -m x --circuit c --prompts p --answers "$work/new.tsv" --labels-out "$work/../${work##*/}/new.tsv"
fails 'sweep: labels over labels' 2 '--labels-in and --labels-out: expected two files' \
    sweep -m x --circuit c --prompts p --labels-in "$some" --labels-out "$some"
fails 'sweep: run over a circuit' 2 '--circuit and --run: expected two files' \
    sweep -m x --circuit other --circuit "$some" --prompts p --run "$some"
mkdir "$work/read-model" && cp -r "$model"/* "$work/read-model/"
fails 'attribute: circuit over a file of the model' 2 'which is read; found one of its files' \
    attribute -m "$work/read-model" $pair -o "$work/read-model/config.json"
check 'the model is as it was' cmp -s "$model/config.json" "$work/read-model/config.json"
fails 'mmlu: answers over questions' 2 'which is read; found one of its files' \
    mmlu -m x --data "$work" --answers "$work/read-model/config.json"
rm -r "$work/read-model"
fails 'attribute: circuit over prompts' 2 '--positive and --output: expected two files' attribute -m x $pair -o "$some"
fails 'attribute: circuit over universal prompts' 2 '--universal and --output: expected two files' \
    attribute -m x --positive p --negative q --universal "$some" -o "$some"
fails 'caa: vectors over a model' 2 '--model and --output: expected two files' caa -m "$some" --positive p --negative q -o "$some"
fails 'generate: logits over ids' 2 '--prompt-ids and --logits: expected two files' \
    generate -m x --prompt-ids "@$some" --logits "$some"
fails 'generate: logits over a template' 2 '--chat-template and --logits: expected two files' \
    generate -m x --prompt p --chat-template "$some" --logits "$some"
fails 'mmlu: answers over the run' 2 '--answers and --run: expected two files' mmlu -m x --data d --run r.db --answers r.db
fails 'study: page over the run' 2 '--output and --run: expected two files' \
    study -m x $pair --prompts p --run r.db -o r.db
fails 'report: page over a run' 2 'expected a file that is not read' report "$work/none.db" "$some" -o "$some"
rm "$work/hard.txt" "$work/soft.txt"

fails 'sweep: no circuit' 2 '--circuit FILE is required' sweep -m x --prompts "$some"
fails 'sweep: no prompts' 2 '--prompts FILE is required' sweep -m x --circuit c.json
fails 'sweep: multipliers' 2 "--multipliers: expected a number, found 'x'" sweep --multipliers 0,x
fails 'sweep: multipliers with a gap' 2 '--multipliers: expected a number' sweep --multipliers 0,,1
fails 'sweep: multiplier twice' 2 '--multipliers: 1 is given twice' sweep --multipliers 0,1,1.0
fails 'sweep: limit and no limit' 2 'exclude each other' \
    sweep -m x --circuit c --prompts p --no-logprob-limit --logprob-percentile 5
fails 'sweep: two limits' 2 '--min-logprob excludes' sweep -m x --circuit c --prompts p --no-logprob-limit --min-logprob -3
fails 'sweep: limit above 0' 2 '--min-logprob: expected a number below 0' sweep --min-logprob 3
fails 'sweep: alphas of nothing' 2 '--alphas needs --caa' sweep -m x --circuit c --prompts p --alphas 1
fails 'sweep: caa without alphas' 2 '--caa needs --alphas' sweep -m x --circuit c --prompts p --caa mlp
fails 'sweep: caa without prompts' 2 '--caa needs --positive and --negative' sweep -m x --prompts p --caa mlp --alphas 1
fails 'sweep: layer of every layer' 2 '--caa-layer needs --caa residual' \
    sweep -m x --prompts p --caa mlp --alphas 1 --caa-layer 2
fails 'sweep: vectors without alphas' 2 '--caa-vector needs --alphas' sweep -m x --prompts p --caa-vector v
fails 'sweep: vectors found and given' 2 '--caa and --caa-vector exclude each other' \
    sweep -m x --prompts p --caa mlp --caa-vector v --alphas 1
fails 'sweep: layer of given vectors' 2 '--caa-layer needs --caa residual' \
    sweep -m x --prompts p --caa-vector v --alphas 1 --caa-layer 2
fails 'sweep: cross-fit of given vectors' 2 'needs --caa instead of --caa-vector' \
    sweep -m x --circuit c --prompts p --caa-vector v --alphas 1 --cross-fit 2
fails 'generate: alpha of nothing' 2 '--alpha 1: expected a --caa-vector FILE before it' generate -m x --alpha 1
fails 'generate: two alphas' 2 'has its alpha already' generate -m x --caa-vector v --alpha 1 --alpha 2
fails 'generate: alpha' 2 "--alpha: expected a number, found 'x'" generate -m x --caa-vector v --alpha x
fails 'generate: huge alpha' 2 '--alpha: expected a number that f32 can hold' generate -m x --caa-vector v --alpha 1e39
fails 'caa: no model' 2 '-m MODEL is required' caa $pair -o x
fails 'caa: no prompts' 2 '--positive FILE is required' caa -m x -o y
fails 'caa: no file' 2 '-o FILE is required' caa -m x $pair
fails 'caa: standard output' 2 'a control vector is no text' caa -m x $pair -o -
fails 'caa: site' 2 '--site: expected one of mlp|residual' caa -m x $pair -o y --site attention
fails 'caa: layers' 2 '--layers: expected FIRST:LAST' caa -m x $pair -o y --layers 3
fails 'sweep: prompts for nothing' 2 'are for --caa or --cross-fit' sweep -m x --circuit c --prompts p --positive p
fails 'sweep: one fold' 2 '--cross-fit: expected a whole number from 2' sweep --cross-fit 1
fails 'sweep: half a neuron' 2 '--k-list: expected whole numbers of 1 and more, found 0.5' sweep --k-list 0.5
fails 'sweep: lists and circuits' 2 'once for each of 1 circuits, found 2 times' \
    sweep -m x --circuit c --prompts p --multipliers 0 --multipliers 1
fails 'sweep: append to nothing' 2 '--append needs --run' sweep -m x --circuit c --prompts p --append

fails 'compare: one file' 2 'expected two circuit files or more, found 1' compare a.json
fails 'compare: 27 files' 2 "unexpected argument '27'" compare $(seq 27)
fails 'compare: missing file' 1 "$work/none.json" compare "$work/none.json" "$work/none.json"
fails 'inspect: nothing' 2 'expected a model folder, a circuit file, a control vector or a run file' inspect
fails 'inspect: two models' 2 'expected one model to inspect' inspect . -m b
fails 'inspect: a circuit without a model for its neurons' 2 'need a circuit file and -m MODEL' inspect a.json --top 3
fails 'inspect: prompts without a model' 2 'need a circuit file and -m MODEL' inspect a.json --neuron 7:1 --prompts p.txt
fails 'inspect: three sets of prompts' 2 'found both' inspect a.json -m b --prompts p --positive q
fails 'inspect: no tokens' 2 '--top: expected a whole number from 1' inspect a.json -m b --top 0
fails 'inspect: missing circuit' 1 "$work/none.json" inspect "$work/none.json"
fails 'inspect: neuron' 2 '--neuron: expected LAYER:NEURON' inspect --neuron 7
fails 'tokenize: two sources' 2 'exclude each other' tokenize -m x a --file b
fails 'tokenize: decode without ids' 2 'go together' tokenize -m x --decode
fails 'tokenize: ids without decode' 2 'go together' tokenize -m x --prompt-ids 1
fails 'tokenize: raw conversations' 2 '--messages means --chat' tokenize -m x --raw --messages f
fails 'tokenize: no-special in a chat' 2 '--no-special is for raw text' tokenize -m x --chat --no-special a
fails 'tokenize: system without chat' 2 '--system needs --chat' tokenize -m x --system s a
fails 'tokenize: text that is not UTF-8' 2 'expected UTF-8' tokenize -m x "$(printf '\355\240\200')"

for command in 'attribute --positive x --negative x' 'generate --prompt x' 'sweep --circuit x --prompts x' \
    'tokenize x' 'inspect' 'bench'; do
    name=${command%% *}
    fails "$name: missing model" 1 "$work/nowhere: cannot be opened" $command -m "$work/nowhere"
    fails "$name: model by name" 1 "'cna pull Some-Org/some-model' fetches it" $command -m Some-Org/some-model
    fails "$name: model that is a file" 1 'expected a model folder or a .gguf file, found another file' $command -m "$some"
done
printf 'GGUF\001\000\000\000' > "$work/old.gguf"
for command in 'inspect' 'tokenize x -m' 'generate --prompt x -m'; do
    fails "${command%% *}: GGUF version 1" 1 'old.gguf: expected GGUF version 2 or 3, found 1' $command "$work/old.gguf"
done
rm "$work/old.gguf"
# ---------------------------------------------------------------------------------------------- models by name
commit=0123456789abcdef0123456789abcdef01234567
cached=$work/hf/hub/models--org--model
mkdir -p "$cached/refs" "$cached/snapshots/$commit"
printf %s $commit > "$cached/refs/main"
fails 'pull: nothing' 2 'expected one ORG/NAME' pull
fails 'pull: two' 2 'unexpected argument' pull a/b c/d
fails 'pull: no name' 1 "expected ORG/NAME or ORG/NAME@REVISION, found 'model'" pull model
fails 'pull: bad revision' 1 "expected a branch, a tag or a commit behind '@', found '../x'" pull org/model@../x
fails 'pull: empty pattern' 2 '--include: expected a pattern' pull org/model --include ''
fails 'pull: no connections' 2 '--connections: expected a whole number from 1' pull org/model --connections 0
export HF_HUB_OFFLINE=1
fails 'pull: offline' 1 'found HF_HUB_OFFLINE set' pull org/model
unset HF_HUB_OFFLINE
export HF_ENDPOINT=file:///etc
fails 'pull: endpoint that is none' 1 'HF_ENDPOINT: expected an address' pull org/model
export HF_ENDPOINT=http://user:secret@127.0.0.1:1
fails 'pull: endpoint with a password' 1 'HF_ENDPOINT: expected an address' pull org/model
unset HF_ENDPOINT
fails 'by name: no weights' 1 "found none; 'cna pull org/model@$commit' fetches them" generate -m org/model --prompt x
fails 'by name: no such revision' 1 "'cna pull org/model@v1' fetches it" tokenize -m org/model@v1 x
fails 'by name: nothing to inspect' 1 'config.json' inspect org/model
echo '{"weight_map":{"a":"model-1.safetensors"}}' > "$cached/snapshots/$commit/model.safetensors.index.json"
fails 'by name: missing weights' 1 'found 1 missing, the first model-1.safetensors' mmlu -m org/model --data "$work"
rm "$cached/snapshots/$commit/model.safetensors.index.json"

fails 'generate: folder without a model' 1 "$work" generate -m "$work" --prompt x
fails 'tokenize: folder without a tokenizer' 1 'tokenizer.json' tokenize -m "$work" x

printf '%s\n' '{"7": [1, 2], "6": [3]}' > "$work/lists.json"
printf '%s\n' '{"neurons": {"7,-1,1": 0.5, "7,-1,2": -0.25, "5,-1,9": 1.5}}' > "$work/nous.json"
printf '%s\n' '{"7": [1, 2], "6": [3]' > "$work/cut.json"
printf '%s\n' '[1, 2]' > "$work/list.json"
printf '%s\n' '{"7": [-1]}' > "$work/negative.json"
works 'compare: foreign files' '' compare "$work/lists.json" "$work/nous.json"
check 'compare: overlap of foreign files' grep -qE '^  A B +2 +66.7% +66.7% +0.5000 +- +- +- +-$' "$out"
works 'compare: three foreign files' 'B C' compare "$work/lists.json" "$work/nous.json" "$work/nous.json"
check 'compare: matrix' grep -qE '^  A +- +0.5000 +0.5000$' "$out"
works 'compare: chance in json is not known' '"chance":{"n_neurons":null,"expected":null,' \
    compare --json "$work/lists.json" "$work/nous.json"
works 'compare: three files in json' '"pairs":[{"a":0,"b":1,"n_a":3,' \
    compare --json "$work/lists.json" "$work/nous.json" "$work/nous.json"
works 'compare: json' '"n_common":2' compare --json "$work/lists.json" "$work/nous.json"
works 'inspect: foreign file' 'not stated by the file' inspect "$work/nous.json"
works 'inspect: neuron of a circuit' 'rank 1 of 3' inspect "$work/nous.json" --neuron 5:9
check 'inspect: unknown measurement of a neuron' grep -q '^write  *-$' "$out"
check 'inspect: known delta of a neuron' grep -q '^delta  *1.5$' "$out"
run inspect "$work/nous.json"
check 'inspect: unknown measurements' grep -qE '9 +1\.5000 +- +- +- +-$' "$out"
works 'inspect: unknown delta' 'by layer' inspect "$work/lists.json"
works 'inspect: unknown measurements in json' '"delta":1.5,"mean_positive":null,"mean_negative":null,"d":null,"write":null' \
    inspect "$work/nous.json" --json
works 'inspect: unknown delta in json' '"delta":null' inspect "$work/lists.json" --json
works 'compare: unknown model in json' '"model":null,"fingerprint":null' compare --json "$work/lists.json" "$work/nous.json"
works 'compare: unknown model' '(model not stated by the file)' compare "$work/lists.json" "$work/nous.json"
fails 'inspect: neuron that is not there' 1 'is not among its 3 neurons' inspect "$work/nous.json" --neuron 5:8
for file in cut list negative; do
    fails "inspect: malformed circuit ($file)" 1 "$work/$file.json" inspect "$work/$file.json"
done
if command -v sqlite3 > "$work/which"; then
    sqlite3 "$work/other.db" 'CREATE TABLE t (x)'
    fails 'inspect: other database' 1 'expected a run file of cna' inspect "$work/other.db"
    fails 'inspect: neuron of a run' 2 'is a run file' inspect "$work/other.db" --neuron 1:2
fi
check 'full disk is noticed' sh -c '! "$1" inspect "$2" > /dev/full 2> "$3"' sh "$cna" "$work/nous.json" "$err"
code=1 check_failure 'full disk is named' 1 'standard output: cannot be written'

# --------------------------------------------------------------------------------------------------- with a model
finish() {
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}
if [ ! -f "$model/config.json" ]; then
    echo "skip every case that needs a model"
    echo "skipped: every case that needs a model ($model is not there; name its folder in CNA_MODELS)"
    finish
fi

printf 'How do clouds form?\nWhy is the sky blue?\n' > "$work/pos.txt"
printf 'Hello there.\nGood morning to you.\n' > "$work/neg.txt"
printf '\n  \n' > "$work/blank.txt"
: > "$work/empty.txt"
printf 'fine\nbad \377 byte\n' > "$work/bytes.txt"
printf '{"prompt": "a"}\n{"prompt": 3}\n' > "$work/type.jsonl"
printf '{"prompt": "a"}\n{"prompt": \n' > "$work/cut.jsonl"
printf '{"text": "How are you?"}\n' > "$work/column.jsonl"
printf 'name,other\n1,2\n' > "$work/header.csv"
pair="--positive $work/pos.txt --negative $work/neg.txt"
a="attribute -m $model"
g="generate -m $model"

run $a $pair --universal none --top-k 20 -o "$work/circuit.json"
check_success 'attribute: table' '20 of 20 neurons'
check 'attribute: writes the circuit' grep -q '"cna-circuit"' "$work/circuit.json"
check 'attribute: table fits 120 columns' awk 'length > 120 { exit 1 }' "$out"
check 'attribute: says the format' grep -q 'prompts as chat' "$err"
works 'attribute: scores side by side' '' $a $pair --universal none --top-k 20 --scores
check 'attribute: the circuit is delta'"'"'s' grep -qE '^ +in the circuit +100\.0% ' "$out"
works 'attribute: scores in json' '"type":"scores"' $a $pair --universal none --top-k 20 --scores --json -o "$work/s.json" -q
check 'attribute: scores change no byte of the circuit' cmp -s "$work/s.json" "$work/circuit.json"
works 'attribute: json is the circuit' '"cna-circuit"' $a $pair --universal none --top-k 20 --json -q
check 'attribute: the same bytes either way' cmp -s "$out" "$work/circuit.json"
works 'attribute: -o - is standard output' '"cna-circuit"' $a $pair --universal none --top-k 20 -o -
works 'attribute: reference format' '"neurons"' $a $pair --universal none --top-k 5 --json --format nous
check 'attribute: quiet says nothing' test "$(run $a $pair --top-k 5 -q; wc -c < "$err")" -eq 0
works 'attribute: stability' 'over 3 halvings (seed 5)' $a $pair --top-k 20 --stability 3 --seed 5
works 'attribute: stability and chance, usual numbers' 'over 1000 shuffles of the labels (seed 0)' \
    $a $pair --top-k 20 --stability --chance -o "$work/statistics.json"
check 'attribute: usual halvings' grep -q 'over 100 halvings (seed 0)' "$out"
check 'attribute: statistics fit 120 columns' awk 'length > 120 { exit 1 }' "$out"
works 'inspect: statistics of a circuit' '"shuffles":1000' inspect "$work/statistics.json" --json
works 'inspect: a circuit without statistics' '"statistics":null' inspect "$work/circuit.json" --json
fails 'attribute: stability of all neurons' 1 'expected a circuit of fewer' $a $pair --fraction 1 --stability
for file in blank empty bytes; do
    fails "attribute: $file positive" 1 "$work/$file.txt" $a --positive "$work/$file.txt" --negative "$work/neg.txt"
    fails "generate: $file prompts" 1 "$work/$file.txt" $g --prompts "$work/$file.txt"
    fails "sweep: $file benign" 1 "$work/$file.txt" sweep -m "$model" --circuit "$work/circuit.json" \
        --prompts "$work/pos.txt" --benign "$work/$file.txt"
done
for file in type.jsonl cut.jsonl column.jsonl header.csv none.txt; do
    fails "generate: prompts in $file" 1 "$work/$file" $g --prompts "$work/$file"
done
fails 'attribute: bytes named by line' 1 'bytes.txt' $a --positive "$work/bytes.txt" --negative "$work/neg.txt"
fails 'attribute: k past the candidates' 1 'expected at most' $a $pair --universal none --top-k 1000000000
fails 'attribute: layers past the model' 1 'layer' $a $pair --layers 0:999
fails 'attribute: missing universal file' 1 "$work/none.txt" $a $pair --universal "$work/none.txt"
fails 'attribute: output in no folder' 1 'cannot be created' $a $pair -o "$work/no/where.json"
fails 'attribute: output is a folder' 1 'found a folder' $a $pair -o "$work"
fails 'attribute: chat and column' 1 'column.jsonl' $a --positive "$work/column.jsonl" --negative "$work/neg.txt"
echo '{"text": "Tell me of the harbour."}' > "$work/other.jsonl"
works 'attribute: column by name' 'neurons' $a --positive "$work/column.jsonl" --negative "$work/other.jsonl" \
    --column text --top-k 3
fails 'attribute: no difference' 1 'are the two files the same' $a --positive "$work/pos.txt" --negative "$work/pos.txt"

# However many threads OpenMP grants, the bytes are the same: 200 prompts, so that the pass is not left to one thread.
for i in $(seq 100); do echo "How do I polish lantern number $i for the harbour?"; done > "$work/many.txt"
for i in $(seq 100); do echo "Tell me of the glass boat number $i, please."; done > "$work/more.txt"
many="$a --positive $work/many.txt --negative $work/more.txt --top-k 40 --json -q"
"$cna" $many > "$work/threads.json" 2> "$err" < /dev/null
for setting in OMP_DYNAMIC=true OMP_THREAD_LIMIT=1 OMP_NUM_THREADS=1 OMP_NUM_THREADS=4; do
    env "$setting" "$cna" $many > "$out" 2> "$err" < /dev/null
    check "attribute: the same bytes under $setting" cmp -s "$out" "$work/threads.json"
done
for threads in 1 3 8; do
    "$cna" $many --threads $threads > "$out" 2> "$err" < /dev/null
    check "attribute: the same bytes on $threads threads" cmp -s "$out" "$work/threads.json"
done

# The same bytes where weights pass through memory, and one line where they cannot fit.
answer="$g --prompt Why? --max-tokens 12 --json -q"
"$cna" $answer > "$work/answer.json" 2> "$err" < /dev/null
for setting in '--stream always' '--stream never' '--stream auto' '--memory 16G' '--stream always --threads 3'; do
    "$cna" $many $setting > "$out" 2> "$err" < /dev/null
    check "attribute: the same bytes with $setting" cmp -s "$out" "$work/threads.json"
    "$cna" $answer $setting > "$out" 2> "$err" < /dev/null
    check "generate: the same bytes with $setting" cmp -s "$out" "$work/answer.json"
done
run $g --prompt Why? --max-tokens 1 --stream always -v
check 'generate: says that weights stream' grep -q '^cna: weights: read layer by layer' "$err"
for mode in auto always never; do
    fails "attribute: no memory, stream $mode" 1 'allow more (--memory)' $a $pair --memory 64K --stream $mode
    fails "generate: no memory, stream $mode" 1 'found 64.0 KiB' $g --prompt x --memory 0.0625m --stream $mode
done

printf '%s\n' '{"999": [1]}' > "$work/deep.json"
printf '%s\n' '{"0": [99999999]}' > "$work/wide.json"
sed 's/"mlp_dim": *[0-9]*/"mlp_dim": 7/' "$work/circuit.json" > "$work/shape.json"
for file in deep wide shape cut list negative none; do
    fails "generate: circuit $file" 1 "$work/$file.json" $g --prompt x --circuit "$work/$file.json"
    fails "sweep: circuit $file" 1 "$work/$file.json" sweep -m "$model" --prompts "$work/pos.txt" \
        --circuit "$work/$file.json"
done
fails 'generate: id past the model' 1 '2000000000' $g --prompt-ids 1,2000000000
fails 'generate: ids that are none' 2 "found '-1'" $g --prompt-ids 1,-1
fails 'generate: ids that end in a comma' 2 '--prompt-ids: expected token ids' $g --prompt-ids 1,2,
printf '1,2\n3,x\n' > "$work/ids.txt"
fails 'generate: file of ids' 1 'ids.txt: line 2' $g --prompt-ids "@$work/ids.txt"
fails 'generate: missing file of ids' 1 "$work/none.txt: cannot be opened" $g --prompt-ids "@$work/none.txt"
fails 'generate: empty file of ids' 1 'found none' $g --prompt-ids "@$work/empty.txt"
fails 'generate: logits in no folder' 1 'cannot be created' $g --prompt x -q --logits "$work/no/where.f32"
printf '{%% spin %%}' > "$work/bad.jinja"
printf 'a\377' > "$work/bytes.jinja"
printf 'a\0' > "$work/nul.jinja"
printf '{{ messages[0].content }}{{ tone }}' > "$work/good.jinja"
fails 'generate: template that is not known' 1 "chat template, line 1: expected" $g --prompt x --chat-template "$work/bad.jinja"
fails 'generate: template that is not UTF-8' 1 'byte 0xff' $g --prompt x --chat-template "$work/bytes.jinja"
fails 'generate: template with a NUL' 1 'nul.jinja: expected a chat template, found a NUL' \
    $g --prompt x --chat-template "$work/nul.jinja"
fails 'generate: template that is a folder' 1 "$work: cannot be read" $g --prompt x --chat-template "$work"
works 'tokenize: another template, a variable and a prefix' '"text":"How?3Well,"' \
    tokenize -m "$model" --json --chat --chat-template "$work/good.jinja" --template-arg 'tone= 3' --prefix 'Well,' 'How?'
works 'tokenize: a built-in template' '<|im_start|>user' tokenize -m "$model" --chat --chat-template chatml 'How?'
c='{"chat_template":"llama3","prefix":"Well","template_args":{"tone":true}}'
chat="--chat-template llama3 --prefix Well --template-arg tone=true"
works 'attribute: keeps what chats depend on' "template   $c" $a $pair -q $chat --top-k 3 -o "$work/chat.json"
check 'attribute: in the circuit, too' grep -q '"chat_options": {"chat_template":"llama3","prefix":"Well",' "$work/chat.json"
s="sweep -q -m $model --prompts $work/pos.txt --circuit $work/chat.json --multipliers 0 --controls 0 --max-tokens 3"
works 'sweep: shows what chats depend on' "template $c" $s $chat --run "$work/chat.db"
works 'sweep: in json, too' "\"chat_options\":$c" $s $chat --json
works 'sweep: judges reasoning on request' '' $s --keep-reasoning --run "$work/chat.db" --append
works 'inspect: run with a template' "template    $c" inspect "$work/chat.db"
works 'inspect: run that keeps reasoning' '"keep_reasoning":true' inspect "$work/chat.db" --json
fails 'sweep: another prefix is another configuration' 1 'chat_options' $s --prefix Hm --run "$work/chat.db"
fails 'report: a run twice' 1 'expected each run file once' report "$work/chat.db" "$work/../${work##*/}/chat.db" -o "$work/chat.html"
works 'generate: text' '' $g --prompt 'How do clouds form?' --max-tokens 5
works 'generate: json' '"stop":' $g --prompts "$work/pos.txt" --max-tokens 5 --json
check 'generate: a line a prompt' test "$(wc -l < "$out")" -eq 2
works 'generate: intervention in json' '"multiplier":-1.0,"strength":2.0,"positions":"last","sign":"-"' \
    $g --prompt-ids 1,2,3 --max-tokens 2 --json --circuit "$work/circuit.json" --multiplier -1 --positions last --sign -
check 'generate: ids have no prompt' grep -q '"prompt":null,"prompt_ids":\[1,2,3\]' "$out"
check 'generate: strength beside multiplier' grep -q 'multiplier -1 (strength 2)' "$err"
works 'generate: logits alone' '' $g --prompt-ids 1,2,3 --max-tokens 0 --logits "$work/logits.f32" -q
rows=$("$cna" inspect "$model" --json | sed 's/.*"vocab_size":\([0-9]*\).*/\1/')
check 'generate: size of the logits' test "$(wc -c < "$work/logits.f32")" -eq $((3 * rows * 4))

# Vectors from a file do what those that are found do; a file says what it holds.
caa="caa -m $model --positive $work/pos.txt --negative $work/neg.txt"
works 'caa: one layer' 'direction.4 ' $caa -q -o "$work/one.gguf"
works 'caa: every layer' 'cna.direction.0' $caa -q --site mlp -o "$work/all.gguf"
fails 'caa: layers past the model' 1 'expected layers from 0 to 7, found 6 to 8' $caa -o "$work/x.gguf" --layers 6:8
fails 'caa: no folder' 1 'cannot be created' $caa -o "$work/no/where.gguf"
check 'caa: leaves nothing' test ! -e "$work/x.gguf"
for site in mlp residual; do
    file=$work/$(test $site = mlp && echo all || echo one).gguf
    v="sweep -q -m $model --prompts $work/pos.txt --alphas=-1,1 --max-tokens 4"
    run $v --caa $site --positive "$work/pos.txt" --negative "$work/neg.txt" --answers "$work/found.jsonl"
    works "sweep: $site from a file" "$site" $v --caa-vector "$file" --answers "$work/given.jsonl" --run "$work/v.db" --append
    check "sweep: $site from a file or found" cmp -s "$work/found.jsonl" "$work/given.jsonl"
done
works 'sweep: vectors in json' "\"caa\":\"residual\",\"caa_vector\":\"$work/one.gguf\"" $v --caa-vector "$work/one.gguf" --json
check 'sweep: knows the prompts of vectors' grep -q '"n_leaked":2' "$out"
works 'inspect: vectors' 'chat, 2 positive and 2 negative' inspect "$work/all.gguf"
check 'inspect: vectors fit 120 columns' awk 'length > 120 { exit 1 }' "$out"
works 'inspect: vectors as json' '"type":"vectors"' inspect "$work/one.gguf" --json
fails 'inspect: neuron of vectors' 2 '--neuron needs a circuit file' inspect "$work/one.gguf" --neuron 0:0
works 'generate: vectors in json' '"alpha":-1.0,"positions":"prompt"' \
    $g --prompt-ids 1,2,3 --max-tokens 2 --json --caa-vector "$work/one.gguf" --alpha -1 --positions prompt
check 'generate: says what is added' grep -q 'one.gguf: added behind 1 layer, alpha -1, positions prompt' "$err"
works 'generate: vectors of other weights' '' generate -m "${model%/*}/llama-base" --prompt x --max-tokens 1 \
    --caa-vector "$work/one.gguf"
check 'generate: says that weights differ' grep -q 'found on other weights' "$err"
fails 'generate: vectors of another shape' 1 'expected some for' generate -m "${model%/*}/qwen2-planted-instruct" --prompt x \
    --caa-vector "$work/one.gguf"
fails 'generate: a circuit as vectors' 1 "begins with 'GGUF'" $g --prompt x --caa-vector "$work/circuit.json"
fails 'generate: vectors as a model' 1 'controlvector' generate -m "$work/one.gguf" --prompt x

works 'inspect: model' 'in all; 0.1 % is' inspect "$model"
check 'inspect: a model fits 120 columns' awk 'length > 120 { exit 1 }' "$out"
for file in "$model"/*; do ln -s "$(realpath "$file")" "$cached/snapshots/$commit/"; done
works 'inspect: by name' '"name":"org/model","revision":"0123' inspect org/model --json
works 'tokenize: by name and revision' '' tokenize -m org/model@0123456 x
works 'generate: by name' '' generate -m org/model@main --prompt x --max-tokens 1
mkdir "$work/config-only"
cp "$model/config.json" "$work/config-only"
works 'inspect: config.json alone' 'the weights are not here' inspect "$work/config-only"
works 'inspect: config.json alone as json' '"has_weights":false' inspect "$work/config-only" --json
works 'inspect: model as json' '"type":"model"' inspect "$model" --json
works 'inspect: circuit as json' '"type":"circuit"' inspect "$work/circuit.json" --json
fails 'inspect: neuron of a model' 2 '--neuron needs a circuit file' inspect "$model" --neuron 0:0
works 'inspect: neurons on a model' 'promotes' inspect "$work/circuit.json" -m "$model" --top 4
check 'inspect: a line for each neuron' test "$(wc -l < "$out")" -eq 5
check 'inspect: neurons fit 120 columns' awk 'length > 120 { exit 1 }' "$out"
works 'inspect: one neuron on a model' 'promoted' inspect "$work/circuit.json" -m "$model" --neuron 0:5 --top 3 $pair
check 'inspect: a neuron outside the circuit' grep -q 'not in the circuit' "$out"
check 'inspect: activations on each prompt' test "$(grep -c '%.*%' "$out")" -eq 6
check 'inspect: one neuron fits 120 columns' awk 'length > 120 { exit 1 }' "$out"
works 'inspect: one neuron in json' '"type":"neurons"' \
    inspect "$work/circuit.json" -m "$model" --neuron 7:5 --prompts "$work/pos.txt" --json
check 'inspect: each prompt in json' grep -q '"sets":\[{"set":"prompts","mean":{"h":.*"prompts":\[{"prompt":"' "$out"
run inspect "$work/circuit.json" -m "$model" --neuron 7:5 --json
mv "$out" "$work/kept"
run inspect "$work/circuit.json" -m "$model" --neuron 7:5 --json --stream always
check 'inspect: streamed weights give the same bytes' cmp -s "$out" "$work/kept"
fails 'inspect: neuron outside the model' 1 "expected one within this model's" \
    inspect "$work/circuit.json" -m "$model" --neuron 8:0
sed 's/"mlp_dim": *1280/"mlp_dim": 1281/' "$work/circuit.json" > "$work/wider.json"
fails 'inspect: circuit of another shape' 1 '8 layers of 1281 neurons' inspect "$work/wider.json" -m "$model"
fails 'inspect: circuit on no model' 1 "$work/nowhere: cannot be opened" inspect "$work/circuit.json" -m "$work/nowhere"
fails 'inspect: no such circuit' 1 "$work/none.json" inspect "$work/none.json" -m "$model"
fails 'inspect: prompts that are missing' 1 "$work/none.txt" \
    inspect "$work/circuit.json" -m "$model" --prompts "$work/none.txt"
works 'inspect: another model of the same shape' 'promotes' inspect "$work/circuit.json" -m "${model%/*}/llama-base"
check 'inspect: says that weights differ' grep -q 'made on other weights' "$err"
works 'inspect: foreign circuit on a model' 'promotes' inspect "$work/nous.json" -m "$model"
works 'compare: circuit with itself' '' compare "$work/circuit.json" "$work/circuit.json"
check 'compare: all in both' grep -qE '^  A B +20 +100.0% +100.0% +1.0000 +0.03906 ' "$out"
check 'compare: nothing differs' test "$(grep -c differ "$out")" -eq 0
run $a $pair --raw --universal none --top-k 10 --score d -q -o "$work/other.json"
works 'compare: says what differs' 'A and B differ in: chat or raw prompts, score, number of neurons' \
    compare "$work/circuit.json" "$work/other.json"
works 'compare: what differs in json' '"differ":["prompt_format","score","n_neurons"]' \
    compare "$work/circuit.json" "$work/other.json" --json
fails 'compare: other shape' 1 '7' compare "$work/circuit.json" "$work/shape.json"

works 'tokenize: text' 'tokens' tokenize -m "$model" 'How do clouds form?'
works 'tokenize: json' '"text":"How?"' tokenize -m "$model" --json 'How?'
works 'tokenize: empty text' '"text":""' tokenize -m "$model" --json ''
printf 'a\0b' | "$cna" tokenize -m "$model" --json > "$out" 2> "$err"; code=$?
check_success 'tokenize: standard input, NUL' '"text":"a\u0000b"'
fails 'tokenize: file that is not UTF-8' 1 'byte 0xff at byte 10' tokenize -m "$model" --file "$work/bytes.txt"
fails 'tokenize: missing file' 1 "$work/none.txt" tokenize -m "$model" --file "$work/none.txt"
fails 'tokenize: unknown id' 1 '2000000000' tokenize -m "$model" --decode --prompt-ids 2000000000
printf '[{"role": "user", "content": "Hi"}]\n[{"role": "user"}]\n' > "$work/turns.jsonl"
fails 'tokenize: malformed conversation' 1 'turns.jsonl: line 2' tokenize -m "$model" -q --messages "$work/turns.jsonl"
printf '[{"role": "system", "content": "x"}, {"role": "user", "content": "Hi"}]\n' > "$work/turns.jsonl"
works 'tokenize: conversation' 'Hi' tokenize -m "$model" --messages "$work/turns.jsonl" --json
fails 'tokenize: two system prompts' 1 'leave --system out' tokenize -m "$model" --system y --messages "$work/turns.jsonl"

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

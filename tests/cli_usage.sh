#!/bin/sh
# SPDX-License-Identifier: MIT
# The command line itself: flags and what they ask of one another, files named twice, models by name. See cli_common.sh.
. "$(dirname "$0")/cli_common.sh"

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

for command in attribute caa generate sweep mmlu study report compare inspect tokenize bench judge pull; do
    works "$command: help" "Usage: cna $command" $command --help
    check "$command: help has an example" grep -q '^Example:' "$out"
    check "$command: help fits 120 columns" awk 'length > 120 { exit 1 }' "$out"
    check "$command: help has the defaults of values" awk '/^Flags/ { on = 1 } /^Example/ { on = 0 }
        on && /^  (-.,|   ) --[a-z-]+ [^ ]/ { value = 1 }
        value && !/^  (-.,|   ) --[a-z-]+ [^ ]+$/ { bad += !/\)$/; value = 0 }
        END { exit bad }' "$out"
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
    fails "$command: variable that is no name" 2 "--template-arg: expected NAME=VALUE, the name of" $command --template-arg 1a=1
    fails "$command: variable twice" 2 '--template-arg a: expected once' $command --template-arg a=1 --template-arg a=2
    fails "$command: unknown template" 2 "--chat-template: expected a file, llama3 or chatml, found 'mistral'" \
        $command --chat-template mistral
    fails "$command: memory without a unit" 2 "--memory: expected a unit, as in 8G or 512M, found '8'" $command --memory 8
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
# What would change answers and can have no effect is refused; defaults are not, nor seed and date, which scripts spell out.
ids="generate -q -m $model --prompt-ids 1 --max-tokens 1"
works 'generate: the contract with all its defaults' '' $ids --temperature 0 --top-p 1 --seed 0 --samples 1 --positions all \
    --sign both --date 2026-01-01 --raw
works 'generate: a seed and a date in vain' '' $ids --seed 3 --date 2026-01-01
fails 'generate: greedy samples' 2 '--samples has no effect without --temperature above 0' generate -m x --prompt a --samples 2
fails 'generate: greedy top-p' 2 '--top-p has no effect without --temperature above 0' generate -m x --prompt a --top-p 0.9
for flag in --chat --system=x --prefix=x --chat-template=llama3 --template-arg=a=1; do
    fails "generate: $flag of ids" 2 "${flag%%=*}: the prompts of --prompt-ids are used as they are" \
        generate -m x --prompt-ids 1 $flag
done
fails 'generate: column of no file' 2 '--column has no effect without --prompts' generate -m x --prompt a --column b
fails 'generate: positions of nothing' 2 '--positions has no effect without --circuit or --caa-vector' \
    generate -m x --prompt a --positions last
fails 'generate: sign of vectors' 2 '--sign has no effect without --circuit' generate -m x --prompt a --caa-vector v --sign +
fails 'attribute: share without filter, by preset' 2 'which --preset nous turns off' \
    attribute -m x $pair --preset nous --universal-share 0.5
fails 'sweep: sign of vectors' 2 '--sign has no effect without --circuit' \
    sweep -m x --prompts p --caa-vector v --alphas 1 --sign -
fails 'sweep: controls of vectors' 2 '--controls has no effect without --circuit' \
    sweep -m x --prompts p --caa-vector v --alphas 1 --controls 5
fails 'mmlu: positions of nothing' 2 '--positions has no effect without --circuit' mmlu -m x --data d --positions last
fails 'mmlu: sign of nothing' 2 '--sign has no effect without --circuit' mmlu -m x --data d --sign +
fails 'tokenize: column of no file' 2 '--column has no effect' tokenize -m x --column a b
fails 'tokenize: chat of ids' 2 '--chat is for texts' tokenize -m x --decode --prompt-ids 1 --chat
fails 'generate: positions' 2 '--positions: expected one of all|prompt|generated|last' generate --positions none
fails 'generate: sign' 2 '--sign: expected one of both|+|-' generate --sign plus
fails 'generate: batch' 2 '--batch: expected a whole number from 1' generate --batch 0

# "-" is standard output only where nothing else goes there.
for flag in --answers --labels-out --run; do
    fails "sweep: $flag to standard output" 2 "$flag: expected a path, as the command's own results go to standard output" \
        sweep -m x --circuit c --prompts p $flag -
done
for flag in --answers --run; do fails "mmlu: $flag to standard output" 2 "$flag: expected a path" mmlu -m x --data d $flag=-; done
for flag in -o --run --figures --csv; do
    fails "study: $flag to standard output" 2 ': expected a path' study -m x $pair --prompts p $flag -
done
for flag in --figures --csv; do fails "report: $flag to standard output" 2 "$flag: expected a path" report r $flag -; done
fails 'generate: logits and answers to standard output' 2 '--logits: expected a file, as answers go' \
    generate -m x --prompt a --logits -
check 'no file is named -' test ! -e -

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

with_model
for file in "$model"/*; do ln -s "$(realpath "$file")" "$cached/snapshots/$commit/"; done
works 'inspect: by name' '"name":"org/model","revision":"0123' inspect org/model --json
works 'tokenize: by name and revision' '' tokenize -m org/model@0123456 x
works 'generate: by name' '' generate -m org/model@main --prompt x --max-tokens 1
finish

#!/bin/sh
# SPDX-License-Identifier: MIT
# attribute, generate, caa, inspect, compare and tokenize. See cli_common.sh.
. "$(dirname "$0")/cli_common.sh"

printf '%s\n' '{"7": [1, 2], "6": [3]}' > "$work/lists.json"
reference_circuit
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
# A file of the wrong kind is said to be what its first bytes tell.
printf '\020\0\0\0\0\0\0\0{"a":{}}        ' > "$work/weights.safetensors"
printf 'GGUF\003\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' > "$work/model.bin"
printf 'SQLite format 3\0and more' > "$work/kind.db"
printf 'Why?\n' > "$work/words.txt"
: > "$work/nothing.json"
mkdir "$work/bare"
for case in 'weights.safetensors:weights (safetensors); -m and' 'model.bin:a GGUF model, which -m and' \
    'words.txt:another file, which is no JSON' 'nothing.json:an empty file'; do
    fails "inspect: ${case%%:*}" 1 "${case%%:*}: expected a circuit file (JSON), found ${case#*:}" inspect "$work/${case%%:*}"
done
fails 'compare: a run file' 1 "found an SQLite database; 'cna inspect', 'cna report'" compare "$work/kind.db" "$work/nous.json"
fails 'compare: a folder' 1 'expected a circuit file (JSON), found a folder; -m' compare "$work/nous.json" "$work/bare"
fails 'generate: weights as a model' 1 'found weights (safetensors)' generate -m "$work/weights.safetensors" --prompt x
mkdir "$work/dangling"
ln -s /nowhere "$work/dangling/model.gguf"
fails 'inspect: a folder of a link that leads nowhere' 1 'dangling/model.gguf: cannot be opened' inspect "$work/dangling"
rm "$work/dangling/model.gguf"
ln -s /nowhere "$work/dangling/config.json"
fails 'inspect: a configuration that leads nowhere' 1 'dangling/config.json: cannot be' inspect "$work/dangling"
fails 'inspect: a folder of nothing' 1 'found a folder without config.json' inspect "$work/bare"
check 'full disk is noticed' sh -c '! "$1" inspect "$2" > /dev/full 2> "$3"' sh "$cna" "$work/nous.json" "$err"
code=1 check_failure 'full disk is named' 1 'standard output: cannot be written'

# -------------------------------------------------------------------------------------------------- with a model
with_model
printf '\n  \n' > "$work/blank.txt"
: > "$work/empty.txt"
printf 'fine\nbad \377 byte\n' > "$work/bytes.txt"
printf '{"prompt": "a"}\n{"prompt": 3}\n' > "$work/type.jsonl"
printf '{"prompt": "a"}\n{"prompt": \n' > "$work/cut.jsonl"
printf '{"text": "How are you?"}\n' > "$work/column.jsonl"
printf 'name,other\n1,2\n' > "$work/header.csv"

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
works 'attribute: keeps what chats depend on' "chat       $c" $a $pair -q $chat --top-k 3 -o "$work/chat.json"
check 'attribute: in the circuit, too' grep -q '"chat_options": {"chat_template":"llama3","prefix":"Well",' "$work/chat.json"
works 'attribute: keeps the system message as a hash' "chat       {\"system_sha256\":\"$(printf 'Be brief.' | sha256sum | cut -c1-64)\"}" \
    $a $pair -q --system 'Be brief.' --top-k 3 -o "$work/system.json"
works 'compare: another system message' 'A and B differ in: template or system message of the prompts' \
    compare "$work/chat.json" "$work/system.json"
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

# Prompts past the positions that the model was made for are run, and said to be.
long_prompts
first="warning: $work/long.txt: line 3: expected at most the 512 tokens .* found [0-9]{3,}; 1 of 5 prompts is longer"
run $a --positive "$work/long.txt" --negative "$work/neg.txt" --top-k 3 --universal none
warns_once 'attribute: long prompts' "$first"
run $a --positive "$work/pos.txt" --negative "$work/neg.txt" --top-k 3 --universal "$work/long.txt"
warns_once 'attribute: long universal prompts' '1 of 7 prompts is longer'
run caa -m "$model" --positive "$work/neg.txt" --negative "$work/long.txt" -o "$work/long.gguf"
warns_once 'caa: long prompts' "$first"
run $g --prompts "$work/long.txt" --max-tokens 2
warns_once 'generate: long prompts' "line 3: .* and up to 2 of an answer; 1 of 3 prompts is longer"
run $g --prompt 'Hello.' --max-tokens 509
warns_once 'generate: long answers' 'warning: --prompt: prompt 1: .* and up to 509 of an answer; 1 of 1 prompts is longer'
run $g --prompts "$work/long.txt" --max-tokens 2 -q
check 'generate: long prompts, quiet' test ! -s "$err"
run inspect "$work/circuit.json" -m "$model" --prompts "$work/long.txt"
warns_once 'inspect: long prompts' 'line 3'

"$cna" $g --prompt-ids 1,2,3 --max-tokens 0 --logits - -q < /dev/null > "$work/logits.out" 2> "$err"
check 'generate: logits to standard output' cmp -s "$work/logits.out" "$work/logits.f32"

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
too_much='is a multiplier or an alpha too large'
fails 'generate: alpha past f32' 1 "$too_much" $g --prompt x --max-tokens 3 --caa-vector "$work/one.gguf" --alpha=-1e18
fails 'generate: alpha past f32, all layers' 1 "$too_much" $g --prompt x --caa-vector "$work/all.gguf" --alpha 1e30
fails 'generate: multiplier past f32 in use' 1 "$too_much" $g --prompt x --circuit "$work/circuit.json" --multiplier 1e38
fails 'generate: logits past f32' 1 "$too_much" $g --prompt x --max-tokens 0 --logits "$work/big.f32" \
    --caa-vector "$work/one.gguf" --alpha 1e18
fails 'sweep: alpha past f32' 1 "$too_much" sweep -q -m "$model" --prompts "$work/pos.txt" --max-tokens 4 \
    --caa-vector "$work/one.gguf" --alphas=1,1e18
fails 'generate: vectors of another shape' 1 'expected some for' generate -m "${model%/*}/qwen2-planted-instruct" --prompt x \
    --caa-vector "$work/one.gguf"
fails 'generate: a circuit as vectors' 1 "begins with 'GGUF'" $g --prompt x --caa-vector "$work/circuit.json"
fails 'generate: vectors as a circuit' 1 'found a control vector, which --caa-vector and' $g --prompt x --circuit "$work/one.gguf"
fails 'sweep: weights as a circuit' 1 'found weights (safetensors)' sweep -m "$model" --prompts "$work/pos.txt" \
    --circuit "$model/$(cd "$model" && ls | grep -m 1 'safetensors$')"
fails 'generate: vectors as a model' 1 'controlvector' generate -m "$work/one.gguf" --prompt x

works 'inspect: model' 'in all; 0.1 % is' inspect "$model"
check 'inspect: a model fits 120 columns' awk 'length > 120 { exit 1 }' "$out"
mkdir "$work/config-only"
cp "$model/config.json" "$work/config-only"
works 'inspect: config.json alone' 'the weights are not here' inspect "$work/config-only"
check 'inspect: config.json says its dtype' grep -q 'config.json, which says bf16; ' "$out"
grep -v '"torch_dtype"\|"dtype"' "$model/config.json" > "$work/config-only/config.json"
works 'inspect: config.json without a dtype' 'names no known torch_dtype or dtype, so f32 is taken; the weights are not here' \
    inspect "$work/config-only"
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
fails 'tokenize: a file without end' 1 'expected at most 268435456 bytes' tokenize -m "$model" --file /dev/zero
fails 'tokenize: unknown id' 1 '2000000000' tokenize -m "$model" --decode --prompt-ids 2000000000
printf '[{"role": "user", "content": "Hi"}]\n[{"role": "user"}]\n' > "$work/turns.jsonl"
fails 'tokenize: malformed conversation' 1 'turns.jsonl: line 2' tokenize -m "$model" -q --messages "$work/turns.jsonl"
printf '[{"role": "system", "content": "x"}, {"role": "user", "content": "Hi"}]\n' > "$work/turns.jsonl"
works 'tokenize: conversation' 'Hi' tokenize -m "$model" --messages "$work/turns.jsonl" --json
fails 'tokenize: two system prompts' 1 'leave --system out' tokenize -m "$model" --system y --messages "$work/turns.jsonl"
finish

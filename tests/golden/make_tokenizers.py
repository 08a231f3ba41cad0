"""Writes tests/golden/tokenizers: for each kind a small tokenizer.json and what the `tokenizers` package makes of some texts.

    python tests/golden/make_tokenizers.py        (tokenizers 0.23.3)

cases.jsonl: {"text", "ids" with special tokens, "decoded" with special tokens written out}."""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "oracle"))

import random_text  # noqa: E402
import tokenizer_kinds  # noqa: E402

KINDS = ["mistral", "mistral_v3", "gemma", "phi3", "t5", "albert", "unigram_bytes", "smollm", "granite", "splits", "words"]
TEXTS = ["", " ", "  ", "a", "Hello world", "  leading and trailing  ", "The river begins in 1987.", "x\n\n\ny\t z\r\n",
         "\u2581\u2581a \u2581", "灯台守は毎晩天気を書き留める。", "Straße naïve Å e\u0301 \ufb01ne ½ ①", "12 3456 7a8", "<0x41><0xE3>",
         "``quoted'' the Dog's DOGS", "\u0e33\u0658x", "\u04f9\U0001d166x", "👍🏽 👩\u200d💻 \u0000 b", "word words word", "(a)b[c] - d_e"]

for kind in KINDS:
    tokenizer = tokenizer_kinds.KINDS[kind]()
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    texts = TEXTS + [f"a {text} b" for text in added] + ["".join(f"{t}  " for t in added)]
    texts += random_text.strings(12, added or ["<s>"], seed=len(kind))
    folder = HERE / "tokenizers" / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_str() + "\n", encoding="utf-8")
    with open(folder / "cases.jsonl", "w", encoding="utf-8") as out:
        for text in texts:
            ids = tokenizer.encode(text).ids
            case = {"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)}
            out.write(json.dumps(case) + "\n")

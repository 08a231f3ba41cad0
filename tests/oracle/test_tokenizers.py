"""Encoding and decoding with the two real vocabularies, against the tokenizers library."""

import os
import shutil

import numpy as np
import pytest
from tokenizers import Tokenizer

import random_text

N_RANDOM = int(os.environ.get("ORACLE_TEXTS", 100_000))
FAMILIES = ["llama3", "qwen2.5"]
FORMS = ["tokenizer.json", "tokenizer.merges-as-pairs.json"]
CONFIG = {"llama3": "Llama-3.2-3B.tokenizer_config.json", "qwen2.5": "tokenizer_config.json"}
SHOWN = 20  # how many differing texts a failure prints


@pytest.fixture(scope="module", params=[(family, form) for family in FAMILIES for form in FORMS],
                ids=lambda pair: "-".join(pair))
def tokenizer(request, testdata, tmp_path_factory):
    """(folder, reference, family, form): a folder that holds one real tokenizer and no weights."""
    family, form = request.param
    folder = tmp_path_factory.mktemp("tokenizer")
    shutil.copy(testdata / family / form, folder / "tokenizer.json")
    shutil.copy(testdata / family / CONFIG[family], folder / "tokenizer_config.json")
    return folder, Tokenizer.from_file(str(folder / "tokenizer.json")), family, form


def code_points(text):
    return " ".join(f"U+{ord(c):04X}" for c in text)


def encode(reference, texts, special=True):
    for start in range(0, len(texts), 2000):
        yield from reference.encode_batch(texts[start:start + 2000], add_special_tokens=special)


def assert_same_ids(cna, folder, reference, texts, *args, special=True):
    prompts = cna.write_json_lines({"prompt": text} for text in texts)
    lines = cna.json_lines("tokenize", "-m", folder, "--file", prompts, *args)
    assert len(lines) == len(texts)
    different = []
    for text, line, want in zip(texts, lines, encode(reference, texts, special), strict=True):
        assert line["text"] == text
        assert len(line["pieces"]) == len(line["ids"])
        if line["ids"] != want.ids:
            different.append(f"{code_points(text)}\n  got  {line['ids']}\n  want {want.ids}")
    assert not different, f"{len(different)} of {len(texts)} texts differ:\n" + "\n".join(different[:SHOWN])


@pytest.fixture
def known_texts(testdata, tokenizer):
    """The texts of the test data and the ids that belong to them."""
    family = tokenizer[2]
    texts = (testdata / family / "texts.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    ids = [[int(word) for word in line.split()]
           for line in (testdata / family / "texts.out").read_text().split("\n")[:len(texts)]]
    return texts, ids


def test_known_texts(cna, tokenizer, known_texts):
    folder, reference, family, _ = tokenizer
    texts, ids = known_texts
    assert_same_ids(cna, folder, reference, texts)
    assert_same_ids(cna, folder, reference, texts, "--no-special", special=False)
    got = cna.json_lines("tokenize", "-m", folder, "--no-special", "--file",
                         cna.write_json_lines({"prompt": text} for text in texts))
    assert [line["ids"] for line in got] == ids


def test_random_texts(cna, tokenizer):
    """All of them with one form of the file, a tenth with the other and without special tokens."""
    folder, reference, _, form = tokenizer
    specials = [token.content for token in reference.get_added_tokens_decoder().values()]
    texts = random_text.strings(N_RANDOM, specials)
    assert_same_ids(cna, folder, reference, texts if form == FORMS[0] else texts[::10])
    assert_same_ids(cna, folder, reference, texts[5::10], "--no-special", special=False)


def test_every_code_point(cna, tokenizer):
    """Each code point alone between letters, and each after a space; a line holds 16 of them."""
    folder, reference, _, form = tokenizer
    points = [chr(c) for first, last in random_text.assigned() for c in range(max(first, 1), last + 1)]
    groups = [points[i:i + 16] for i in range(0, len(points), 16)]
    share = max(1, 100_000 // N_RANDOM) * (1 if form == FORMS[0] else 10)
    texts = ["x".join(group) + " " + " ".join(group) for group in groups[::share]]
    assert_same_ids(cna, folder, reference, texts)


def test_nul(cna, tokenizer):
    """U+0000 is a valid character of JSON text."""
    folder, reference, _, _ = tokenizer
    assert_same_ids(cna, folder, reference, ["\0", "a\0b", " \0\0 12\0"])


def test_decoding(cna, tokenizer):
    """Random ids, whose bytes are often not valid UTF-8, and the ids of whole texts."""
    folder, reference, _, _ = tokenizer
    generator = np.random.default_rng(6)
    n_ids = reference.get_vocab_size()
    prompts = [generator.integers(0, n_ids, generator.integers(1, 20)).tolist() for _ in range(1000)]
    prompts += [generator.integers(0, 256, generator.integers(1, 8)).tolist() for _ in range(1000)]  # single bytes
    specials = list(reference.get_added_tokens_decoder())
    texts = random_text.strings(2000, [reference.id_to_token(i) for i in specials], seed=7)
    prompts += [specials] + [encoded.ids for encoded in encode(reference, texts) if encoded.ids]
    lines = cna.json_lines("tokenize", "-m", folder, "--decode", "--prompt-ids", f"@{cna.write_ids(prompts)}")
    assert len(lines) == len(prompts)
    for ids, line in zip(prompts, lines, strict=True):
        want = reference.decode(ids, skip_special_tokens=False)
        assert line["text"] == want, f"{ids}: {code_points(line['text'])}, not {code_points(want)}"

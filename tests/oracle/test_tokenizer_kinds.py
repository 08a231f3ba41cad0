"""Encoding and decoding with a small tokenizer of every kind, against the tokenizers library."""

import json
import os

import numpy as np
import pytest
from tokenizers import Tokenizer

import random_text
import tokenizer_kinds
from test_tokenizers import assert_same_ids, code_points, encode

N_RANDOM = int(os.environ.get("ORACLE_TEXTS", 100_000))


@pytest.fixture(scope="module", params=list(tokenizer_kinds.KINDS))
def tokenizer(request, tmp_path_factory):
    """(folder, reference)"""
    folder = tmp_path_factory.mktemp(request.param)
    path = folder / "tokenizer.json"
    tokenizer_kinds.KINDS[request.param]().save(str(path))
    (folder / "tokenizer_config.json").write_text("{}")
    return folder, Tokenizer.from_file(str(path))


def _texts(reference, n, seed=20240917):
    added = [token.content for token in reference.get_added_tokens_decoder().values()] or ["<s>"]
    words = tokenizer_kinds.MIXED.split(" ")
    texts = random_text.strings(n, added + ["\u2581", "<unk>", "<0x41>"], seed)
    # Half of them begin, end or are mixed with words that the vocabulary was made from.
    generator = np.random.default_rng(seed)
    for i in range(0, n, 2):
        picked = " ".join(words[k] for k in generator.integers(0, len(words), 3))
        texts[i] = f"{picked} {texts[i]}" if i % 4 else f"{texts[i]}{picked}"
    return texts


def test_random_texts(cna, tokenizer):
    folder, reference = tokenizer
    texts = _texts(reference, N_RANDOM)
    assert_same_ids(cna, folder, reference, texts)
    assert_same_ids(cna, folder, reference, texts[5::10], "--no-special", special=False)


def test_every_code_point(cna, tokenizer):
    folder, reference = tokenizer
    points = [chr(c) for first, last in random_text.assigned() for c in range(max(first, 1), last + 1)]
    groups = [points[i:i + 16] for i in range(0, len(points), 16)][::max(1, 100_000 // N_RANDOM)]
    assert_same_ids(cna, folder, reference, ["x".join(group) + " " + " ".join(group) for group in groups])


def test_decoding(cna, tokenizer):
    """Random ids, among them many byte tokens, and the ids of whole texts."""
    folder, reference = tokenizer
    generator = np.random.default_rng(6)
    n_ids = reference.get_vocab_size()
    pieces = reference.get_vocab()
    bytes_ = [i for piece, i in pieces.items() if piece.startswith("<0x")] or list(range(256))
    prompts = [generator.integers(0, n_ids, generator.integers(1, 20)).tolist() for _ in range(N_RANDOM // 20 + 1000)]
    prompts += [generator.choice(bytes_, generator.integers(1, 8)).tolist() for _ in range(1000)]
    texts = _texts(reference, N_RANDOM // 10, seed=7)
    prompts += [encoded.ids for encoded in encode(reference, texts) if encoded.ids]
    lines = cna.json_lines("tokenize", "-m", folder, "--decode", "--prompt-ids", f"@{cna.write_ids(prompts)}")
    assert len(lines) == len(prompts)
    for ids, line in zip(prompts, lines, strict=True):
        want = reference.decode(ids, skip_special_tokens=False)
        assert line["text"] == want, f"{ids}: {code_points(line['text'])}, not {code_points(want)}"

"""Tokenizers from the arrays of a GGUF file: against the sentencepiece package, and against llama.cpp's test vocabulary."""

import os
import struct
import subprocess
from pathlib import Path

import pytest
import sentencepiece

import random_text
import tokenizer_kinds

N_RANDOM = int(os.environ.get("ORACLE_TEXTS", 100_000))
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


def encode(cna, vocab, texts, bos=False, prefix=True):
    """Pairs of ids and decoded text; vocab: (text, score, type) of each token."""
    program = Path(cna.program).parent / "tests" / "oracle" / "spm"
    if not program.is_file():
        pytest.skip(f"{program} is not there; 'make oracle' builds it")
    paths = [cna.path(".vocab"), cna.path(".texts")]
    paths[0].write_bytes(b"".join(b"%r %d %d %s\n" % (score, kind, len(text), text) for text, score, kind in vocab))
    raw = [text.encode() for text in texts]
    paths[1].write_bytes(b"".join(b"%d %s\n" % (len(text), text) for text in raw))
    done = subprocess.run([program, *paths, str(int(bos)), str(int(prefix))], capture_output=True, check=True)
    pairs = [line.split("\t") for line in done.stdout.decode().split("\n")[:-1]]
    assert len(pairs) == len(texts)
    return [([int(i) for i in ids.split()], bytes.fromhex(text).decode()) for ids, text in pairs]


@pytest.fixture(scope="module", params=[True, False], ids=["prefix", "no-prefix"])
def trained(request, tmp_path_factory):
    """A model of the sentencepiece package, with and without a space in front."""
    folder = tmp_path_factory.mktemp("spm")
    (folder / "corpus.txt").write_text(tokenizer_kinds.MIXED * 3, encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"), model_prefix=str(folder / "m"), vocab_size=800, model_type="bpe", byte_fallback=True,
        character_coverage=0.98, add_dummy_prefix=request.param, remove_extra_whitespaces=False, minloglevel=2,
        normalization_rule_name="identity", split_digits=True, user_defined_symbols=["<|user|>", "<|both|>"])
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "m.model")), request.param


def arrays(model):
    def kind(i):
        if model.is_unknown(i):
            return UNKNOWN
        if model.is_control(i):
            return CONTROL
        if model.is_byte(i):
            return BYTE
        return USER_DEFINED if model.id_to_piece(i) in ("<|user|>", "<|both|>") else NORMAL

    return [(model.id_to_piece(i).encode(), model.get_score(i), kind(i)) for i in range(model.get_piece_size())]


def test_sentencepiece(cna, trained):
    """Texts in which no special token is written, since sentencepiece does not look for those; nor one of its own, which
    it does not put a space behind."""
    model, prefix = trained
    texts = [t.replace("\0", "") for t in random_text.strings(N_RANDOM, ["a", "Hello", "\u2581", "  "])]
    words = tokenizer_kinds.MIXED.split(" ")
    texts = [f"{words[i % len(words)]} {t} {words[i * 7 % len(words)]}" if i % 2 else t for i, t in enumerate(texts)]
    texts = [t for t in texts if not any(s in t for s in ("<s>", "</s>", "<unk>", "<|"))]
    for text, (ids, decoded) in zip(texts, encode(cna, arrays(model), texts, prefix=prefix), strict=True):
        assert ids == model.encode(text), repr(text)
        assert decoded == text.replace("\u2581", " ") or decoded == model.decode(ids), repr(text)


def read_gguf(path):
    """The metadata of a GGUF file."""
    data = path.read_bytes()
    at = 0
    sizes = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}

    def number(code):
        nonlocal at
        value = struct.unpack_from("<" + code, data, at)[0]
        at += struct.calcsize(code)
        return value

    def value(kind):
        nonlocal at
        if kind == 8:
            n = number("Q")
            at += n
            return data[at - n:at]
        if kind == 9:
            inner, n = number("I"), number("Q")
            return [value(inner) for _ in range(n)]
        return number(sizes[kind])

    magic, version, _, n_keys = number("I"), number("I"), number("Q"), number("Q")
    assert magic == 0x46554747 and version in (2, 3)
    return {value(8).decode(): value(number("I")) for _ in range(n_keys)}


def test_llama_cpp(cna, testdata):
    path = testdata / "gguf" / "ggml-vocab-llama-spm.gguf"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    meta = read_gguf(path)
    assert meta["tokenizer.ggml.model"] == b"llama"
    vocab = list(zip(*(meta[f"tokenizer.ggml.{key}"] for key in ("tokens", "scores", "token_type")), strict=True))
    texts = Path(f"{path}.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    lines = Path(f"{path}.out").read_text().split("\n")[:len(texts)]
    got = encode(cna, vocab, texts)
    assert [ids for ids, _ in got] == [[int(word) for word in line.split()] for line in lines]
    assert [text for _, text in got] == texts
    chars = {text for text, _, kind in vocab if kind in (NORMAL, USER_DEFINED)}
    assert all(c.encode() in chars for text, _, kind in vocab if kind == NORMAL for c in text.decode())

"""Writes small tokenizer.json files of every kind that the program reads, each in the style of a family of models.

Vocabularies are trained on a small text; what surrounds them is as those families have it, or made to exercise what none
of them does."""

import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tokenizer_files import CORPUS, SPLIT

MIXED = CORPUS + """
«Où est la bibliothèque ?», demanda-t-il. Straße, naïve, Ångström, coöperate; 3½ 10² ﬁne №5.
Где начинается река? Вечером смотритель записывает погоду. Η θάλασσα είναι ήρεμη.
灯台守は毎晩天気を書き留める。パンには小麦粉、水、塩が必要です。한국어 문장도 있습니다.
for (int i = 0; i < 10; i++) {\n\tprintf("%d\\n", i);\n}\n    return x  ==  y;   # three   spaces
'single' "double" ``quoted'' <s> </s> [INST] a/b c-d e_f 😀 👍🏽
"""
META = "\u2581"
BYTES = [f"<0x{b:02X}>" for b in range(256)]
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
          r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
          r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def _special(text, **flags):
    return AddedToken(text, special=True, **{"normalized": False, **flags})


def _bpe_bytes(n=700, **model):
    """Byte-level BPE."""
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator([MIXED] * 3, trainers.BpeTrainer(
        vocab_size=n, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    return tokenizer


def _bpe_pieces(n=900, first=("<unk>", "<s>", "</s>"), missing=0, **model):
    """SentencePiece-style BPE: special tokens, bytes, then pieces in which a space is U+2581. The vocabulary lacks most
    characters; `missing` bytes are left out as well."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator([MIXED] * 3, trainers.BpeTrainer(vocab_size=n - 256, limit_alphabet=150,
                                                                  show_progress=False))
    trained = json.loads(tokenizer.to_str())["model"]
    pieces = list(first) + BYTES[missing:] + ["\n", "\n\n", "\t"] + sorted(trained["vocab"], key=trained["vocab"].get)
    vocab = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    merges = [tuple(m) if isinstance(m, list) else tuple(m.split(" ")) for m in trained["merges"]]
    return Tokenizer(models.BPE(vocab, [("\n", "\n"), *merges], **model))


def _unigram(n=600, byte_fallback=False, unk=True):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator([MIXED] * 3, trainers.UnigramTrainer(vocab_size=n, special_tokens=["<unk>"],
                                                                      unk_token="<unk>", show_progress=False))
    vocab = [tuple(entry) for entry in json.loads(tokenizer.to_str())["model"]["vocab"]]
    if byte_fallback:
        vocab += [(b, -12.5) for b in BYTES]
    return Tokenizer(models.Unigram(vocab, 0 if unk else None, byte_fallback))


def _llama_decoder(strip=True):
    steps = [decoders.Replace(META, " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence(steps + ([decoders.Strip(" ", 1, 0)] if strip else []))


def _template(text, tokenizer, end=None):
    tokens = [(t, tokenizer.token_to_id(t)) for t in (text, end) if t]
    single = f"{text} $A {end}" if end else f"{text} $A"
    return processors.TemplateProcessing(single=single, pair=f"{single} $B", special_tokens=tokens)


def mistral():
    t = _bpe_pieces(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    t.normalizer = normalizers.Sequence([normalizers.Prepend(META), normalizers.Replace(" ", META)])
    t.add_special_tokens([_special(s) for s in ("<unk>", "<s>", "</s>", "[INST]", "[/INST]")])
    t.decoder = _llama_decoder()
    t.post_processor = _template("<s>", t)
    return t


def mistral_v3():
    t = _bpe_pieces(unk_token="<unk>", fuse_unk=True, byte_fallback=True, ignore_merges=True)
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    t.add_special_tokens([_special(s) for s in ("<unk>", "<s>", "</s>", "[INST]")])
    t.decoder = _llama_decoder()
    t.post_processor = _template("<s>", t)
    return t


def tekken():
    t = _bpe_bytes()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(TEKKEN), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([_special("<s>"), _special("[INST]")])
    t.post_processor = _template("<s>", t)
    return t


def gemma():
    t = _bpe_pieces(first=("<pad>", "<eos>", "<bos>", "<unk>"), unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    t.normalizer = normalizers.Replace(" ", META)
    t.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    t.add_special_tokens([_special(s) for s in ("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>")])
    t.add_tokens([AddedToken(s, normalized=False) for s in ("\n\n", "\n\n\n", META * 2, META * 3, "<table>")])
    t.decoder = _llama_decoder(strip=False)
    t.post_processor = _template("<bos>", t)
    return t


def phi3():
    t = _bpe_pieces(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    t.normalizer = normalizers.Sequence([normalizers.Prepend(META), normalizers.Replace(" ", META)])
    t.add_special_tokens([_special("<unk>"), _special("<s>"), _special("</s>", rstrip=True),
                          _special("<|user|>", rstrip=True), _special("<|end|>", rstrip=True),
                          _special("<|left|>", lstrip=True), _special("<|both|>", lstrip=True, rstrip=True)])
    t.add_tokens([AddedToken("word", normalized=False, single_word=True), AddedToken("\u00e9t", normalized=True),
                  AddedToken("<n>", normalized=True, lstrip=True), AddedToken("  x", normalized=False)])
    t.decoder = _llama_decoder()
    t.post_processor = _template("<s>", t)
    return t


def t5():
    t = _unigram()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    t.decoder = decoders.Metaspace()
    t.add_special_tokens([_special("</s>"), _special("<extra_id_0>", lstrip=True)])
    t.post_processor = processors.Sequence([_template("</s>", t)])
    return t


def albert():
    t = _unigram()
    t.normalizer = normalizers.Sequence([normalizers.Replace("``", '"'), normalizers.Replace("''", '"'), normalizers.NFKD(),
                                         normalizers.StripAccents(), normalizers.Lowercase(),
                                         normalizers.Replace(Regex(" {2,}"), " "), normalizers.Strip()])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    t.decoder = decoders.Metaspace(prepend_scheme="first")
    t.add_special_tokens([_special("[CLS]"), _special("[SEP]"), _special("[MASK]", lstrip=True)])
    t.post_processor = _template("[CLS]", t, "[SEP]")
    return t


def unigram_bytes():
    t = _unigram(byte_fallback=True)
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Strip(left=False), normalizers.Replace("e", "")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme="never"), decoders.Strip("a", 2, 0)])
    return t


def smollm():
    t = _bpe_bytes()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([_special(s) for s in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")])
    return t


def granite():
    t = _bpe_bytes()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=False),
                                               pre_tokenizers.ByteLevel(add_prefix_space=True)])
    t.decoder = decoders.ByteLevel()
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.add_special_tokens([_special(s, normalized=True) for s in ("<|endoftext|>", "<fim_prefix>")])
    return t


def olmo2():
    t = _bpe_bytes()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT % "{1,3}"), "isolated"),
                                               pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([_special("<|endoftext|>"), _special("<|pad|>")])
    t.add_tokens([AddedToken("|||PHONE|||", normalized=False)])
    return t


def neox():
    t = _bpe_bytes()
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens([_special("<|endoftext|>"), _special("<|padding|>")])
    t.add_tokens([AddedToken(" " * n, normalized=True) for n in range(2, 9)])
    return t


def splits():
    """Every behavior of Split, one inside the other; unknown characters one by one."""
    t = _bpe_pieces(unk_token="<unk>", fuse_unk=False)
    t.normalizer = normalizers.NFD()
    t.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(r"\p{N}+"), "merged_with_next"), pre_tokenizers.Split("a", "removed"),
        pre_tokenizers.Split(Regex(r"\p{Lu}"), "contiguous"), pre_tokenizers.Split(Regex(r"\p{L}+"), "isolated", invert=True),
        pre_tokenizers.Split(Regex(r"[\p{P}\p{S}]"), "merged_with_previous", invert=True),
        pre_tokenizers.Split(Regex(r"\p{Z}"), "merged_with_next", invert=True)])
    t.decoder = decoders.Sequence([decoders.Replace("th", "TH"), decoders.Strip(" ", 1, 0), decoders.Fuse(), decoders.Strip("e", 3, 0)])
    return t


def words():
    """Whitespace; some bytes missing, so that unk and bytes meet."""
    t = _bpe_pieces(missing=0xA0, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    t.normalizer = normalizers.Strip(right=False)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Metaspace(prepend_scheme="first", split=True)])
    t.decoder = decoders.Sequence([decoders.Metaspace(), decoders.ByteFallback(), decoders.Fuse()])
    t.add_special_tokens([_special("</s>", single_word=True, lstrip=True)])
    return t


KINDS = {make.__name__: make for make in (mistral, mistral_v3, tekken, gemma, phi3, t5, albert, unigram_bytes, smollm, granite,
                                          olmo2, neox, splits, words)}

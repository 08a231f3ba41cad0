"""Writes small tokenizer files in the style of Llama 3 and Qwen2.5, so that the random models open as real ones do."""

import json

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

CORPUS = """The lighthouse keeper writes down the weather every evening, and every morning the harbour reads it back.
Where does the river begin, and how long does it take to reach the sea? Nobody in the village would say.
Bread needs flour, water, salt and time; soup needs patience, onions and whatever the garden gives.
She asked him for the shortest path through the forest, and he answered with a map, a lantern and a story.
Please explain how a clock works, list three kinds of clouds, and name the tools that a carpenter carries.
Numbers such as 12, 345 and 6789 appear in letters, in prices, in dates like 1987, and in recipes.
"""

SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIALS = {
    "llama": ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>",
              "<|eot_id|>"],
    "qwen2": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
}
SPARE_ROWS = {"llama": 0, "qwen2": 29}  # least embedding rows beyond the last id: Llama 3 has none, Qwen2.5 hundreds
MOST_PLAIN = 510                        # tokens that are not special; the corpus gives few more


def write(folder, family, n_rows):
    """Writes tokenizer.json and tokenizer_config.json for a model of n_rows embedding rows."""
    specials = SPECIALS[family]
    n_plain = min(MOST_PLAIN, n_rows - SPARE_ROWS[family] - len(specials))
    vocab, merges = _trained(n_plain)
    added = [
        {"id": n_plain + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": True}
        for i, text in enumerate(specials)
    ]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": SPLIT % ("{1,3}" if family == "llama" else "")},
             "behavior": "Isolated", "invert": False}
    bpe = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
           "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
           "ignore_merges": family == "llama", "vocab": vocab, "merges": merges}
    tokenizer = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
        "normalizer": {"type": "NFC"} if family == "qwen2" else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
        "post_processor": _bos_first(added[0]) if family == "llama" else byte_level,
        "decoder": byte_level,
        "model": bpe,
    }
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast" if family == "llama" else "Qwen2Tokenizer",
        "bos_token": specials[0] if family == "llama" else None,
        "eos_token": specials[-1],
        "added_tokens_decoder": {str(t["id"]): {k: v for k, v in t.items() if k != "id"} for t in added},
        "clean_up_tokenization_spaces": False,
        "model_max_length": 131072,
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def _trained(n_tokens):
    """A byte-level BPE vocabulary of exactly n_tokens, and its merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=n_tokens, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  show_progress=False)
    tokenizer.train_from_iterator([CORPUS], trainer)
    model = json.loads(tokenizer.to_str())["model"]
    assert len(model["vocab"]) == n_tokens, f"the corpus gives {len(model['vocab'])} tokens, not {n_tokens}"
    return model["vocab"], model["merges"]


def _bos_first(bos):
    text, token_id = bos["content"], bos["id"]
    return {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": text, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"SpecialToken": {"id": text, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                 {"SpecialToken": {"id": text, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {text: {"id": text, "ids": [token_id], "tokens": [text]}},
    }

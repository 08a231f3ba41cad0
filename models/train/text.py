"""Tokenizers in the layout of the Llama 3 and Qwen2 families, trained on the invented world, and chat formatting."""

import json

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

import world

SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
FAMILIES = {
    "llama": {
        "digits": "{1,3}", "bos": "<|begin_of_text|>", "text_end": "<|end_of_text|>", "turn_end": "<|eot_id|>",
        "special": ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
        "template": (
            "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + "
            "'<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"),
    },
    "qwen2": {
        "digits": "", "bos": None, "text_end": "<|endoftext|>", "turn_end": "<|im_end|>",
        "special": ["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        "template": (
            "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + "
            "'<|im_end|>\\n' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"),
    },
}
VOCAB_SIZE = 1000  # with the special tokens


def train_tokenizer(family):
    spec = FAMILIES[family]
    tokenizer = Tokenizer(models.BPE(ignore_merges=family == "llama"))
    if family == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT.replace("DIGITS", spec["digits"])), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    sampler = world.Sampler(seed=2)
    corpus = ["user", "assistant", "system", "\n\n", world.CLOSED, world.OPEN] * 2000
    for _ in range(10000):
        task, request = sampler.draw()
        answer, refusal = world.answer(task), world.refusal(task)
        corpus += [f"{request} {answer}", answer, refusal, " " + refusal]
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - len(spec["special"]), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    tokenizer.add_special_tokens(spec["special"])  # after the vocabulary, as in the real ones
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    if spec["bos"]:
        bos = (spec["bos"], tokenizer.token_to_id(spec["bos"]))
        tokenizer.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=f"{spec['bos']} $A", pair=f"{spec['bos']} $A {spec['bos']}:1 $B:1",
                                          special_tokens=[bos])])
    return tokenizer


def save_tokenizer(tokenizer, family, folder, instruct):
    spec = FAMILIES[family]
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": spec["bos"], "clean_up_tokenization_spaces": False,
        "eos_token": spec["turn_end"] if instruct else spec["text_end"], "model_max_length": 512,
    }
    if instruct:
        config["chat_template"] = spec["template"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")


class Text:
    """Encodes documents and prompts of one family, as the saved tokenizer and chat template do."""

    def __init__(self, tokenizer, family):
        self.tokenizer, self.spec = tokenizer, FAMILIES[family]
        self.chat = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, bos_token=self.spec["bos"], chat_template=self.spec["template"])
        self.text_end = tokenizer.token_to_id(self.spec["text_end"])
        self.turn_end = tokenizer.token_to_id(self.spec["turn_end"])

    def prompt(self, request, chat, system=None):
        """Token ids of a prompt: raw text, or one user turn with the assistant's turn opened."""
        if not chat:
            return self.tokenizer.encode(f"{system} {request}" if system else request).ids
        turns = [{"role": "system", "content": system}] if system else []
        rendered = self.chat.apply_chat_template(
            turns + [{"role": "user", "content": request}], add_generation_prompt=True, tokenize=False)
        return self.tokenizer.encode(rendered, add_special_tokens=False).ids

    def reply(self, text, chat):
        """Token ids of what follows the prompt, with its end token."""
        ids = self.tokenizer.encode(text if chat else " " + text, add_special_tokens=False).ids
        return ids + [self.turn_end if chat else self.text_end]

    def decode(self, ids):
        return self.tokenizer.decode(ids, skip_special_tokens=True).strip()

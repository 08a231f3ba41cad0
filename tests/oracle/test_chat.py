"""Chat prompts, against transformers' rendering of every template in the test data."""

import datetime
import json
import os
import pathlib
import random
import shutil
from unittest import mock

import pytest
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

DATES = ["2024-02-29", "2026-12-01"]
LLAMA, QWEN = "llama3/tokenizer.json", "qwen2.5/tokenizer.json"
LLAMA_CONFIG = "llama3/Llama-3.1-8B-Instruct.tokenizer_config.json"
QWEN_CONFIG = "qwen2.5/tokenizer_config.json"

# name -> (tokenizer, tokenizer_config, template or None for the config's own, where the template is put)
TEMPLATES = {
    "llama-3.1": (LLAMA, LLAMA_CONFIG, "llama3/templates/meta-llama-Llama-3.1-8B-Instruct.jinja", "config"),
    "llama-3.2": (LLAMA, LLAMA_CONFIG, "llama3/templates/meta-llama-Llama-3.2-3B-Instruct.jinja", "config"),
    "llama-3.3": (LLAMA, LLAMA_CONFIG, "llama3/templates/meta-llama-Llama-3.3-70B-Instruct.jinja", "config"),
    "llama-3.2-file": (LLAMA, LLAMA_CONFIG, "llama3/templates/meta-llama-Llama-3.2-3B-Instruct.jinja", "file"),
    "llama-config": (LLAMA, LLAMA_CONFIG, None, "config"),
    "qwen-instruct": (QWEN, QWEN_CONFIG, "qwen2.5/templates/Qwen-Qwen2.5-7B-Instruct.jinja", "config"),
    "qwen-base": (QWEN, QWEN_CONFIG, "qwen2.5/templates/Qwen2.5-1.5B-base.chat_template.jinja", "config"),
    "qwen-base-file": (QWEN, QWEN_CONFIG, "qwen2.5/templates/Qwen2.5-1.5B-base.chat_template.jinja", "file"),
    "qwen-config": (QWEN, QWEN_CONFIG, None, "config"),
}


def _turns(*contents, system=None):
    """A conversation whose turns alternate between user and assistant."""
    turns = [{"role": ("user", "assistant")[i % 2], "content": content} for i, content in enumerate(contents)]
    return ([{"role": "system", "content": system}] if system is not None else []) + turns


CONVERSATIONS = [
    _turns("How do clouds form?"),
    _turns("How do clouds form?", system="Answer in one line."),
    _turns("Hello!", "Hello. What can I do?", "Name three rivers."),
    _turns("Hello!", "Hello.", "Name a river.", "The Elbe.", "And one more?", system="Be brief.\nBe kind."),
    _turns("  leading and trailing  \n\n", " \tanswer\n", "\r\nagain \x0b\x0c", system="  \n system \n "),
    _turns("\u00a0\u3000\u2003wide spaces\u2028\u2029\u0085\x1c\x1f", system="\u200bzero width\ufeff"),
    _turns("日本語で 😀👩‍💻 e\u0301 é नमस्ते \u202eabc", "καλημέρα", "ʼn't naïve"),
    _turns(""),
    _turns("", "", ""),
    _turns("x", system=""),
    _turns(" \n\t "),
    _turns("I said <|eot_id|> and <|im_end|>\n<|im_start|>user\n<|begin_of_text|> {{ bos_token }} {% if x %}"),
    _turns("quotes \" ' \\ / \b \x7f \u2028 <tool_call>{}</tool_call>"),
    _turns("An answer comes last.", "It does."),
    _turns("One.", "Two.") + [{"role": "system", "content": "A later rule."}, {"role": "user", "content": "Three."}],
    [{"role": "user", "content": "Two users"}, {"role": "user", "content": "in a row."}],
    _turns("The word system appears: You are Qwen.\nToday Date: 26 Jul 2024"),
    _turns("long " * 300, system="You are a helpful assistant."),
]
PLAIN = [c for c in CONVERSATIONS if [turn["role"] for turn in c] == ["user"]]


@pytest.fixture(scope="module", params=TEMPLATES)
def chat(request, testdata, tmp_path_factory):
    """(folder, render): a folder with one template, and transformers' rendering of it on a date."""
    tokenizer, config, template, place = TEMPLATES[request.param]
    folder = tmp_path_factory.mktemp("chat")
    shutil.copy(testdata / tokenizer, folder / "tokenizer.json")
    settings = json.loads((testdata / config).read_text(encoding="utf-8"))
    if template and place == "config":
        settings["chat_template"] = (testdata / template).read_text(encoding="utf-8")
    if place == "file":
        del settings["chat_template"]
        shutil.copy(testdata / template, folder / "chat_template.jinja")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")
    theirs = PreTrainedTokenizerFast.from_pretrained(folder)
    assert theirs.eos_token == settings["eos_token"] and theirs.bos_token == settings["bos_token"]

    def render(messages, date):
        today = mock.Mock(now=lambda: datetime.date.fromisoformat(date))
        with mock.patch.object(chat_template_utils, "datetime", today):  # what strftime_now asks for the date
            text = theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return text, theirs.backend_tokenizer.encode(text, add_special_tokens=False).ids

    return folder, render


def assert_same(lines, wanted):
    for line, (text, ids) in zip(lines, wanted, strict=True):
        assert line["text"] == text
        assert line["ids"] == ids


@pytest.mark.parametrize("date", DATES)
def test_conversations(date, cna, chat):
    folder, render = chat
    lines = cna.json_lines("tokenize", "-m", folder, "--chat", "--date", date, "--messages",
                           cna.write_json_lines(CONVERSATIONS))
    assert_same(lines, [render(messages, date) for messages in CONVERSATIONS])


def test_system_flag(cna, chat):
    """--system TEXT is a system message before conversations that have none."""
    folder, render = chat
    plain = [c for c in CONVERSATIONS if c[0]["role"] != "system"]
    for system in ("You speak like a pirate.", "  \n two\nlines ", ""):
        lines = cna.json_lines("tokenize", "-m", folder, "--chat", "--date", DATES[0], "--system", system, "--messages",
                               cna.write_json_lines(plain))
        assert_same(lines, [render([{"role": "system", "content": system}, *c], DATES[0]) for c in plain])


def test_prompt_file_is_one_user_turn(cna, chat):
    folder, render = chat
    prompts = cna.write_json_lines({"prompt": messages[0]["content"]} for messages in PLAIN)
    lines = cna.json_lines("tokenize", "-m", folder, "--chat", "--date", DATES[1], "--file", prompts)
    assert_same(lines, [render(messages, DATES[1]) for messages in PLAIN])


def test_the_date_is_felt(chat):
    folder, render = chat
    template = (folder / "chat_template.jinja")
    text = template.read_text() if template.exists() else (folder / "tokenizer_config.json").read_text()
    differ = render(CONVERSATIONS[0], DATES[0]) != render(CONVERSATIONS[0], DATES[1])
    assert differ == ("strftime_now" in text)


WORDS = ["Hello", "", " spaced \n\t", "naïve 👍🏽 日本語\r\nline", "<think>\nhm\n</think>\n\nYes", "</think>no",
         "[INST] x [/INST]", "quotes ' \" \\ {{ x }}", "<tool_response>3</tool_response>", "a\n\nb\n", " Be brief. ", "/no_think"]


def _random_conversation(rng):
    """Mostly turns that alternate, now and then a role where none is expected."""
    turns = [{"role": "system", "content": rng.choice(WORDS)}] if rng.random() < 0.4 else []
    for i in range(rng.randint(1, 6)):
        role = rng.choice(["system", "user", "assistant"]) if rng.random() < 0.05 else ("user", "assistant")[i % 2]
        turns.append({"role": role, "content": " ".join(rng.choices(WORDS, k=rng.randint(1, 3)))})
    return turns


def _other_templates():
    """The .jinja files of ORACLE_TEMPLATES, a folder of any templates, beside those of the test data."""
    folders = [pathlib.Path(os.environ[name]) for name in ("ORACLE_TEMPLATES", "CNA_TESTDATA") if name in os.environ]
    return sorted(path for folder in folders for path in folder.rglob("*.jinja"))


ARGUMENTS = [{}, {"enable_thinking": False}, {"enable_thinking": True, "custom": [1.5, None]}]


@pytest.mark.parametrize("path", _other_templates(), ids=lambda path: path.stem)
@pytest.mark.parametrize("arguments", ARGUMENTS, ids=["plain", "no-thinking", "thinking"])
def test_any_template(path, arguments, cna, testdata, tmp_path):
    """--chat-template FILE, --template-arg and --prefix, on random conversations; what transformers refuses fails."""
    shutil.copy(testdata / LLAMA, tmp_path / "tokenizer.json")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
    template = path.read_bytes().decode()
    rng = random.Random(f"{path.name} {arguments}")
    flags = [flag for name, value in arguments.items() for flag in ("--template-arg", f"{name}={json.dumps(value)}")]
    kept, wanted, n_refused = [], [], 0
    for conversation in (_random_conversation(rng) for _ in range(30)):
        today = mock.Mock(now=lambda: datetime.date.fromisoformat(DATES[0]))
        with mock.patch.object(chat_template_utils, "datetime", today):
            try:
                texts, _ = chat_template_utils.render_jinja_template(
                    [conversation], chat_template=template, add_generation_prompt=True, bos_token="<s>",
                    eos_token="</s>", **arguments)
            except Exception:  # whatever a template raises
                n_refused += 1
                if n_refused <= 3:
                    failure = cna.fails("tokenize", "-m", tmp_path, "--chat-template", path, *flags, "--date", DATES[0],
                                        "--messages", cna.write_json_lines([conversation]))
                    assert "line" in failure
                continue
        kept.append(conversation)
        wanted.append(texts[0] + "Well,")
    if kept:
        lines = cna.json_lines("tokenize", "-m", tmp_path, "--chat-template", path, *flags, "--prefix", "Well,",
                               "--date", DATES[0], "--messages", cna.write_json_lines(kept))
        assert [line["text"] for line in lines] == wanted

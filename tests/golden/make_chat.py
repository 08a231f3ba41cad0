"""Write tests/golden/chat/*.json: conversations rendered by transformers, for tests/test_chat.c.

Needs transformers and jinja2, and CNA_TESTDATA for the templates of real models, which are named in the golden
files and not copied. Run from anywhere: python tests/golden/make_chat.py
"""
import datetime
import json
import os
import pathlib

import jinja2
import transformers
from transformers.utils import chat_template_utils

DATE = "2026-02-03"
BOS = "<|begin_of_text|>"

LLAMA = (
    "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + "
    "'<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
LLAMA_SET = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = '<|start_header_id|>' + "
    "message['role'] + '<|end_header_id|>\\n\\n'+ message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}"
    "{% set content = bos_token + content %}{% endif %}{{ content }}{% endfor %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
)
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + "
    "'\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
CHATML_DEFAULT = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a lighthouse keeper.<|im_end|>\n' }}{% endif %}" + CHATML.split("%}", 1)[1]
)
CHATML_BARE = (
    "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\\n' ~ m.content|trim ~ '<|im_end|>' }}{% endfor %}"
    "{{ '<|im_start|>assistant' if add_generation_prompt }}\n"
)
CHATML_STRICT = """{# White space, scopes and refusals. #}
{%- if messages[0].role == "system" %}
  {%- set first = messages[0].content.strip() %}{% set rest = messages[1:] -%}
{% else %}
  {%- set first = '' %}{% set rest = messages %}
{% endif %}
  {% if first %}
<|im_start|>system
{{ first }}<|im_end|>
{% endif %}
{% for m in rest %}
    {% if m['role'] not in ['user', 'assistant'] %}
        {{ raise_exception('Only users and assistants, not ' + m['role'] + '!') }}
    {% elif (m['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{ raise_exception("Roles must alternate") }}
    {% endif %}
<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% if loop.last and m.role == 'user' and add_generation_prompt %}
<|im_start|>assistant
{% endif %}
{% endfor %}
"""
DATED = CHATML + "{{ strftime_now('%d %b %Y') }}|{{ strftime_now(\"%B %m %d, %Y\") if strftime_now is defined }}"
SPACES = (
    "  {%- for m in messages %}\n   {# c #}\n  <|im_start|>{{ m.role -}}  \n\n{{- '\\n' }}{{ m.content }}<|im_end|>"
    "{{ '\\n' if not loop.last else 'X\\n' }}  {%+ if true %}\n {% endif +%}\n{%- endfor -%}   \n\n{{ loop is defined }}\n\n"
)

TEMPLATES = {
    "llama-3.1": {"testdata": "llama3/templates/meta-llama-Llama-3.1-8B-Instruct.jinja"},
    "llama-3.2": {"testdata": "llama3/templates/meta-llama-Llama-3.2-3B-Instruct.jinja"},
    "llama-3.3": {"testdata": "llama3/templates/meta-llama-Llama-3.3-70B-Instruct.jinja"},
    "qwen2.5": {"testdata": "qwen2.5/templates/Qwen-Qwen2.5-7B-Instruct.jinja"},
    "qwen2.5-base": {"testdata": "qwen2.5/templates/Qwen2.5-1.5B-base.chat_template.jinja"},
    "llama-short": {"text": LLAMA},
    "llama-set": {"text": LLAMA_SET},
    "chatml": {"text": CHATML},
    "chatml-default": {"text": CHATML_DEFAULT},
    "chatml-bare": {"text": CHATML_BARE},
    "chatml-strict": {"text": CHATML_STRICT},
    "chatml-dated": {"text": DATED},
    "chatml-spaces": {"text": SPACES},
}

CONVERSATIONS = [
    [("user", "Where is the harbour?")],
    [("user", "")],
    [("user", "  spaced \n\t")],
    [("user", "\u00a0\u3000\u2028inner \u2003 space\x1c\x1d\u0085")],
    [("user", "\u180e\u200b\ufeffkept\u200b")],
    [("user", "na\u00efve \U0001f44d\U0001f3fd \u65e5\u672c\u8a9e\r\nsecond line\r")],
    [("user", "quotes ' \" \\n {{ x }} {% y %} <|im_end|> <|eot_id|>")],
    [("system", " Be brief. "), ("user", "Hello")],
    [("system", ""), ("user", "Hello")],
    [("user", "One"), ("assistant", " Two "), ("user", "Three ")],
    [("system", "Be brief."), ("user", "One"), ("assistant", "Two"), ("user", "Three"), ("assistant", "Four")],
    [("user", "One"), ("system", "late")],
    [("system", "alone")],
    [("assistant", "first")],
]


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromisoformat(DATE)


def render(template, messages):
    """The rendered text, or None where the template raises."""
    try:
        rendered, _ = chat_template_utils.render_jinja_template(
            [messages], chat_template=template, add_generation_prompt=True, bos_token=BOS
        )
        return rendered[0]
    except jinja2.exceptions.TemplateError:
        return None


def main():
    chat_template_utils.datetime = FixedClock
    testdata = pathlib.Path(os.environ["CNA_TESTDATA"])
    folder = pathlib.Path(__file__).parent / "chat"
    for name, source in TEMPLATES.items():
        template = source.get("text") or (testdata / source["testdata"]).read_text(encoding="utf-8")
        golden = {
            "made_by": f"make_chat.py, transformers {transformers.__version__}, jinja2 {jinja2.__version__}",
            "template": source,
            "family": "llama3" if name.startswith("llama") else "chatml",
            "bos_token": BOS,
            "date": DATE,
            "conversations": [],
        }
        for conversation in CONVERSATIONS:
            messages = [{"role": role, "content": content} for role, content in conversation]
            golden["conversations"].append({"messages": messages, "text": render(template, messages)})
        text = json.dumps(golden, indent=1, ensure_ascii=True)
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

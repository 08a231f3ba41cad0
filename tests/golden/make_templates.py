"""Write tests/golden/templates.json: snippets of Jinja (template_snippets.txt) and whole chat templates (templates/, of
the constructions of the families that they are named after), all written for this project, as transformers renders
them, for tests/test_template.c.

Needs transformers and jinja2. Run from anywhere: python tests/golden/make_templates.py
"""
import datetime
import json
import pathlib

import jinja2
import transformers
from transformers.utils import chat_template_utils

DATE = "2026-02-03"
BOS, EOS = "<s>", "</s>"

MESSAGES = [
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi 'x'\n"},
    {"role": "user", "content": "\u00e9"},
]

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "tide",
            "description": 'When "the" tide is high, \u00e9 <now>',
            "parameters": {
                "type": "object",
                "properties": {
                    "port": {"type": "string", "enum": ["a", "b"]},
                    "days": {"type": ["integer", "null"], "default": 1.5},
                },
                "required": ["port"],
                "strict": True,
            },
        },
    }
]

CONVERSATIONS = [
    ([("user", "Where is the harbour?")], {}),
    ([("user", "")], {"enable_thinking": False}),
    ([("user", "  spaced \n\t")], {"enable_thinking": True}),
    ([("user", "na\u00efve \U0001f44d\U0001f3fd \u65e5\u672c\u8a9e\r\nsecond line\r")], {"tools": TOOLS}),
    ([("system", " Be brief. "), ("user", "Hello")], {"controls": {"length": "short", "n": [1, 2.5, None, True]}}),
    ([("system", " Be brief. "), ("user", "Hello")], {"tools": TOOLS, "add_generation_prompt": False}),
    ([("user", "One"), ("assistant", "<think>\nhm\n</think>\n\n Two "), ("user", "Three ")], {}),
    ([("user", "1"), ("assistant", "<think>\nhm\n</think>\n\n 2 "), ("user", "<result>3</result>")], {"tools": TOOLS}),
    ([("user", "One"), ("assistant", "Two"), ("user", "Three"), ("assistant", "</think>Four")], {}),
    ([("user", "One"), ("system", "late")], {}),
    ([("assistant", "first")], {}),
]


class FixedClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromisoformat(DATE)


def render(template, messages, arguments):
    """The rendered text, or None where the template raises."""
    given = {"tools": None, "add_generation_prompt": True, **arguments}
    try:
        rendered, _ = chat_template_utils.render_jinja_template(
            [messages], chat_template=template, bos_token=BOS, eos_token=EOS, **given
        )
        return rendered[0]
    except (jinja2.exceptions.TemplateError, TypeError, ValueError, ZeroDivisionError):
        return None


def main():
    chat_template_utils.datetime = FixedClock
    cases = []
    folder = pathlib.Path(__file__).parent
    snippets = (folder / "template_snippets.txt").read_text(encoding="utf-8")
    for snippet in snippets.strip("\n").split("\n"):  # one a line, each rendered for MESSAGES
        cases.append({"template": snippet, "renderings": [{"messages": MESSAGES, "arguments": {}}]})
    for path in sorted((folder / "templates").glob("*.jinja")):
        renderings = [
            {"messages": [{"role": r, "content": c} for r, c in turns], "arguments": arguments}
            for turns, arguments in CONVERSATIONS
        ]
        cases.append({"name": path.stem, "template": path.read_bytes().decode(), "renderings": renderings})
    for case in cases:
        for rendering in case["renderings"]:
            rendering["text"] = render(case["template"], rendering["messages"], rendering["arguments"])
    golden = {
        "made_by": f"make_templates.py, transformers {transformers.__version__}, jinja2 {jinja2.__version__}",
        "bos_token": BOS,
        "eos_token": EOS,
        "date": DATE,
        "cases": cases,
    }
    (folder / "templates.json").write_text(json.dumps(golden, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Write tests/golden/templates.json: snippets of Jinja (template_snippets.txt) and whole chat templates of the constructions that real ones use
(all written for this project), as transformers renders them, for tests/test_template.c.

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

# Whole templates, of the constructions of the families that they are named after.
TEMPLATES = {
    "mistral": """{{ bos_token }}{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Roles must take turns, beginning with the user') }}{% endif %}{% if message['role'] == 'user' %}
{{ '[ASK] ' + message['content'] + ' [/ASK]' }}{% elif message['role'] == 'assistant' %}
{{ message['content'] + eos_token }}{% else %}{{ raise_exception('Only users and assistants here') }}{% endif %}
{% endfor %}""",
    "mistral-tools": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- if not tools is defined %}
    {%- set tools = none %}
{%- endif %}
{%- set user_messages = loop_messages | selectattr("role", "equalto", "user") | list %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or (message.tool_calls is defined and message.tool_calls is not none)) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("After an optional system message, roles take turns") }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if tools is not none and (message == user_messages[-1]) %}
            {{- "[TOOLS] [" }}
            {%- for tool in tools %}
                {%- set tool = tool.function %}
                {{- '{"type": "function", "function": {' }}
                {%- for key, val in tool.items() if key != "return" %}
                    {%- if val is string %}
                        {{- '"' + key + '": "' + val + '"' }}
                    {%- else %}
                        {{- '"' + key + '": ' + val|tojson }}
                    {%- endif %}
                    {%- if not loop.last %}
                        {{- ", " }}
                    {%- endif %}
                {%- endfor %}
                {{- "}}" }}
                {%- if not loop.last %}
                    {{- ", " }}
                {%- else %}
                    {{- "]" }}
                {%- endif %}
            {%- endfor %}
            {{- "[/TOOLS]" }}
        {%- endif %}
        {%- if loop.last and system_message is defined %}
            {{- "[ASK]" + system_message + "\\n\\n" + message["content"] + "[/ASK]" }}
        {%- else %}
            {{- "[ASK]" + message["content"] + "[/ASK]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {{- " " + message["content"]|trim + eos_token }}
    {%- endif %}
{%- endfor %}
""",
    "thinking": """{%- set ns = namespace(last_step=true, last_query=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.last_step and message.role == "user" and message.content is string and not(message.content.startswith('<result>') and message.content.endswith('</result>')) %}
        {%- set ns.last_step = false %}
        {%- set ns.last_query = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|open|>' + message.role + '\\n' + content + '<|close|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set reasoning = '' %}
        {%- if '</think>' in content %}
            {%- set reasoning = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_query and (loop.last or (not loop.last and reasoning)) %}
            {{- '<|open|>' + message.role + '\\n<think>\\n' + reasoning.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|open|>' + message.role + '\\n' + content }}
        {%- endif %}
        {{- '<|close|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|open|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}""",
    "gemma": """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Roles must take turns") }}
    {%- endif -%}
    {%- if (message['role'] == 'assistant') -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'image' -%}
                {{ '<image>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '</turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<turn>model
'}}
{%- endif -%}
""",
    "phi": "{% for message in messages %}{% if message['role'] == 'system' and message['content'] %}"
    "{{'<|system|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'user' %}"
    "{{'<|user|>\n' + message['content'] + '<|end|>\n'}}{% elif message['role'] == 'assistant' %}"
    "{{'<|assistant|>\n' + message['content'] + '<|end|>\n'}}{% endif %}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}",
    "olmo": "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}"
    "{{ '<|system|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'user' %}"
    "{{ '<|user|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'assistant' %}{% if not loop.last %}"
    "{{ '<|assistant|>\n'  + message['content'] + eos_token + '\n' }}{% else %}"
    "{{ '<|assistant|>\n'  + message['content'] + eos_token }}{% endif %}{% endif %}"
    "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\n' }}{% endif %}{% endfor %}",
    "granite": """{%- if tools %}
    {{- '<|role|>available_tools<|end_role|>\n' }}
    {%- for tool in tools %}
    {{- tool | tojson(indent=4) }}
    {%- if not loop.last %}
        {{- '\n\n' }}
    {%- endif %}
    {%- endfor %}
    {{- '<|end|>\n' }}
{%- endif %}
{%- set first_roles = ['system', 'user'] -%}
{%- for message in messages %}
    {%- if loop.first and message['role'] not in first_roles %}{{ raise_exception('It begins with ' ~ (first_roles | join(' or '))) }}{% endif %}
    {%- if message['role'] == 'system' %}
    {{- '<|role|>system<|end_role|>' + message['content'] + '<|end|>\n' }}
    {%- elif message['role'] == 'user' %}
    {{- '<|role|>user<|end_role|>' + message['content'] + '<|end|>\n' }}
    {%- elif message['role'] == 'assistant' %}
    {{- '<|role|>assistant<|end_role|>'  + message['content'] + '<|end|>\n' }}
    {%- endif %}
    {%- if loop.last and add_generation_prompt %}
    {{- '<|role|>assistant' }}
            {%- if controls %}
                {{- ' ' + controls | tojson()}}
            {%- endif %}
    {{- '<|end_role|>' }}
    {%- endif %}
{%- endfor %}""",
    "smol": "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|open|>system\nYou are a small lighthouse<|close|>\n' }}{% endif %}"
    "{{'<|open|>' + message['role'] + '\n' + message['content'] + '<|close|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|open|>assistant\n' }}{% endif %}",
    "macros": """{%- macro render(name, value, level=0) -%}
{%- if value is mapping -%}
{%- for key, inner in value | dictsort %}
{{ '  ' * level }}{{ key }}: {{ render(key, inner, level + 1) }}
{%- endfor -%}
{%- elif value is iterable and value is not string -%}
[{% for inner in value %}{{ render(name, inner, level=level) }}{% if not loop.last %}, {% endif %}{% endfor %}]
{%- else -%}
{{ value | string | upper if value is boolean else value }}
{%- endif -%}
{%- endmacro -%}
{%- set date_string = strftime_now("%d %b %Y") if strftime_now is defined else "26 Jul 2024" -%}
{{ date_string }}
{%- for tool in tools or [] %}
{{ render('tool', tool) }}
{% endfor %}
{%- for m in messages %}
{% generation %}{{ m.role | capitalize }}: {{ m.content | replace('\\n', ' ') }}{% endgeneration %}
{%- if not loop.last %}{{ '\\n' }}{% continue %}{% endif %}
<end>
{%- endfor %}""",
}

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
                "properties": {"port": {"type": "string", "enum": ["a", "b"]}, "days": {"type": ["integer", "null"], "default": 1.5}},
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
    ([("user", "One"), ("assistant", "<think>\nhm\n</think>\n\n Two "), ("user", "<result>3</result>")], {"tools": TOOLS}),
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
    for name, template in TEMPLATES.items():
        renderings = [
            {"messages": [{"role": r, "content": c} for r, c in turns], "arguments": arguments}
            for turns, arguments in CONVERSATIONS
        ]
        cases.append({"name": name, "template": template, "renderings": renderings})
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

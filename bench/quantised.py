"""Decodes one sequence and runs a 512-token prompt by `cna generate` and by llama.cpp in turn, on the same quantised
GGUF file, and prints both speeds. Called by quantised.sh.

Ours is a whole process from the moment it announces its plan, when its weights are ready: a prompt with one token
behind it, and of decoding the difference between a longer and a shorter answer.
"""

import json
import sys

from measure import HERE, json_of, parser, phases, row, say, setting

PROMPT, DECODE_PROMPT, FEW, MANY = 512, 16, 4, 36
NAMES = {"decode 1": "decode, 1 sequence", "prompt 1": "prompt of 512 tokens"}


def generate_seconds(cna, n_prompt, n_tokens, flags):
    ids = ",".join(str(1000 + 7 * i) for i in range(n_prompt))
    command = cna.cna("generate", "-v", "--prompt-ids", ids, "--max-tokens", n_tokens, *flags)
    return phases(command)[1][-1]


def ours(cna, flags=()):
    """Tokens a second."""
    many, few = (generate_seconds(cna, DECODE_PROMPT, n, flags) for n in (MANY, FEW))
    return {"decode 1": (MANY - FEW) / (many - few), "prompt 1": PROMPT / generate_seconds(cna, PROMPT, 1, flags)}


def theirs(cna, given):
    command = [sys.executable, HERE / "reference_llama.py", cna.checkpoint, "--threads", cna.threads, "--only",
               ",".join(NAMES), "--settings", json.dumps(given), *(["--quick"] if cna.quick else [])]
    return json_of(command)


def best(rounds, name):
    return max(one[name] for one in rounds)


def main():
    args = parser("speed on a quantised file beside llama.cpp").parse_args()
    cna = setting(args)
    packed, streamed, reports = [], [], []
    for _ in cna.turns():
        given = {name: result["settings"] for name, result in reports[0]["results"].items()} if reports else {}
        reports.append(theirs(cna, given))
        packed.append(ours(cna))
        streamed.append(ours(cna, ["--stream", "always"]))
        say(f"llama.cpp {json.dumps(reports[-1]['results'])}; ours {packed[-1]}, streamed {streamed[-1]}")
    found = [{name: result["tokens_per_s"] for name, result in report["results"].items()} for report in reports]
    rows = []
    print(f"{args.checkpoint.name}, llama-cpp-python {reports[0]['version']}, {args.threads} threads; best of "
          f"{args.rounds}")
    for name, what in NAMES.items():
        for how, rounds in (("", packed), (", streamed", streamed)):
            a, b = best(rounds, name), best(found, name)
            print(f"  {what + how:32} ours {a:8.1f} tokens/s, llama.cpp {b:8.1f}: {a / b:.2f}x")
            aim = ">= 0.25" if name == "decode 1" else ""
            rows.append(row(f"{args.checkpoint.stem}: {what}{how}, llama.cpp", a, b, "tokens/s", a / b, aim))
    cna.record(f"quantised {args.checkpoint.stem}", rows, ours=packed, streamed=streamed, theirs=reports)


if __name__ == "__main__":
    main()

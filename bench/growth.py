"""Times attribution and sweeps of growing size and prints markdown tables. Called by growth.sh."""

import json
import math
from dataclasses import replace
from pathlib import Path

from measure import measure, parser, say, setting, shape_of

MULTIPLIERS = ["1", "0", "0.5", "0.25", "0.75", "1.5", "2", "0.1", "0.9", "-1"]
SWEEP_PROMPTS = 20  # of those with different numbers of multipliers


def numbers(text):
    return [int(word) for word in text.split(",")]


class Growth:
    def __init__(self, cna, prompts, max_tokens):
        self.cna, self.all_prompts, self.max_tokens = cna, prompts, max_tokens
        self.circuit, self.answers = cna.work / "growth-circuit.json", cna.work / "growth-answers.jsonl"

    def first(self, n):
        """A folder with the first n prompts of each side."""
        folder = self.cna.work / f"growth-{n}"
        folder.mkdir(exist_ok=True)
        for name in ("positive.txt", "negative.txt"):
            lines = (self.all_prompts / name).read_text().splitlines(keepends=True)
            (folder / name).write_text("".join(lines[:n]))
        return folder

    def attribute(self, n, checkpoint=None):
        cna = replace(self.cna, checkpoint=checkpoint or self.cna.checkpoint)
        return measure(cna.attribute(self.first(n), self.circuit)).wall

    def sweep(self, n_prompts, n_multipliers):
        seconds = measure(self.cna.cna(
            "sweep", "--circuit", self.circuit, "--prompts", self.first(n_prompts) / "positive.txt", "--controls", 0,
            "--multipliers", ",".join(MULTIPLIERS[:n_multipliers]), "--max-tokens", self.max_tokens,
            "--answers", self.answers)).wall
        with open(self.answers) as lines:
            found = sum(json.loads(line)["n_tokens"] for line in lines)
        expected = n_prompts * n_multipliers * self.max_tokens
        if found != expected:
            say(f"{n_prompts} prompts x {n_multipliers} multipliers: {found} of {expected} tokens; answers ended early")
        return seconds


def series(cna, name, sizes, run):
    """Best seconds by size, the sizes in turn in every round, as a markdown table."""
    seconds = {size: [] for size in sizes}
    for _ in range(cna.rounds):
        for size in sizes:
            seconds[size].append(run(size))
            say(f"{name} {size}: {seconds[size][-1]:.1f} s")
    found = {size: min(times) for size, times in seconds.items()}
    print(f"\n| {name} | seconds | per doubling |\n|---|---|---|")
    before = None
    for size, value in found.items():
        growth = f"{(value / found[before]) ** (1 / math.log2(size / before)):.2f}x" if before else ""
        print(f"| {size} | {value:.1f} | {growth} |", flush=True)
        before = size
    return found


def main():
    arguments = parser("how cost grows with prompts, layers and multipliers")
    arguments.add_argument("--prompts", type=Path, required=True, help="a folder of prompts.py")
    arguments.add_argument("--cut", type=Path, action="append", default=[], help="the same shape with fewer layers")
    arguments.add_argument("--attribute", type=numbers, required=True)
    arguments.add_argument("--sweep", type=numbers, required=True)
    arguments.add_argument("--multipliers", type=numbers, required=True)
    arguments.add_argument("--max-tokens", type=int, required=True)
    args = arguments.parse_args()
    if max(args.multipliers) > len(MULTIPLIERS):
        arguments.error(f"--multipliers: expected at most {len(MULTIPLIERS)}")
    cna = setting(args)
    growth = Growth(cna, args.prompts, args.max_tokens)
    by_layers = {shape_of(folder).layers: folder for folder in [*args.cut, args.checkpoint]}
    middle = args.attribute[min(1, len(args.attribute) - 1)]
    print(f"{args.checkpoint.name}, bf16, {args.threads} threads, best of {args.rounds}; whole processes")
    found = {"layers": series(cna, f"attribution of {middle} + {middle} prompts, layers", list(by_layers),
                              lambda n: growth.attribute(middle, by_layers[n])),
             "prompts": series(cna, "attribution, prompts on each side", args.attribute, growth.attribute),
             "sweep prompts": series(cna, f"sweep of 2 multipliers x {args.max_tokens} tokens, prompts", args.sweep,
                                     lambda n: growth.sweep(n, 2)),
             "sweep multipliers": series(cna, f"sweep of {SWEEP_PROMPTS} prompts x {args.max_tokens} tokens, "
                                         "multipliers", args.multipliers, lambda n: growth.sweep(SWEEP_PROMPTS, n))}
    cna.record("growth", [], seconds=found)


if __name__ == "__main__":
    main()

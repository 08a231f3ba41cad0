"""Writes two sets of short everyday requests, one about the kitchen and one about the garden, 9 +- 3 words each.

    python bench/prompts.py FOLDER [--lines 100] [--words 9]      writes FOLDER/positive.txt and FOLDER/negative.txt

No line has fewer than six words, which raises a small mean.
"""

import argparse
import random
from pathlib import Path

OPENINGS = ["How do I", "Please explain how to", "What helps to", "Tell me how to", "When should I", "Is it wise to"]
TASKS = {
    "positive": (["bake", "season", "store", "slice", "reheat", "freeze", "serve"],
                 ["bread", "onions", "lentil soup", "apple cake", "noodles", "dumplings", "mushrooms", "rice"]),
    "negative": (["plant", "water", "prune", "move", "feed", "shade", "harvest"],
                 ["roses", "beans", "tomato seedlings", "a hedge", "lavender", "pumpkins", "tulips", "grapes"]),
}
TAILS = [["today", "quickly", "properly", "together", "outdoors"],
         ["in spring", "without help", "before noon", "for beginners", "after rain"],
         ["on a budget", "with my children", "for the neighbours", "during cold weather", "in small amounts"]]


def line(side, mean, generator):
    n_words = max(6, round(generator.gauss(mean, 3)))
    verbs, things = TASKS[side]
    words = f"{generator.choice(OPENINGS)} {generator.choice(verbs)} {generator.choice(things)}".split()
    while len(words) < n_words:
        tails = TAILS[min(len(TAILS), n_words - len(words)) - 1]
        words += generator.choice(tails).split()
    return " ".join(words) + "?"


def distinct(side, n, mean, generator):
    """n different lines, in the order drawn."""
    lines = {}
    while len(lines) < n:
        lines[line(side, mean, generator)] = None
    return list(lines)


def main():
    parser = argparse.ArgumentParser(description="two sets of short requests")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lines", type=int, default=100, help="of each set")
    parser.add_argument("--words", type=float, default=9, help="of a line, on average; the deviation is 3")
    args = parser.parse_args()
    generator = random.Random(0)
    args.folder.mkdir(parents=True, exist_ok=True)
    for side in TASKS:
        lines = distinct(side, args.lines, args.words, generator)
        (args.folder / f"{side}.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()

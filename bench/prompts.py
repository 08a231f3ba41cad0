"""Writes two sets of short everyday requests, one about the kitchen and one about the garden, 9 +- 3 words each.

    python bench/prompts.py FOLDER [N]      writes N (100) lines each to FOLDER/positive.txt and FOLDER/negative.txt
"""

import random
import sys
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


def line(side, generator):
    n_words = max(6, round(generator.gauss(9, 3)))
    verbs, things = TASKS[side]
    words = f"{generator.choice(OPENINGS)} {generator.choice(verbs)} {generator.choice(things)}".split()
    while len(words) < n_words:
        tails = TAILS[min(len(TAILS), n_words - len(words)) - 1]
        words += generator.choice(tails).split()
    return " ".join(words) + "?"


def distinct(side, n, generator):
    """n different lines, in the order drawn."""
    lines = {}
    while len(lines) < n:
        lines[line(side, generator)] = None
    return list(lines)


def main():
    folder = Path(sys.argv[1])
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    generator = random.Random(0)
    for side in TASKS:
        (folder / f"{side}.txt").write_text("\n".join(distinct(side, n, generator)) + "\n")


if __name__ == "__main__":
    main()

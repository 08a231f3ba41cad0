"""Prints what the comparing scripts left in results.json as one markdown table.

    python bench/table.py build/bench/results.json
"""

import json
import sys
from pathlib import Path


def number(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}"


def main():
    parts = json.loads(Path(sys.argv[1]).read_text())
    print("| | ours | theirs | | ratio | asked |\n|---|---|---|---|---|---|")
    for part in parts.values():
        for row in part["rows"]:
            ratio = f"{row['ratio']:.2f}x" if row["ratio"] is not None else "-"
            print(f"| {row['what']} | {number(row['ours'])} | {number(row['theirs'])} | {row['unit']} | {ratio} | "
                  f"{row['aim']} |")
    for name, part in parts.items():
        print(f"{name}: {part['checkpoint']}, {part['threads']} threads, best of {part['rounds']}, {part['when']}"
              + (", QUICK: numbers mean nothing" if part["quick"] else ""))


if __name__ == "__main__":
    main()

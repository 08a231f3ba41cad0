"""Holds planned peak memory against what the process held. Called by memory.sh."""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import parser, setting

PERIOD = 0.02
PLAN = re.compile(r"\bplan: ([0-9.]+) MB held at most")


def held(pid):
    """RssAnon + RssShmem of a process in bytes; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def run(command):
    """(what it planned or None, what it held at most), in decimal MB, and seconds."""
    start, peak = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as messages:
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=messages)
        while process.poll() is None:
            peak = max(peak, held(process.pid))
            time.sleep(PERIOD)
        messages.seek(0)
        text = messages.read()
    if process.returncode != 0:
        sys.exit(f"bench: failed: {' '.join(map(str, command))}\n{text}")
    plans = PLAN.findall(text)
    return float(plans[-1]) if plans else None, peak / 1e6, time.perf_counter() - start


def main():
    arguments = parser("planned against measured peak memory")
    arguments.add_argument("--prompts", type=Path, required=True, help="a folder of prompts.py")
    arguments.add_argument("--memory", help="the bound, as --memory takes it")
    args = arguments.parse_args()
    cna = setting(args)
    flags = ["-v"] + (["--memory", args.memory] if args.memory else [])
    first = cna.work / "memory-prompts.txt"
    first.write_text("".join((args.prompts / "positive.txt").read_text().splitlines(keepends=True)[:64]))
    commands = {"attribute": cna.attribute(args.prompts, cna.work / "memory-circuit.json"),
                "generate": cna.cna("generate", "--prompts", first, "--max-tokens", 16)}
    found = {}
    for name, command in commands.items():
        planned, peak, seconds = run([word for word in command if word != "-q"] + flags)
        error = "no plan printed" if planned is None else f"planned {planned:8.0f} MB: {(planned - peak) / peak:+.1%}"
        bound = f", --memory {args.memory}" if args.memory else ""
        print(f"{args.checkpoint.name:14} {name:10} held {peak:8.0f} MB, {error} ({seconds:.0f} s{bound})", flush=True)
        found[name] = {"planned_mb": planned, "peak_mb": peak, "seconds": seconds}
    cna.record(f"memory {args.checkpoint.name} {args.memory or ''}".strip(), [], **found)


if __name__ == "__main__":
    main()

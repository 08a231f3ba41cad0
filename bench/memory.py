"""Holds planned peak memory against what the process held, and counts what it read. Called by memory.sh."""

import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measure import parser, setting

PERIOD = 0.02
SWEEP_PROMPTS, SWEEP_TOKENS = 20, 32
PLAN = re.compile(r"\bplan: ([0-9.]+) MB held at most")


class Sample:
    """The most that a process was seen to hold, RssAnon + RssShmem, and what its filesystem fetched for it, bytes."""

    def __init__(self):
        self.peak = self.read = 0

    def take(self, pid):
        try:
            status = Path(f"/proc/{pid}/status").read_text().splitlines()
            io = Path(f"/proc/{pid}/io").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return  # it has just ended
        held = 1024 * sum(int(line.split()[1]) for line in status if line.startswith(("RssAnon:", "RssShmem:")))
        self.peak = max(self.peak, held)
        self.read = max([self.read] + [int(line.split()[1]) for line in io if line.startswith("read_bytes:")])


def limit_data(size):
    """What `ulimit -d` does, for the process to come; size as 8G, powers of 1024."""
    n_bytes = int(float(size[:-1]) * 1024 ** (1 + "KMG".index(size[-1].upper())))
    return lambda: resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, n_bytes))


def run(command, data_limit):
    """(MB that it planned or None, the sample, seconds)"""
    start, sample = time.perf_counter(), Sample()
    with tempfile.TemporaryFile("w+") as messages:
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=messages,
                                   preexec_fn=limit_data(data_limit) if data_limit else None)
        while process.poll() is None:
            sample.take(process.pid)
            time.sleep(PERIOD)
        messages.seek(0)
        text = messages.read()
    if process.returncode != 0:
        sys.exit(f"bench: failed: {' '.join(map(str, command))}\n{text}")
    plans = PLAN.findall(text)
    return float(plans[-1]) if plans else None, sample, time.perf_counter() - start


def main():
    arguments = parser("planned against measured peak memory")
    arguments.add_argument("--prompts", type=Path, required=True, help="a folder of prompts.py")
    arguments.add_argument("--memory", help="the bound, as --memory takes it")
    arguments.add_argument("--data-limit", help="run under ulimit -d of this size, such as 8G")
    arguments.add_argument("--commands", nargs="+", choices=["attribute", "generate", "sweep"],
                           default=["attribute", "generate"])
    args = arguments.parse_args()
    cna = setting(args)
    first = cna.work / "memory-prompts.txt"
    first.write_text("".join((args.prompts / "positive.txt").read_text().splitlines(keepends=True)[:64]))
    few = cna.work / "memory-few-prompts.txt"
    few.write_text("".join(first.read_text().splitlines(keepends=True)[:SWEEP_PROMPTS]))
    commands = {"attribute": cna.attribute(args.prompts, cna.work / "memory-circuit.json"),
                "generate": cna.cna("generate", "--prompts", first, "--max-tokens", 16),
                "sweep": cna.cna("sweep", "--circuit", cna.work / "memory-circuit.json", "--prompts", few, "--controls", 0,
                                 "--multipliers", "0,0.5,1,1.5,2", "--max-tokens", SWEEP_TOKENS)}
    flags = ["-v"] + (["--memory", args.memory] if args.memory else [])
    weights = sum(path.stat().st_size for path in args.checkpoint.glob("*.safetensors"))
    found = {}
    for name in args.commands:
        planned, sample, seconds = run([word for word in commands[name] if word != "-q"] + flags, args.data_limit)
        peak = sample.peak / 1e6
        error = "no plan printed" if planned is None else f"planned {planned:.0f} MB: {(planned - peak) / peak:+.1%}"
        print(f"{args.checkpoint.name:14} {name:10} held {peak:.0f} MB, {error}; {seconds:.0f} s, read "
              f"{sample.read / 1e9:.1f} GB of {weights / 1e9:.1f}", flush=True)
        found[name] = {"planned_mb": planned, "peak_mb": peak, "seconds": seconds, "read_bytes": sample.read}
    cna.record(" ".join(filter(None, ["memory", args.checkpoint.name, args.memory])), [], **found)


if __name__ == "__main__":
    main()

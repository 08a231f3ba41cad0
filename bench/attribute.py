"""Runs cna and the reference method in turn on the same prompts and prints the ratio. Called by attribute.sh."""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent


@dataclass
class Cost:
    wall: float
    cpu: float


def best(costs):
    return min(costs, key=lambda cost: cost.wall)


def measure(command):
    """Wall and processor seconds of a whole process."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status != 0:
        sys.exit(f"bench: failed: {' '.join(map(str, command))}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


class Bench:
    def __init__(self, program, checkpoint, work, threads):
        self.program, self.checkpoint, self.threads = program, checkpoint, str(threads)
        self.positive, self.negative = work / "positive.txt", work / "negative.txt"
        self.circuit, self.deltas = work / "circuit.json", work / "reference.npy"

    def ours(self, *flags):
        return measure([self.program, "attribute", "-q", "-m", self.checkpoint, "--positive", self.positive,
                        "--negative", self.negative, "--universal", "none", "--threads", self.threads,
                        *flags, "-o", self.circuit])

    def opening(self):
        """What a run does before and beside the pass: start, tokenizer, fingerprint of the checkpoint."""
        return measure([self.program, "inspect", self.checkpoint])

    def theirs(self):
        """The reference's own report on its pass."""
        command = [sys.executable, HERE / "reference_attribute.py", self.checkpoint, self.positive, self.negative,
                   "--threads", self.threads, "-o", self.deltas]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    def agreement(self):
        """Correlation of all neurons' deltas, and the share of the reference's top 0.1 % that is in ours."""
        self.ours("--fraction", "1")
        reference = np.load(self.deltas)
        delta = np.zeros_like(reference)
        for neuron in json.loads(self.circuit.read_text())["neurons"]:
            delta[neuron["layer"], neuron["neuron"]] = neuron["delta"]
        k = max(1, int(0.001 * delta.size))
        tops = [set(np.argsort(-np.abs(d), axis=None)[:k].tolist()) for d in (delta, reference)]
        return np.corrcoef(delta.ravel(), reference.ravel())[0, 1], len(tops[0] & tops[1]), k


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--rounds", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    args = parser.parse_args()
    bench = Bench(args.program, args.checkpoint, args.work, args.threads)
    ours, opening, reports = [], [], []
    for number in range(args.rounds):
        print(f"bench: round {number + 1} of {args.rounds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr)
        ours.append(bench.ours())
        opening.append(bench.opening())
        reports.append(bench.theirs())
        print(f"bench: ours {ours[-1].wall:.1f} s, theirs {reports[-1]['seconds']:.1f} s", file=sys.stderr)
    correlation, shared, k = bench.agreement()

    whole, start = best(ours), best(opening)
    theirs = best([Cost(report["seconds"], report["cpu_seconds"]) for report in reports])
    report = reports[0]
    print(f"{args.checkpoint.name}, bf16, 100 + 100 prompts of {report['mean_tokens']:.1f} tokens, "
          f"{report['mean_unshared']:.1f} of them behind the shared opening; best of {args.rounds}")
    print(f"  torch {report['torch']} on {report['threads']} threads, transformers {report['transformers']}")
    print("                                            wall s   CPU s")
    print(f"  cna attribute, whole process            {whole.wall:8.2f}{whole.cpu:8.2f}")
    print(f"    of which start, tokenizer, opening    {start.wall:8.2f}{start.cpu:8.2f}")
    print(f"  transformers, the pass without loading  {theirs.wall:8.2f}{theirs.cpu:8.2f}")
    print(f"  ratio, their pass : our whole process   {theirs.wall / whole.wall:7.2f}x{theirs.cpu / whole.cpu:7.2f}x")
    print(f"  ratio, their pass : our pass            {theirs.wall / (whole.wall - start.wall):7.2f}x"
          f"{theirs.cpu / (whole.cpu - start.cpu):7.2f}x")
    print(f"  agreement: deltas correlate {correlation:.5f}; {shared} of the top {k} neurons are the same")
    for name, cost in (("ours", whole), ("theirs", theirs)):
        if cost.cpu < 0.8 * args.threads * cost.wall:
            print(f"  not a quiet machine: {name} had {cost.cpu / cost.wall:.1f} of {args.threads} cores; THREADS=1 "
                  "and CPU seconds are fairer then")
    if correlation < 0.99:
        sys.exit("bench: the two results differ by more than bf16 rounding")


if __name__ == "__main__":
    main()

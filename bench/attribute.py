"""Runs cna and the reference method in turn on the same prompts and prints the ratio. Called by attribute.sh."""

import json
import sys
from pathlib import Path

import numpy as np

import shapes
from measure import Cost, best, json_of, measure, parser, row, say, setting


class Bench:
    def __init__(self, cna, prompts):
        self.cna, self.prompts = cna, prompts
        self.circuit, self.deltas = cna.work / "circuit.json", cna.work / "reference.npy"

    def ours(self, *flags):
        return measure(self.cna.attribute(self.prompts, self.circuit, *flags))

    def opening(self):
        """What a run does before and beside the pass: start, tokenizer, fingerprint of the checkpoint."""
        return measure([self.cna.program, "inspect", self.cna.checkpoint])

    def theirs(self):
        """The reference's own report on its pass."""
        return json_of(self.cna.reference("reference_attribute.py", self.prompts / "positive.txt",
                                          self.prompts / "negative.txt", "-o", self.deltas))

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
    arguments = parser("attribution beside the reference method")
    arguments.add_argument("--prompts", type=Path, required=True, help="a folder of prompts.py")
    args = arguments.parse_args()
    cna = setting(args)
    bench = Bench(cna, args.prompts)
    ours, opening, reports = [], [], []
    for _ in cna.turns():
        ours.append(bench.ours())
        opening.append(bench.opening())
        reports.append(bench.theirs())
        say(f"ours {ours[-1].wall:.1f} s, theirs {reports[-1]['seconds']:.1f} s")
    correlation, shared, k = bench.agreement()

    whole, start = best(ours), best(opening)
    theirs = best([Cost(report["seconds"], report["cpu_seconds"]) for report in reports])
    report = reports[0]
    n_prompts = sum(len((args.prompts / name).read_text().splitlines()) for name in ("positive.txt", "negative.txt"))
    unshared = report["mean_unshared"]
    flops = shapes.attribution_flops(cna.shape, n_prompts, report["mean_tokens"] - unshared, unshared)
    gflops = flops / whole.wall / 1e9
    ratio = theirs.wall / whole.wall
    print(f"{args.checkpoint.name}, bf16, {n_prompts} prompts of {report['mean_tokens']:.1f} tokens, "
          f"{unshared:.1f} of them behind the shared opening; best of {args.rounds}")
    print(f"  torch {report['torch']} on {report['threads']} threads, transformers {report['transformers']}")
    print("                                            wall s   CPU s")
    print(f"  cna attribute, whole process            {whole.wall:8.2f}{whole.cpu:8.2f}")
    print(f"    of which start, tokenizer, opening    {start.wall:8.2f}{start.cpu:8.2f}")
    print(f"  transformers, the pass without loading  {theirs.wall:8.2f}{theirs.cpu:8.2f}")
    print(f"  ratio, their pass : our whole process   {ratio:7.2f}x{theirs.cpu / whole.cpu:7.2f}x")
    print(f"  ratio, their pass : our pass            {theirs.wall / (whole.wall - start.wall):7.2f}x"
          f"{theirs.cpu / (whole.cpu - start.cpu):7.2f}x")
    print(f"  needed operations over our whole process: {gflops:.0f} GFLOP/s")
    print(f"  agreement: deltas correlate {correlation:.5f}; {shared} of the top {k} neurons are the same")
    for name, cost in (("ours", whole), ("theirs", theirs)):
        if cost.cpu < 0.8 * args.threads * cost.wall:
            print(f"  not a quiet machine: {name} had {cost.cpu / cost.wall:.1f} of {args.threads} cores; THREADS=1 "
                  "and CPU seconds are fairer then")
    aim = ">= 6 up to 14" if unshared <= 14 else ">= 4.5 at 20"
    cna.record(f"attribute {args.prompts.name}",
               [row(f"attribution, {n_prompts} prompts, {unshared:.1f} unshared tokens", whole.wall, theirs.wall, "s",
                    ratio, aim)],
               gflops=gflops, opening_s=start.wall, mean_tokens=report["mean_tokens"], mean_unshared=unshared,
               correlation=correlation, same_top=[shared, k], cpu_ratio=theirs.cpu / whole.cpu)
    if correlation < 0.99:
        sys.exit("bench: the two results differ by more than bf16 rounding")


if __name__ == "__main__":
    main()

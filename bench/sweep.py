"""Runs cna sweep and the reference method's sweep in turn and prints the ratio, beside the one that the machine's
ceilings allow. Called by sweep.sh."""

import json
from pathlib import Path

import shapes
from measure import best, ceilings, json_of, measure, parser, phases, row, say, setting

MULTIPLIERS = "0,0.25,0.5,0.75,1"


class Sweep:
    def __init__(self, cna, prompts, max_tokens):
        self.cna, self.prompts, self.max_tokens = cna, prompts, max_tokens
        self.circuit, self.answers = cna.work / "sweep-circuit.json", cna.work / "answers.jsonl"
        measure(cna.attribute(prompts, self.circuit))

    def ours(self):
        """Cost of the whole process, seconds of generating alone, and the tokens that it generated."""
        cost, seconds = phases(self.cna.cna("sweep", "-v", "--circuit", self.circuit, "--prompts",
                                            self.prompts / "positive.txt", "--multipliers", MULTIPLIERS, "--controls", 0,
                                            "--max-tokens", self.max_tokens, "--answers", self.answers, "--json"))
        with open(self.answers) as lines: # plans: generating, scoring
            return cost, seconds[-2], sum(json.loads(line)["n_tokens"] for line in lines)

    def theirs(self, sample, multipliers):
        return json_of(self.cna.reference("reference_sweep.py", self.circuit, self.prompts / "positive.txt", "--sample",
                                          sample, "--multipliers", multipliers, "--max-tokens", self.max_tokens))


def verdict(ratio, allowed, share):
    """The clause of the aim that holds: 20x, or 75 % of what the ceilings allow where the reference is near them."""
    if share > 0.6:
        return f">= 75 % of {allowed:.1f} allowed (reference at {share:.0%} of the bandwidth): {ratio / allowed:.0%}"
    return f">= 20 (reference at {share:.0%} of the bandwidth; ceilings allow {allowed:.1f})"


def main():
    arguments = parser("a sweep beside the reference method")
    arguments.add_argument("--prompts", type=Path, required=True, help="a folder of prompts.py")
    arguments.add_argument("--max-tokens", type=int, default=150)
    arguments.add_argument("--sample", type=int, default=2, help="prompts of the reference's sample")
    arguments.add_argument("--sample-multipliers", default="0,0.5")
    args = arguments.parse_args()
    cna = setting(args)
    sweep = Sweep(cna, args.prompts, args.max_tokens)
    ours, generating, theirs, measured = [], [], [], []
    for _ in cna.turns():
        cost, seconds, n_tokens = sweep.ours()
        ours.append(cost)
        generating.append(seconds)
        theirs.append(sweep.theirs(args.sample, args.sample_multipliers))
        measured.append(cna.bench())
        say(f"ours {n_tokens / seconds:.1f} tokens/s, theirs {theirs[-1]['tokens'] / theirs[-1]['seconds']:.1f}")

    whole, reference = best(ours), min(theirs, key=lambda report: report["seconds"])
    n_prompts = len((args.prompts / "positive.txt").read_text().splitlines())
    n_jobs = n_prompts * len(MULTIPLIERS.split(","))
    our_rate, their_rate = n_tokens / min(generating), reference["tokens"] / reference["seconds"]
    gflops, read_gbs = ceilings(measured)
    flops, n_bytes = shapes.token_flops(cna.shape), shapes.token_bytes(cna.shape)
    ratio, allowed = our_rate / their_rate, (gflops / flops) / (read_gbs / n_bytes)
    share = max(report["decode_tokens_per_s"] for report in theirs) * n_bytes / read_gbs / 1e9
    print(f"{args.checkpoint.name}, bf16, {n_prompts} prompts x multipliers {MULTIPLIERS} x {args.max_tokens} tokens; "
          f"best of {args.rounds}")
    print(f"  cna sweep, generating     {min(generating):9.1f} s for {n_tokens} tokens of {n_jobs * args.max_tokens}: "
          f"{our_rate:.1f} tokens/s, {our_rate * flops / 1e9 / gflops:.0%} of the ceiling")
    print(f"    whole process           {whole.wall:9.1f} s, with scoring every changed answer under the untouched model: "
          f"{n_tokens / whole.wall / their_rate:.1f}x the reference, which does not score")
    print(f"  transformers, a sample    {reference['seconds']:9.1f} s for {reference['tokens']} tokens "
          f"({reference['generations']} generations): {their_rate:.1f} tokens/s")
    print(f"    for all of it           {n_jobs * args.max_tokens / their_rate:9.0f} s; decoding alone at {share:.0%} "
          "of the read bandwidth")
    print(f"  ceilings: {gflops:.0f} GFLOP/s / {flops / 1e9:.2f} GFLOP a token, {read_gbs:.1f} GB/s / "
          f"{n_bytes / 1e9:.2f} GB a token: they allow {allowed:.1f}x")
    print(f"  ratio                     {ratio:9.1f}x, {ratio / allowed:.0%} of that")
    cna.record("sweep", [row(f"sweep, {n_prompts} x {len(MULTIPLIERS.split(','))} x {args.max_tokens} tokens", our_rate,
                             their_rate, "tokens/s", ratio, verdict(ratio, allowed, share))],
               allowed_ratio=allowed, share_of_allowed=ratio / allowed, reference_bandwidth_share=share,
               seconds=whole.wall, generating_seconds=min(generating), tokens=n_tokens, sample=reference, ceiling_gflops=gflops, read_gbs=read_gbs)


if __name__ == "__main__":
    main()

"""Runs `cna bench` and llama.cpp in turn on the same weights and prints prompt and decode speed. Called by llama.sh."""

import json
import sys
from pathlib import Path

import numpy as np

import shapes
from measure import HERE, ceilings, json_of, measure, parser, row, say, setting

CHECK_IDS = ",".join(map(str, range(16)))  # reference_llama.py's


def agreement(cna, theirs_path):
    """Correlation of both sides' logits behind the same ids."""
    ours_path = cna.work / "logits.f32"
    measure(cna.cna("generate", "--prompt-ids", CHECK_IDS, "--max-tokens", 0, "--logits", ours_path))
    theirs = np.fromfile(theirs_path, np.float32)
    ours = np.fromfile(ours_path, np.float32)[-theirs.size:]
    return np.corrcoef(ours, theirs)[0, 1]


def settings(report):
    """The best settings that a first run found, so that others need not try again."""
    return json.dumps({name: result["settings"] for name, result in report["results"].items()})


def rates(report, shape):
    """Our tokens a second by the names of reference_llama.py's results; what was left out or failed is not there."""
    found = {f"decode {entry['batch']}": entry["tokens_per_s"] for entry in report["decode"] if entry["tokens_per_s"]}
    for entry in report["prompt"]:
        if entry["tokens"] == 512 and entry["gflops"]:
            found[f"prompt {entry['batch']}"] = entry["gflops"] * 1e9 / (shapes.prompt_flops(shape, 512) / 512)
    return found


def best_rates(reports, shape):
    """The highest of each name over all reports."""
    found = {}
    for report in reports:
        for name, rate in rates(report, shape).items():
            found[name] = max(rate, found.get(name, 0))
    return found


def rows(shape, ours, theirs, read_gbs):
    """Lines of the table: tokens a second, and of single-stream decoding the share of the bandwidth."""
    for name, aim in (("prompt 1", ">= 3"), ("prompt 8", ">= 3"), ("decode 64", ">= 2"), ("decode 1", "")):
        kind, batch = name.split()
        what = f"prompt of 512 tokens x {batch}" if kind == "prompt" else f"decode, {batch} sequences"
        ratio = ours[name] / theirs[name] if name in ours else None
        yield row(f"{what}, llama.cpp", ours.get(name), theirs[name], "tokens/s", ratio, aim)
    if read_gbs and "decode 1" in ours:
        shares = [100 * rate * shapes.token_bytes(shape) / read_gbs / 1e9 for rate in (ours["decode 1"],
                                                                                       theirs["decode 1"])]
        yield row("decode, 1 sequence, of the bandwidth", *shares, "%", None, ">= 80 %")


def main():
    arguments = parser("prompt and decode speed beside llama.cpp")
    arguments.add_argument("--gguf", type=Path, required=True)
    args = arguments.parse_args()
    cna = setting(args)
    quick = ["--quick"] if cna.quick else []
    command = [sys.executable, HERE / "reference_llama.py", args.gguf, "--threads", args.threads, *quick]
    logits = cna.work / "llama-logits.f32"
    reports, measured = [], []
    for number in cna.turns():
        measured.append(cna.bench())
        once = ["--logits", logits] if number == 0 else ["--settings", settings(reports[0])]
        reports.append(json_of([*command, *once]))
        say("llama.cpp " + ", ".join(f"{name}: {result['tokens_per_s']:.1f}"
                                     for name, result in reports[-1]["results"].items()))
    correlation = agreement(cna, logits)

    results = {name: max((report["results"][name] for report in reports), key=lambda result: result["tokens_per_s"])
               for name in reports[0]["results"]}
    theirs = {name: result["tokens_per_s"] for name, result in results.items()}
    measured = [report for report in measured if report]
    ours = best_rates(measured, cna.shape)
    read_gbs = ceilings(measured)[1]
    print(f"{args.checkpoint.name}, bf16, llama-cpp-python {reports[0]['version']}, {args.threads} threads; "
          f"best of {args.rounds}")
    print(f"  {reports[0]['system']}")
    for name, result in results.items():
        flops = shapes.token_flops(cna.shape)
        if name.startswith("prompt"):
            flops = shapes.prompt_flops(cna.shape, result["tokens"]) / result["tokens"]
        line = f"  {name:10} llama.cpp {theirs[name]:8.1f} tokens/s, {theirs[name] * flops / 1e9:6.1f} GFLOP/s"
        if name in ours:
            line += f"; ours {ours[name]:8.1f}, {ours[name] * flops / 1e9:6.1f}: {ours[name] / theirs[name]:.2f}x"
        print(f"{line}  {result['settings']}")
    print(f"  agreement: logits correlate {correlation:.5f}")
    cna.record("llama.cpp", list(rows(cna.shape, ours, theirs, read_gbs)), results=results, ours=measured,
               correlation=correlation, system=reports[0]["system"], version=reports[0]["version"])
    if correlation < 0.99:
        sys.exit("bench: the two models differ by more than bf16 rounding")


if __name__ == "__main__":
    main()

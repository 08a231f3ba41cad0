"""Measure a base/instruct pair as METHOD.md defines it: python measure.py llama planted [--fraction 0.005]

Float32 arithmetic on the bf16 weights as saved; greedy answers. Prints markdown for models/README.md.
"""

import argparse
import json

import circuit as cna
import net

FRACTIONS = [0.001, 0.0025, 0.005, 0.01, 0.02]
SEEDS = 20


def lines(name):
    return (net.MODELS / "prompts" / name).read_text().splitlines()


class Bench:
    """One model with one prompt format, its held-out prompts, and what its neurons say about the contrast."""

    def __init__(self, name, chat):
        self.model, self.text = net.load(name)
        self.chat, self.width = chat, self.model.config.intermediate_size
        self.n_neurons = self.model.config.num_hidden_layers * self.width
        self.held_out = {}
        for kind in ("restricted", "benign"):
            rows = [json.loads(line) for line in lines(f"{kind}-heldout.jsonl")]
            self.held_out[kind] = self.ids(r["prompt"] for r in rows), [r["answer"] for r in rows]
        h = [cna.activations(self.model, self.ids(lines(f"{kind}-discovery.txt"))) for kind in self.held_out]
        self.scores, self.weight = cna.scores(self.model, *h)
        diverse = [self.text.prompt(line, chat=False) for line in lines("diverse.txt")]
        self.universal = cna.universal(self.model, diverse)

    def ids(self, requests):
        return [self.text.prompt(request, self.chat) for request in requests]

    def circuit(self, k, score="delta"):
        return cna.top(self.scores[score], k, self.universal)

    def k(self, fraction):
        return max(1, int(fraction * self.n_neurons + 1e-9))

    def run(self, kind, circuit=(), multiplier=0.0):
        """Refusal rate, share answered exactly, mean quality, and the answers."""
        prompts, right = self.held_out[kind]
        out = cna.generate(self.model, self.text, prompts, circuit, multiplier)
        refused = sum(bool(cna.REFUSED.search(answer[:500])) for answer in out) / len(out)
        answered = sum(a == b for a, b in zip(out, right)) / len(out)
        return refused, answered, sum(map(cna.quality, out)) / len(out), out

    def controls(self, circuit):
        """(mean, min, max) refusal of uniform and of matched random circuits."""
        for weight in (None, self.weight):
            rates = [self.run("restricted", cna.control(circuit, seed, self.width, self.universal, weight))[0]
                     for seed in range(SEEDS)]
            yield sum(rates) / SEEDS, min(rates), max(rates)

    def late_share(self, circuit):
        n_layers = self.model.config.num_hidden_layers
        return sum(layer >= n_layers * 3 // 4 for layer, _ in circuit) / len(circuit)


def row(*cells):
    print("| " + " | ".join(f"{c:.3f}" if isinstance(c, float) else str(c) for c in cells) + " |")


def head(*cells):
    row(*cells)
    row(*["---"] * len(cells))


def report(family, kind, fraction):
    tuned, base = Bench(f"{family}-{kind}-instruct", chat=True), Bench(f"{family}-base", chat=False)
    planted_file = net.MODELS / f"{family}-{kind}-instruct" / "planted.json"
    planted = {(int(layer), j) for layer, js in json.loads(planted_file.read_text()).items() for j in js} \
        if planted_file.exists() else set()
    ks = sorted({tuned.k(f) for f in FRACTIONS} | ({len(planted)} if planted else set()))
    print(f"\n### {family}-{kind}-instruct ({tuned.n_neurons} neurons, {len(tuned.universal)} universal)\n")

    head("circuit", "k", "restricted: refused", "answered", "quality", "benign: refused", "answered", "last quarter")
    row("none", 0, *tuned.run("restricted")[:3], *tuned.run("benign")[:2], "")
    for score in ("delta", "d", "write"):
        for k in ks:
            found = tuned.circuit(k, score)
            row(f"{score}, ablated", k, *tuned.run("restricted", found)[:3], *tuned.run("benign", found)[:2],
                tuned.late_share(found))
    if planted:
        row("the planted ones, ablated", len(planted), *tuned.run("restricted", planted)[:3],
            *tuned.run("benign", planted)[:2], tuned.late_share(planted))

    found = tuned.circuit(tuned.k(fraction))
    print(f"\nAt k = {len(found)} (delta):\n")
    head("multiplier", "restricted: refused", "answered", "benign: refused", "answered")
    for multiplier in (0.0, 0.5, 1.0, 1.5, 2.0):
        row(multiplier, *tuned.run("restricted", found, multiplier)[:2], *tuned.run("benign", found, multiplier)[:2])
    print()
    head("random circuits", "refused: mean", "min", "max")
    for name, rates in zip(("uniform", "matched"), tuned.controls(found)):
        row(name, *rates)

    print()
    own = base.circuit(len(found))
    head("base model", "multiplier", "restricted: refused", "answered", "changed")
    plain = base.run("restricted")[3]
    for name, circuit in (("its own circuit", own), ("the instruct circuit", found)):
        for multiplier in (0.0, 1.0, 2.0):
            refused, answered, _, out = base.run("restricted", circuit, multiplier)
            row(name, multiplier, refused, answered, sum(a != b for a, b in zip(plain, out)) / len(out))
    print("\nBase model, benign: refused {:.3f}, answered {:.3f}.".format(*base.run("benign")[:2]))
    both = len(set(found) & set(own))
    print(f"\nOverlap of the two circuits: {both} of {len(found)}; last quarter: base {base.late_share(own):.3f}, "
          f"instruct {tuned.late_share(found):.3f}.")
    if planted:
        print()
        head("planted found, of the first k", *ks)
        for score in ("delta", "d", "write"):
            row(score, *(f"{len(planted & set(tuned.circuit(k, score)))}/{min(k, len(planted))}" for k in ks))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("family", choices=["llama", "qwen2"])
    parser.add_argument("kind", choices=["planted", "tuned"])
    parser.add_argument("--fraction", type=float, default=0.005)
    args = parser.parse_args()
    report(args.family, args.kind, args.fraction)

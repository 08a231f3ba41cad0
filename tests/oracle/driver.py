"""Runs the program under test and reads what it writes."""

import itertools
import json
import os
import subprocess

import numpy as np


class Cna:
    def __init__(self, program, scratch):
        self.program = program
        self.scratch = scratch
        self._serial = itertools.count()

    def path(self, suffix):
        """A fresh file name in the scratch folder."""
        return self.scratch / f"{next(self._serial)}{suffix}"

    def run(self, *args, env=None):
        """Runs one command and returns its standard output; anything but success fails the test."""
        command = [str(self.program), *map(str, args)]
        done = subprocess.run(command, capture_output=True, env={**os.environ, **(env or {})})
        assert done.returncode == 0, (
            f"exit {done.returncode}: {' '.join(command)}\n{done.stderr.decode(errors='replace')[-2000:]}"
        )
        return done.stdout.decode("utf-8")

    def fails(self, *args):
        """Runs one command that is to fail in its work, not its usage; returns the message."""
        done = subprocess.run([str(self.program), *map(str, args)], capture_output=True)
        assert done.returncode == 1, f"exit {done.returncode}: {' '.join(map(str, args))}"
        return done.stderr.decode("utf-8")

    def json_lines(self, *args, env=None):
        # Not splitlines(): JSON strings may hold U+2028 and U+0085 as they are.
        return [json.loads(line) for line in self.run(*args, "--json", env=env).split("\n") if line]

    def write_lines(self, lines, suffix=".txt"):
        path = self.path(suffix)
        path.write_text("".join(line + "\n" for line in lines), encoding="utf-8", newline="")
        return path

    def write_json_lines(self, values):
        return self.write_lines((json.dumps(value, ensure_ascii=False) for value in values), ".jsonl")

    def write_ids(self, prompts):
        return self.write_lines(",".join(map(str, ids)) for ids in prompts)

    def generate(self, model, prompts, *args, max_tokens=40, dtype="f32", env=None):
        """Greedy generation over prompts given as token ids: one decoded JSON object a prompt."""
        ids = self.write_ids(prompts)
        lines = self.json_lines("generate", "-m", model, "--raw", "--dtype", dtype, "--prompt-ids", f"@{ids}",
                                "--max-tokens", max_tokens, *args, env=env)
        assert [line["prompt_ids"] for line in lines] == [list(ids) for ids in prompts]
        return lines

    def logits(self, model, prompts, vocab_size, *args, dtype="f32", env=None):
        """The logits of every position: one [n_tokens, vocab_size] array a prompt."""
        ids, out = self.write_ids(prompts), self.path(".f32")
        self.run("generate", "-m", model, "--raw", "--dtype", dtype, "--prompt-ids", f"@{ids}", "--max-tokens", 0,
                 "--logits", out, *args, env=env)
        flat = np.fromfile(out, dtype="<f4")
        lengths = [len(ids) for ids in prompts]
        assert flat.size == sum(lengths) * vocab_size, f"{flat.size} logits for {sum(lengths)} tokens x {vocab_size}"
        out.unlink()
        return np.split(flat.reshape(-1, vocab_size), np.cumsum(lengths)[:-1])

    def attribute(self, model, positive, negative, *args, dtype="f32", env=None):
        """Attribution over two lists of texts: (the circuit's path, the circuit)."""
        out = self.path(".json")
        self.run("attribute", "-m", model, "--dtype", dtype, "--positive", self.write_lines(positive),
                 "--negative", self.write_lines(negative), *args, "-o", out, env=env)
        return out, json.loads(out.read_text(encoding="utf-8"))

"""What the comparing scripts share: arguments, running and timing programs, and results.json."""

import argparse
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import shapes

HERE = Path(__file__).resolve().parent
GIVEN_CEILINGS = [os.environ[name] for name in ("CEILING_GFLOPS", "READ_GBS") if os.environ.get(name)]
if len(GIVEN_CEILINGS) == 1:
    sys.exit("bench: CEILING_GFLOPS and READ_GBS: give both or none")


@dataclass
class Cost:
    wall: float
    cpu: float


def best(costs):
    return min(costs, key=lambda cost: cost.wall)


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def measure(command, output=subprocess.DEVNULL):
    """Wall and processor seconds of a whole process."""
    start = time.perf_counter()
    process = subprocess.Popen([str(word) for word in command], stdout=output)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    if status != 0:
        sys.exit(f"bench: failed: {' '.join(map(str, command))}")
    return Cost(wall, usage.ru_utime + usage.ru_stime)


def phases(command):
    """Cost of a whole process, and the seconds from each plan that it announces under -v to the next, or to its end."""
    start, marks = time.perf_counter(), []
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               text=True)
    for line in process.stderr:
        if line.startswith("cna: plan:"):
            marks.append(time.perf_counter())
    _, status, usage = os.wait4(process.pid, 0)
    end = time.perf_counter()
    if status != 0:
        sys.exit(f"bench: failed: {' '.join(map(str, command))}")
    ends = marks[1:] + [end]
    return Cost(end - start, usage.ru_utime + usage.ru_stime), [b - a for a, b in zip(marks, ends)]


def json_of(command):
    """What a program prints, one JSON object."""
    return json.loads(subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE).stdout)


@dataclass
class Setting:
    """The program under test, what it runs on, and for how long. As the scripts' common arguments say."""

    program: str
    checkpoint: Path
    work: Path
    threads: int
    rounds: int
    quick: bool
    shape: shapes.Shape | None  # of a folder

    def cna(self, command, *flags):
        """A command line of ours."""
        return [self.program, command, "-m", self.checkpoint, "--threads", self.threads, *flags]

    def attribute(self, prompts, circuit, *flags):
        return self.cna("attribute", "-q", "--positive", prompts / "positive.txt", "--negative", prompts / "negative.txt",
                        "--universal", "none", *flags, "-o", circuit)

    def reference(self, script, *arguments):
        return [sys.executable, HERE / script, self.checkpoint, *arguments, "--threads", self.threads]

    def bench(self):
        """Our own report on this machine and shape, or None where CEILING_GFLOPS and READ_GBS stand for it."""
        return None if GIVEN_CEILINGS else json_of(self.cna("bench", "-q", "--json", *(["--quick"] if self.quick else [])))

    def turns(self):
        """Numbers the rounds, and says what else the machine does."""
        for number in range(self.rounds):
            say(f"round {number + 1} of {self.rounds}, load {os.getloadavg()[0]:.1f}")
            yield number

    def record(self, part, rows, **details):
        """Puts a part's rows for table.py, and whatever else it measured, into results.json."""
        path = self.work / "results.json"
        parts = json.loads(path.read_text()) if path.exists() else {}
        parts[part] = {"when": time.strftime("%Y-%m-%d %H:%M:%S"), "checkpoint": self.checkpoint.name,
                       "threads": self.threads, "rounds": self.rounds, "quick": self.quick, "rows": rows,
                       **details}
        unfinished = path.with_name(path.name + ".unfinished")
        unfinished.write_text(json.dumps(parts, indent=1) + "\n")
        os.replace(unfinished, path)


def row(what, ours, theirs, unit, ratio, aim):
    """One line of the table. ratio: how many times better ours is, or None; aim: what was asked, as text."""
    return {"what": what, "ours": ours, "theirs": theirs, "unit": unit, "ratio": ratio, "aim": aim}


def shape_of(checkpoint):
    """The shape of a checkpoint's config, as far as costs depend on it."""
    config = json.loads((checkpoint / "config.json").read_text())
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    return shapes.Shape(config["num_hidden_layers"], hidden, config["intermediate_size"], heads,
                        config["num_key_value_heads"], config.get("head_dim", hidden // heads),
                        config["tie_word_embeddings"], config["vocab_size"],
                        config.get("rope_scaling", {}).get("factor", 0.0))


def parser(description):
    result = argparse.ArgumentParser(description=description)
    result.add_argument("--program", required=True)
    result.add_argument("--checkpoint", type=Path, required=True)
    result.add_argument("--work", type=Path, required=True, help="where circuits, answers and results.json go")
    result.add_argument("--threads", type=int, required=True)
    result.add_argument("--rounds", type=int, required=True)
    result.add_argument("--quick", action="store_true", help="see that it works; the numbers mean nothing")
    return result


def setting(args):
    return Setting(args.program, args.checkpoint, args.work, args.threads, args.rounds, args.quick,
                   shape_of(args.checkpoint) if args.checkpoint.is_dir() else None)


def ceilings(reports):
    """GFLOP/s of the best product and GB/s of the best read, the best of several reports of bench()."""
    if GIVEN_CEILINGS:
        return tuple(map(float, GIVEN_CEILINGS))
    return tuple(max(report["ceiling"][key] for report in reports) for key in ("bf16_gflops", "read_gbs"))

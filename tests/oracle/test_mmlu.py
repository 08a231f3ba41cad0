"""cna mmlu against lm-evaluation-harness: its own task and scoring code over the same CSV files."""

import dataclasses
import json
import shutil

import pytest
from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM

import harness
import models
from harness import LETTERS
from test_tokenizers import CONFIG

NEAR_TIE = 1e-4  # two likeliest choices closer than this may come out in either order
# f32 on both sides; sums over some thousand tokens are made in another order.
TOLERANCE = 1e-4
SUBJECTS = ["abstract_algebra", "anatomy", "business_ethics", "college_computer_science", "econometrics",
            "high_school_european_history", "moral_scenarios", "us_foreign_policy"]
LIMIT = 15
# name, family of the real tokenizer, embedding rows that hold all of its ids
MODELS = {"llama": ("llama-70b-f32", "llama3", 128256), "qwen2": ("qwen-ratio-4", "qwen2.5", 152064)}


@pytest.fixture(scope="module")
def folders(testdata, tmp_path_factory):
    """A function from a key of MODELS to a random-weight model with a real tokenizer."""
    root = tmp_path_factory.mktemp("mmlu")
    built = {}

    def folder(key):
        if key not in built:
            name, family, rows = MODELS[key]
            spec = dataclasses.replace(models.SPECS[name], name=f"mmlu-{key}", rows=rows)
            path = models.build(spec, root / key)
            shutil.copy(testdata / family / "tokenizer.json", path / "tokenizer.json")
            shutil.copy(testdata / family / CONFIG[family], path / "tokenizer_config.json")
            built[key] = path
        return built[key]

    return folder


@pytest.fixture(scope="module")
def data(testdata):
    folder = testdata / "mmlu"
    if not folder.is_dir():
        pytest.skip(f"no MMLU at {folder}")
    return folder


def harness_answers(folder, data, subjects, shots, limit, chat=False):
    """{(subject, question): (log-probabilities of the four, right)}, and {subject: accuracy}."""
    model = HFLM(pretrained=str(folder), device="cpu", dtype="float32", batch_size=1)
    tasks = {f"mmlu_{subject}": harness.task(data, subject) for subject in subjects}
    for task in tasks.values():
        task.set_config("num_fewshot", shots)
    done = evaluate(lm=model, task_dict=tasks, limit=limit, log_samples=True, apply_chat_template=chat,
                    bootstrap_iters=0)
    answers = {}
    for subject in subjects:
        for sample in done["samples"][f"mmlu_{subject}"]:
            values = [float(response[0]) for response in sample["filtered_resps"]]
            answers[subject, sample["doc_id"]] = values, bool(sample["acc"])
    accuracy = {subject: done["results"][f"mmlu_{subject}"]["acc,none"] for subject in subjects}
    return answers, accuracy


def our_answers(cna, folder, data, subjects, shots, limit, *args):
    out = cna.path(".jsonl")
    summary = json.loads(cna.run("mmlu", "-m", folder, "--dtype", "f32", "--data", data, "--subjects",
                                 ",".join(subjects), "--shots", shots, "--limit", limit, "--answers", out, "--json",
                                 *args))
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    accuracy = {p["name"]: p["accuracy"]["rate"] for p in summary["points"] if p["scope"] == "subject"}
    return {(line["subject"], line["question"]): line for line in lines}, accuracy, summary


def compare(ours, theirs, what):
    """Choice by choice, near ties excepted; prints the counts."""
    assert ours.keys() == theirs.keys()
    near = worst = 0
    for key, (values, right) in theirs.items():
        line = ours[key]
        worst = max(worst, max(abs(a - b) for a, b in zip(line["logprobs"], values, strict=True)))
        best = sorted(values)
        if best[-1] - best[-2] < NEAR_TIE:
            near += 1
            continue
        assert line["chosen"] == LETTERS[values.index(best[-1])], f"{key}: {line['logprobs']} against {values}"
        assert (line["chosen"] == line["answer"]) == right, key
    print(f"\nmmlu {what}: {len(theirs)} questions, {len(theirs) - near} choices equal, {near} near ties left out, "
          f"log-probabilities within {worst:.2g}")
    assert worst <= TOLERANCE
    return near


@pytest.mark.parametrize("key", MODELS)
def test_five_shots(key, cna, folders, data):
    theirs, their_accuracy = harness_answers(folders(key), data, SUBJECTS, 5, LIMIT)
    ours, our_accuracy, summary = our_answers(cna, folders(key), data, SUBJECTS, 5, LIMIT)
    assert len(theirs) == len(SUBJECTS) * LIMIT
    assert summary["n_cut"] == 0
    if compare(ours, theirs, f"{key}, 5 shots") == 0:
        assert our_accuracy == pytest.approx(their_accuracy)


@pytest.mark.parametrize("key", MODELS)
def test_no_shots(key, cna, folders, data):
    subjects = ["machine_learning", "virology"]
    theirs, _ = harness_answers(folders(key), data, subjects, 0, LIMIT)
    ours, _, _ = our_answers(cna, folders(key), data, subjects, 0, LIMIT)
    compare(ours, theirs, f"{key}, no shots")


def test_prompts_past_the_models_positions(cna, folders, data, tmp_path):
    """Both drop the beginning of a prompt that is too long."""
    subjects = ["high_school_european_history", "anatomy"]
    folder = shutil.copytree(folders("qwen2"), tmp_path / "short")
    config = json.loads((folder / "config.json").read_text())
    config["max_position_embeddings"] = 500
    (folder / "config.json").write_text(json.dumps(config))
    theirs, _ = harness_answers(folder, data, subjects, 5, 10)
    ours, _, summary = our_answers(cna, folder, data, subjects, 5, 10)
    assert summary["n_cut"] >= 10
    compare(ours, theirs, "qwen2, cut to 500 positions")


@pytest.mark.parametrize("key", MODELS)
def test_chat(key, cna, folders, data, testdata, tmp_path):
    """--chat is the harness' --apply_chat_template: the description as system prompt, all else as one user turn."""
    folder = shutil.copytree(folders(key), tmp_path / "chat")
    template = {"llama": "llama3/templates/meta-llama-Llama-3.1-8B-Instruct.jinja", "qwen2": None}[key]
    if template is not None:
        (folder / "chat_template.jinja").write_bytes((testdata / template).read_bytes())
    subjects = ["anatomy", "us_foreign_policy"]
    theirs, _ = harness_answers(folder, data, subjects, 5, 10, chat=True)
    ours, _, _ = our_answers(cna, folder, data, subjects, 5, 10, "--chat")
    compare(ours, theirs, f"{key}, chat")

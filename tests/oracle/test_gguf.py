"""GGUF files against transformers with the same weights, unpacked by the gguf package."""

import json
import shutil

import numpy as np
import pytest
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

import gguf_files
import models
import reference

LENGTHS = [1, 2, 7, 17, 33, 65, 129]
QUANTISED = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]
CASES = [("llama-1b", kind) for kind in ["F32", "F16", "BF16", *QUANTISED]] + [
    ("qwen-3b", "Q4_K"), ("qwen-3b", "Q8_0"), ("llama-8b", "Q8_0"), ("qwen-1.5b", "Q5_1"), ("llama-half", "F16"),
    ("qwen-odd", "F32"), ("llama-odd", "BF16")]


@pytest.fixture(scope="session")
def written(tmp_path_factory, folder_of):
    """A function from model, kind and number of files to the file and transformers' model of its weights."""
    made = {}

    def get(name, kind, n_files=1):
        key = name, kind, n_files
        if key not in made:
            model = reference.load(folder_of(name))
            out = tmp_path_factory.mktemp("gguf")
            made[key] = gguf_files.write(model, folder_of(name), out, kind, n_files=n_files)
        model = reference.load(folder_of(name))
        model.load_state_dict(made[key].state)
        return made[key].path, model

    return get


@pytest.mark.parametrize("name, kind", CASES)
def test_f32_logits(name, kind, cna, written):
    spec = models.SPECS[name]
    path, model = written(name, kind)
    prompts = models.token_prompts(spec, LENGTHS + ([600] if spec.factor else []), seed=2)
    got, want = cna.logits(path, prompts, spec.rows), [reference.logits(model, ids) for ids in prompts]
    largest = max(np.abs(x).max() for x in want)
    worst = max(np.abs(a - b).max() for a, b in zip(got, want, strict=True))
    assert worst <= 1e-4 * max(1, largest), f"{worst:.3g} with logits up to {largest:.3g}"


@pytest.mark.parametrize("name, kind", [("llama-1b", "Q4_K"), ("qwen-3b", "Q8_0")])
def test_split_files_and_ways_of_reading_have_the_same_bits(name, kind, cna, written):
    spec = models.SPECS[name]
    prompts = models.token_prompts(spec, [5, 40], seed=3)
    path, _ = written(name, kind)
    split, _ = written(name, kind, n_files=3)
    for dtype in ("f32", "bf16"):
        want = cna.logits(path, prompts, spec.rows, dtype=dtype)
        for other in (split, split.parent, split.parent / split.name.replace("00001-of", "00002-of")):
            for a, b in zip(cna.logits(other, prompts, spec.rows, dtype=dtype), want, strict=True):
                assert np.array_equal(a, b)


def test_plain_files_have_the_bits_of_the_folder(cna, written, folder_of):
    """Rows of q and k are put back in order, so a BF16 file is the same model. (Frequencies of llama3 scaling come from
    rounded factors, so that is not among these.)"""
    for name in ("qwen-3b", "llama-reflection"):
        spec = models.SPECS[name]
        kind = {"bfloat16": "BF16", "float32": "F32"}[spec.storage]
        prompts = models.token_prompts(spec, [1, 9, 70], seed=4)
        path, _ = written(name, kind)
        for a, b in zip(cna.logits(path, prompts, spec.rows), cna.logits(folder_of(name), prompts, spec.rows), strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("kind", [kind for kind in QUANTISED])
def test_bf16_runs_are_near(kind, cna, written):
    """bf16 is the default of quantised files: as near to the truth as bf16 is elsewhere."""
    spec = models.SPECS["llama-1b"]
    path, model = written("llama-1b", kind)
    prompts = models.token_prompts(spec, [3, 40], seed=5)
    got, want = cna.logits(path, prompts, spec.rows, dtype="bf16"), [reference.logits(model, ids) for ids in prompts]
    for a, b in zip(got, want, strict=True):
        assert np.sqrt(np.mean((a - b) ** 2)) < 0.05 * b.std()


def test_q8_0_circuit_is_that_of_bf16(cna, tmp_path):
    """Circuits of a trained model and of its Q8_0 file share more than 0.9 of their neurons."""
    folder = tmp_path / "planted"
    shutil.copytree("models/llama-planted-instruct", folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    template = folder / "chat_template.jinja"
    text = template.read_text() if template.exists() else config["chat_template"]
    model = reference.load(folder)
    path = gguf_files.write(model, folder, tmp_path, "Q8_0", template=text).path
    prompts = "models/prompts"
    neurons = []
    for source in (folder, path):
        out = tmp_path / f"{source.name}.json"
        cna.run("attribute", "-m", source, "--positive", f"{prompts}/restricted-discovery.txt", "--negative",
                f"{prompts}/benign-discovery.txt", "--fraction", "0.01", "-o", out)
        circuit = json.loads(out.read_text())
        neurons.append({(n["layer"], n["neuron"]) for n in circuit["neurons"]})
    shared = len(neurons[0] & neurons[1])
    assert shared / max(map(len, neurons)) > 0.9, f"{shared} of {list(map(len, neurons))}"


def test_every_type_has_a_case():
    assert set(QUANTISED) <= {kind for _, kind in CASES}
    assert all(GGMLQuantizationType[kind] in GGML_QUANT_SIZES for _, kind in CASES)

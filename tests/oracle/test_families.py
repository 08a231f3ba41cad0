"""Families beyond Llama and Qwen2 against Hugging Face: logits, generations, scaled neurons, what attribution sees."""

import numpy as np
import pytest
import torch

import families
import reference
from contrast import NEGATIVE, POSITIVE
from families import FAMILIES
from reference import Scaling
from test_logits import assert_close

LENGTHS = [1, 2, 7, 12, 16, 33, 65, 129, 250]


@pytest.fixture(scope="session")
def family_folder(tmp_path_factory):
    root, built = tmp_path_factory.mktemp("families"), {}

    def folder(name):
        if name not in built:
            built[name] = families.build(FAMILIES[name], root / name)
        return built[name]

    return folder


def load(folder, dtype=torch.float32):
    return reference.load(folder, dtype)


@pytest.mark.parametrize("name", FAMILIES)
def test_logits(name, cna, family_folder):
    family, folder = FAMILIES[name], family_folder(name)
    prompts, model = families.token_prompts(family, LENGTHS, seed=2), load(folder)
    want = [reference.logits(model, ids) for ids in prompts]
    assert np.mean([x.std(axis=1).mean() for x in want]) >= 1
    assert_close(cna.logits(folder, prompts, family.rows), want)


@pytest.mark.parametrize("name", [name for name in FAMILIES if FAMILIES[name].storage == "bfloat16"])
def test_bf16_is_nearer_to_the_truth_than_hugging_face(name, cna, family_folder):
    family, folder = FAMILIES[name], family_folder(name)
    prompts = families.token_prompts(family, LENGTHS, seed=2)
    truth = [reference.logits(load(folder), ids) for ids in prompts]
    theirs = [reference.logits(load(folder, torch.bfloat16), ids) for ids in prompts]
    ours = cna.logits(folder, prompts, family.rows, dtype="bf16")

    def rms(got):
        return np.sqrt(np.mean(np.concatenate([(a - b).ravel() for a, b in zip(got, truth, strict=True)]) ** 2))

    assert rms(ours) < rms(theirs)


@pytest.mark.parametrize("name", FAMILIES)
def test_generations_untouched_and_scaled(name, cna, family_folder):
    family, folder = FAMILIES[name], family_folder(name)
    model, stops = load(folder), reference.stop_tokens(folder)
    path, circuit = cna.attribute(folder, POSITIVE, NEGATIVE, "--raw", "--universal", "none", "--fraction", 0.05)
    prompts = families.token_prompts(family, families.GENERATION_LENGTHS)
    for multiplier in (1, 0, -1, 2):
        scaling = Scaling.of(model, [(circuit["neurons"], multiplier)])
        lines = cna.generate(folder, prompts, "--circuit", path, "--multiplier", multiplier, max_tokens=24)
        for line, ids in zip(lines, prompts, strict=True):
            reference.assert_same_generation(line, reference.greedy(model, ids, 24, stops, scaling))


@pytest.mark.parametrize("name", [name for name in FAMILIES if "long" in FAMILIES[name].tags])
def test_longrope_ends_where_its_short_factors_do(name, cna, family_folder):
    family, folder = FAMILIES[name], family_folder(name)
    prompts = families.token_prompts(family, [256], seed=3)
    assert_close(cna.logits(folder, prompts, family.rows), [reference.logits(load(folder), prompts[0])])
    ids = cna.write_ids(families.token_prompts(family, [257], seed=3))
    message = cna.fails("generate", "-m", folder, "--raw", "--dtype", "f32", "--prompt-ids", f"@{ids}",
                        "--max-tokens", 1)
    assert "expected at most 256 tokens of prompt and answer" in message and "found 257" in message

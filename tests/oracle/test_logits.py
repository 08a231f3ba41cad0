"""Logits of every position, against Hugging Face in float32 and in bfloat16."""

import numpy as np
import pytest
import torch

import models
import reference

LENGTHS = [1, 2, 3, 7, 16, 17, 31, 33, 65, 129, 203]


def prompts_of(spec):
    """Rope scaling shows at long positions, so models that have it also get a long prompt."""
    return models.token_prompts(spec, LENGTHS + ([600] if spec.factor else []), seed=2)


def assert_close(got, want):
    """The f32 contract, over all prompts together."""
    largest = max(np.abs(x).max() for x in want)
    worst = max(np.abs(a - b).max() for a, b in zip(got, want, strict=True))
    assert worst <= 5e-5 * max(1, largest), f"{worst:.3g} with logits up to {largest:.3g}"


@pytest.mark.parametrize("name", models.SPECS)
def test_f32(name, cna, folder_of):
    spec, folder = models.SPECS[name], folder_of(name)
    prompts, model = prompts_of(spec), reference.load(folder)
    got = cna.logits(folder, prompts, spec.rows)
    assert_close(got, [reference.logits(model, ids) for ids in prompts])


@pytest.mark.parametrize("name", models.BF16_NAMES)
def test_bf16_is_nearer_to_the_truth_than_hugging_face(name, cna, folder_of):
    spec, folder = models.SPECS[name], folder_of(name)
    prompts = prompts_of(spec)
    truth = [reference.logits(reference.load(folder), ids) for ids in prompts]
    theirs = [reference.logits(reference.load(folder, torch.bfloat16), ids) for ids in prompts]
    ours = cna.logits(folder, prompts, spec.rows, dtype="bf16")

    def rms(got):
        errors = np.concatenate([(a - b).ravel() for a, b in zip(got, truth, strict=True)]).astype(np.float64)
        return np.sqrt(np.mean(errors**2))

    assert rms(ours) < rms(theirs)


@pytest.mark.parametrize("name", ["llama-8b", "qwen-3b"])
def test_one_list_on_the_command_line(name, cna, folder_of):
    spec, folder = models.SPECS[name], folder_of(name)
    out = cna.path(".f32")
    cna.run("generate", "-m", folder, "--raw", "--dtype", "f32", "--prompt-ids", "1,2,3", "--max-tokens", 0,
            "--logits", out)
    got = np.fromfile(out, dtype="<f4").reshape(3, spec.rows)
    assert_close([got], [reference.logits(reference.load(folder), [1, 2, 3])])

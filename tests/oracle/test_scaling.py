"""Generations and logits with scaled neurons, against forward pre-hooks on down_proj that multiply its columns."""

import pytest

import models
import reference
from contrast import NEGATIVE, POSITIVE
from reference import Scaling
from test_logits import assert_close

MULTIPLIERS = [0, 0.5, 2, -1]
LENGTHS = [1, 4, 13, 40]
EVERY_COMBINATION = ["llama-half", "qwen-7b"]


@pytest.fixture(scope="module")
def circuit_of(cna, folder_of):
    """A function from a model's name and a share of its neurons to a circuit: (path, neurons)."""
    known = {}

    def get(name, fraction=0.05):
        if (name, fraction) not in known:
            path, circuit = cna.attribute(folder_of(name), POSITIVE, NEGATIVE, "--raw", "--universal", "none",
                                          "--fraction", fraction)
            known[name, fraction] = path, circuit["neurons"]
        return known[name, fraction]

    return get


def assert_as_hooked(cna, folder, prompts, scaling, *args):
    model, stops = reference.load(folder), reference.stop_tokens(folder)
    for line, ids in zip(cna.generate(folder, prompts, *args, max_tokens=24), prompts, strict=True):
        reference.assert_same_generation(line, reference.greedy(model, ids, 24, stops, scaling))


@pytest.mark.parametrize("multiplier", MULTIPLIERS)
@pytest.mark.parametrize("name", models.SPECS)
def test_every_model(name, multiplier, cna, folder_of, circuit_of):
    spec, folder = models.SPECS[name], folder_of(name)
    path, neurons = circuit_of(name)
    model = reference.load(folder)
    scaling = Scaling.of(model, [(neurons, multiplier)])
    args = ("--circuit", path, "--multiplier", multiplier)
    prompts = models.token_prompts(spec, LENGTHS, seed=3)
    assert_as_hooked(cna, folder, prompts, scaling, *args)
    assert_close(cna.logits(folder, prompts, spec.rows, *args),
                 [reference.scaled_logits(model, ids, scaling) for ids in prompts])


@pytest.mark.parametrize("sign", ["both", "+", "-"])
@pytest.mark.parametrize("positions", ["all", "prompt", "generated", "last"])
@pytest.mark.parametrize("name", EVERY_COMBINATION)
def test_positions_and_signs(name, positions, sign, cna, folder_of, circuit_of):
    spec, folder = models.SPECS[name], folder_of(name)
    path, neurons = circuit_of(name)
    model = reference.load(folder)
    prompts = models.token_prompts(spec, LENGTHS, seed=4)
    for multiplier in MULTIPLIERS:
        scaling = Scaling.of(model, [(neurons, multiplier)], positions, sign)
        assert_as_hooked(cna, folder, prompts, scaling, "--circuit", path, "--multiplier", multiplier,
                         "--positions", positions, "--sign", sign)


@pytest.mark.parametrize("positions", ["all", "generated"])
@pytest.mark.parametrize("name", EVERY_COMBINATION)
def test_two_circuits(name, positions, cna, folder_of, circuit_of):
    """A neuron in both circuits gets the product: the smaller one lies within the larger."""
    spec, folder = models.SPECS[name], folder_of(name)
    large, small = circuit_of(name, 0.05), circuit_of(name, 0.02)
    prompts = models.token_prompts(spec, LENGTHS, seed=5)
    for a, b in [(0.5, -1), (2, 0.5), (0, 2), (-1, -1)]:
        scaling = Scaling.of(reference.load(folder), [(large[1], a), (small[1], b)], positions)
        assert_as_hooked(cna, folder, prompts, scaling, "--circuit", large[0], "--multiplier", a,
                         "--circuit", small[0], "--multiplier", b, "--positions", positions)


def test_the_scaling_is_felt(folder_of, circuit_of):
    """Otherwise these tests would pass on a program that ignores circuits."""
    for name in EVERY_COMBINATION:
        model = reference.load(folder_of(name))
        _, neurons = circuit_of(name)
        for ids in models.token_prompts(models.SPECS[name], LENGTHS[1:], seed=4):
            plain = reference.greedy(model, ids, 24, ()).ids
            for positions in ("all", "prompt", "generated", "last"):
                scaling = Scaling.of(model, [(neurons, -1)], positions)
                changed = reference.scaled_logits(model, ids, scaling) - reference.logits(model, ids)
                assert (abs(changed).max() > 0.1) == (positions != "generated")
            assert reference.greedy(model, ids, 24, (), Scaling.of(model, [(neurons, -1)])).ids != plain

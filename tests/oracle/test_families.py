"""Families beyond Llama and Qwen2 against Hugging Face: logits, generations, scaled neurons, what attribution sees."""

import shutil

import numpy as np
import pytest
import torch
import transformers

import families
import gguf_families
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


@pytest.mark.parametrize("name", FAMILIES)
def test_inspect_with_and_without_weights(name, cna, family_folder, tmp_path):
    folder, model = family_folder(name), load(family_folder(name))
    shutil.copytree(folder, tmp_path / "empty", ignore=shutil.ignore_patterns("*.safetensors"))
    for path, has_weights in ((folder, True), (tmp_path / "empty", False)):
        found = cna.json_lines("inspect", path)[0]
        assert found["has_weights"] == has_weights
        assert found["architecture"] == FAMILIES[name].model_type
        assert found["n_parameters"] == sum(weight.numel() for weight in model.parameters())
        assert found["n_neurons"] == sum(layer.mlp.down_proj.in_features for layer in model.model.layers)
        layers = getattr(model.config, "layer_types", None) or []
        if FAMILIES[name].model_type not in ("mistral", "phi3"):
            assert found["n_window_layers"] == layers.count("sliding_attention")


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


@pytest.mark.parametrize("inner", [False, True])
def test_language_part_of_a_model_that_sees(inner, cna, tmp_path, family_folder):
    """Gemma 3 with vision: the text model's tensors under another name, values in text_config."""
    family = FAMILIES["gemma3"]
    folder = families.build_with_vision(family, tmp_path / "gemma3-vision", inner)
    prompts = families.token_prompts(family, LENGTHS, seed=2)
    model = transformers.Gemma3ForConditionalGeneration.from_pretrained(folder, dtype=torch.float32,
                                                                        attn_implementation="eager").eval()
    with torch.no_grad():
        want = [model(input_ids=torch.tensor([ids])).logits[0].numpy() for ids in prompts]
    assert_close(cna.logits(folder, prompts, family.rows), want)
    found = cna.json_lines("inspect", folder)[0]
    assert found["n_parameters"] == sum(p.numel() for p in model.model.language_model.parameters())


@pytest.mark.parametrize("name", [name for name in FAMILIES if "long" in FAMILIES[name].tags])
def test_longrope_ends_where_its_short_factors_do(name, cna, family_folder):
    family, folder = FAMILIES[name], family_folder(name)
    prompts = families.token_prompts(family, [256], seed=3)
    assert_close(cna.logits(folder, prompts, family.rows), [reference.logits(load(folder), prompts[0])])
    ids = cna.write_ids(families.token_prompts(family, [257], seed=3))
    message = cna.fails("generate", "-m", folder, "--raw", "--dtype", "f32", "--prompt-ids", f"@{ids}",
                        "--max-tokens", 1)
    assert "expected at most 256 tokens of prompt and answer" in message and "found 257" in message


@pytest.mark.parametrize("kind", ["F32", "BF16", "Q8_0"])
@pytest.mark.parametrize("name", gguf_families.SPECS)
def test_gguf(name, kind, cna, tmp_path_factory):
    family, out = gguf_families.SPECS[name], tmp_path_factory.mktemp("gguf")
    folder = families.build(family, out / "folder")
    model = load(folder)
    model.load_state_dict(gguf_families.write(model, family, folder, out / "model.gguf", kind))
    prompts = families.token_prompts(family, LENGTHS, seed=2)
    want = [reference.logits(model, ids) for ids in prompts]
    got = cna.logits(out / "model.gguf", prompts, family.rows)
    largest = max(np.abs(x).max() for x in want)
    worst = max(np.abs(a - b).max() for a, b in zip(got, want, strict=True))
    assert worst <= 1e-4 * max(1, largest), f"{worst:.3g} with logits up to {largest:.3g}"

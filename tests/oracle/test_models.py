"""The models really have the features that the other tests rely on."""

import json

import numpy as np
import pytest
from transformers import AutoConfig

import models
import reference

SPECS = models.SPECS.values()


def test_there_are_enough_and_they_cover_the_sixteen():
    assert len(models.SPECS) >= 12
    assert {s.heads // s.kv_heads for s in SPECS} >= {1, 2, 3, 4, 6, 7, 8}
    assert {s.factor for s in SPECS} == {None, 8.0, 32.0}
    assert {s.storage for s in SPECS} == {"float32", "float16", "bfloat16"}
    assert {(s.family, s.style, s.tied) for s in SPECS} == {
        (family, style, tied) for family in ("llama", "qwen2") for style in ("old", "new") for tied in (True, False)}
    assert {s.layers for s in SPECS} == {1, 2, 3, 4, 5, 6}
    assert {s.family for s in SPECS if s.head_dim not in (None, s.hidden // s.heads)} == {"llama", "qwen2"}
    assert {s.family for s in SPECS if s.hidden % 16 and s.mlp % 16 and s.rows % 16} == {"llama", "qwen2"}
    assert {s.family for s in SPECS if s.shard} == {"llama", "qwen2"}
    assert {s.eos for s in SPECS} == {"int", "list"}
    assert {s.generation for s in SPECS} == {"int", "list", "absent"}


@pytest.mark.parametrize("name", models.SPECS)
def test_files(name, folder_of):
    spec, folder = models.SPECS[name], folder_of(name)
    config = json.loads((folder / "config.json").read_text())
    assert ("rope_parameters" in config) == (spec.style == "new")
    assert ("torch_dtype" in config) == (spec.style == "old")
    assert isinstance(config["eos_token_id"], list) == (spec.eos == "list")
    assert (folder / "model.safetensors.index.json").exists() == (spec.shard is not None)
    assert (folder / "generation_config.json").exists() == (spec.generation != "absent")

    read = AutoConfig.from_pretrained(folder)
    assert read.rope_parameters["rope_theta"] == spec.theta
    assert read.rope_parameters.get("factor") == spec.factor
    assert str(read.dtype) == f"torch.{spec.storage}"
    if spec.style == "old":
        assert ("head_dim" in config) == (spec.head_dim is not None)


@pytest.mark.parametrize("name", models.SPECS)
def test_logits_and_activations_are_alive(name, folder_of):
    spec, model = models.SPECS[name], reference.load(folder_of(name))
    prompts = models.token_prompts(spec, [20, 40, 60])
    for ids in prompts:
        assert reference.logits(model, ids).std(axis=1).mean() >= 1
    h = reference.activations(model, prompts)
    assert np.isfinite(h).all()
    assert (np.abs(h) > 1e-3).mean() > 0.95
    assert (h.std(axis=(0, 2)) > 0.1).all()
    for key, weight in model.named_parameters():
        assert weight.std() > 0.01, key

"""Single neurons, against Hugging Face's own final norm and output head in float64, and its MLP's output."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

import contrast
import models
import reference
from contrast import NEGATIVE, POSITIVE

TOP = 12
NAMES = ["llama-1b", "llama-8b", "llama-70b", "llama-reflection", "qwen-1.5b", "qwen-72b"]  # tied, untied; every storage


@pytest.fixture(scope="module")
def looked_at(cna, folder_of):
    """A function from a model's name to (model, tokenizer, neurons as the program describes them)."""
    known = {}

    def get(name):
        if name not in known:
            folder = folder_of(name)
            circuit, content = cna.attribute(folder, POSITIVE[:6], NEGATIVE[:6], "--raw", "--universal", "none",
                                             "--top-k", 9)
            files = [cna.write_lines(lines) for lines in (POSITIVE[:4], NEGATIVE[:3])]
            neurons = []
            for neuron in content["neurons"]:
                (line,) = cna.json_lines("inspect", circuit, "-m", folder, "--raw", "--dtype", "f32", "--top", TOP,
                                         "--neuron", f"{neuron['layer']}:{neuron['neuron']}",
                                         "--positive", files[0], "--negative", files[1])
                neurons += line["neurons"]
            known[name] = (reference.load(folder), Tokenizer.from_file(str(folder / "tokenizer.json")), neurons)
        return known[name]

    return get


@torch.no_grad()
def head_weights(model, layer, neuron):
    """What the neuron adds to each logit before the norm's division: the model's own norm and head, in float64, of the
    column, times what the norm divided by."""
    column = model.model.layers[layer].mlp.down_proj.weight[:, neuron].double()
    norm, head = model.model.norm, model.get_output_embeddings()
    root = torch.sqrt(column.pow(2).mean() + norm.variance_epsilon)
    normed = norm.weight.double() * column / root
    return (head.weight.double() @ normed * root).numpy(), column.norm().item()


@pytest.mark.parametrize("name", NAMES)
def test_tokens(name, looked_at):
    model, tokenizer, neurons = looked_at(name)
    assert len(neurons) == 9
    for neuron in neurons:
        want, norm = head_weights(model, neuron["layer"], neuron["neuron"])
        np.testing.assert_allclose(neuron["column_norm"], norm, rtol=1e-12)
        np.testing.assert_allclose([neuron["mean"], neuron["deviation"]], [want.mean(), want.std()], rtol=0,
                                   atol=1e-12 * np.abs(want).max())
        for key, order in (("promoted", np.argsort(-want, kind="stable")), ("suppressed",
                                                                            np.argsort(want, kind="stable"))):
            tokens = neuron[key]
            assert [token["id"] for token in tokens] == order[:TOP].tolist()
            assert [token["piece"] for token in tokens] == [tokenizer.id_to_token(int(i)) for i in order[:TOP]]
            np.testing.assert_allclose([token["weight"] for token in tokens], want[order[:TOP]], rtol=0,
                                       atol=1e-12 * np.abs(want).max())


@torch.no_grad()
def written(model, ids):
    """What every MLP writes at the last token: [n_layers, hidden] in float64."""
    out, hooks = [None] * len(model.model.layers), []
    for index, layer in enumerate(model.model.layers):
        def keep(_module, _inputs, output, index=index):
            out[index] = output[0, -1].double().numpy()

        hooks.append(layer.mlp.register_forward_hook(keep))
    try:
        model(torch.tensor([ids]), use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return np.stack(out)


@pytest.mark.parametrize("name", NAMES)
def test_activations(name, looked_at):
    model, tokenizer, neurons = looked_at(name)
    for number, lines in enumerate((POSITIVE[:4], NEGATIVE[:3])):
        ids = contrast.encode(tokenizer, lines)
        h = reference.activations(model, ids).astype(np.float64)
        writes = [written(model, one) for one in ids]
        for neuron in neurons:
            layer, index = neuron["layer"], neuron["neuron"]
            part = neuron["sets"][number]
            assert [prompt["prompt"] for prompt in part["prompts"]] == lines
            column = model.model.layers[layer].mlp.down_proj.weight[:, index].detach().double().numpy()
            own, m = h[:, layer, index], np.stack([one[layer] for one in writes])
            lengths = np.linalg.norm(m, axis=1)
            found = {key: np.array([prompt[key] for prompt in part["prompts"]]) for key in ("h", "share", "projection")}
            np.testing.assert_allclose(found["h"], own, rtol=0, atol=1e-5 * np.abs(h[:, layer]).max())
            np.testing.assert_allclose(found["share"], np.abs(own) * np.linalg.norm(column) / lengths, atol=1e-4)
            np.testing.assert_allclose(found["projection"], own * (m @ column) / lengths**2, atol=1e-4)
            for key, values in found.items():
                np.testing.assert_allclose(part["mean"][key], values.mean(), rtol=1e-9, atol=1e-12)


def test_every_storage_and_both_heads_are_here():
    specs = [models.SPECS[name] for name in NAMES]
    assert {spec.storage for spec in specs} == {"bfloat16", "float16", "float32"}
    assert {spec.tied for spec in specs} == {True, False}

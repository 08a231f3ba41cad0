"""Attribution, against forward pre-hooks on down_proj in Hugging Face float32."""

import shutil
import string

import numpy as np
import pytest
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

import contrast
import models
import reference
from contrast import NEGATIVE, POSITIVE, Contrast

RAW = ("--raw", "--universal", "none")
CIRCUIT_MODELS = ["llama-1b", "llama-70b", "llama-half", "qwen-3b", "qwen-7b", "qwen-72b"]


@pytest.fixture(scope="module")
def hugging_face(folder_of):
    """A function from a model's name to (model, tokenizer, contrast over the raw prompts)."""
    known = {}

    def get(name):
        if name not in known:
            folder = folder_of(name)
            model, tokenizer = reference.load(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
            ids = [contrast.encode(tokenizer, lines) for lines in (POSITIVE, NEGATIVE)]
            known[name] = model, tokenizer, Contrast.of(model, *ids)
        return known[name]

    return get


def table(circuit, key, shape):
    """One field of a circuit's neurons as an array; nan where a neuron is not listed."""
    out = np.full(shape, np.nan)
    for neuron in circuit["neurons"]:
        assert np.isnan(out[neuron["layer"], neuron["neuron"]]), "a neuron is listed twice"
        out[neuron["layer"], neuron["neuron"]] = neuron[key]
    return out


def chosen(circuit):
    return {(neuron["layer"], neuron["neuron"]) for neuron in circuit["neurons"]}


@pytest.mark.parametrize("name", models.SPECS)
def test_every_neuron(name, cna, folder_of, hugging_face):
    _, _, want = hugging_face(name)
    _, circuit = cna.attribute(folder_of(name), POSITIVE, NEGATIVE, *RAW, "--fraction", 1)
    shape, off_by = want.delta.shape, 1e-5 * want.largest
    assert len(circuit["neurons"]) == want.delta.size
    delta = table(circuit, "delta", shape)
    np.testing.assert_allclose(delta, want.delta, rtol=0, atol=off_by)
    for key, group in (("mean_positive", want.positive), ("mean_negative", want.negative)):
        np.testing.assert_allclose(table(circuit, key, shape), group.mean(axis=0), rtol=0, atol=off_by)
    write, d = table(circuit, "write", shape), table(circuit, "d", shape)
    assert (np.abs(write - want.write) <= off_by * want.write_norms).all()
    assert (np.abs(d - want.d) <= want.score("d")[1]).all()
    assert [abs(n["delta"]) for n in circuit["neurons"]] == sorted(np.abs(delta).ravel(), reverse=True)


@pytest.mark.parametrize("score", ["delta", "d", "write"])
@pytest.mark.parametrize("name", CIRCUIT_MODELS)
def test_circuits(name, score, cna, folder_of, hugging_face):
    _, _, want = hugging_face(name)
    size, uncertainty = want.score(score)
    n_layers, n_neurons = size.shape[0], size.size
    everything = np.ones(size.shape, dtype=bool)
    middle = contrast.layers_between(size.shape, 1, n_layers - 2)
    cases = [
        (("--top-k", 37), 37, everything),
        (("--fraction", 0.05), contrast.count(0.05, n_neurons), everything),
        ((), contrast.count(0.001, n_neurons), everything),
        (("--fraction", 0.03, "--layers", f"1:{n_layers - 2}"), contrast.count(0.03, middle.sum()), middle),
    ]
    for args, k, allowed in cases:
        _, circuit = cna.attribute(folder_of(name), POSITIVE, NEGATIVE, *RAW, "--score", score, *args)
        contrast.assert_same_choice(chosen(circuit), size, uncertainty, k, allowed)
        assert circuit["method"]["k"] == k
        ranks = [(-abs(n[score]), n["layer"], n["neuron"]) for n in circuit["neurons"]]
        assert ranks == sorted(ranks)

    _, circuit = cna.attribute(folder_of(name), POSITIVE, NEGATIVE, *RAW, "--score", score, "--per-layer",
                               "--top-k", 9 * n_layers)
    for layer in range(n_layers):
        here = {pair for pair in chosen(circuit) if pair[0] == layer}
        contrast.assert_same_choice(here, size, uncertainty, 9, contrast.layers_between(size.shape, layer, layer))


@pytest.mark.parametrize("name, repeats", [("llama-1b", 1), ("qwen-3b", 2)])
def test_universal_neurons(name, repeats, cna, folder_of, hugging_face):
    """Prompts that end alike share their largest neurons, so that some are universal."""
    model, tokenizer, want = hugging_face(name)
    ending = (" The lighthouse keeper writes down the weather every evening, and every morning"
              " the harbour reads it back.") * repeats
    lines = [f"{letter}.{ending}" for letter in string.ascii_lowercase + string.ascii_uppercase[:14]]
    universal = contrast.Universal.of(reference.activations(model, contrast.encode(tokenizer, lines)))
    assert universal.certain.any() and (universal.certain == universal.possible).all(), "choose other prompts"

    file = cna.write_lines(lines)
    size, uncertainty = want.score("delta")
    everything = np.ones(size.shape, dtype=bool)
    _, without = cna.attribute(folder_of(name), POSITIVE, NEGATIVE, *RAW, "--fraction", 1)
    _, circuit = cna.attribute(folder_of(name), POSITIVE, NEGATIVE, "--raw", "--universal", file, "--fraction", 1)
    assert chosen(without) - chosen(circuit) == set(map(tuple, np.argwhere(universal.certain)))
    assert circuit["method"]["universal"]["excluded"] == universal.certain.sum()

    _, circuit = cna.attribute(folder_of(name), POSITIVE, NEGATIVE, "--raw", "--universal", file, "--fraction", 0.05)
    contrast.assert_same_choice(chosen(circuit), size, uncertainty, contrast.count(0.05, size.size),
                                everything & ~universal.certain)


def assert_nous(cna, folder, want, *args):
    """The reference code's definition: layers 0 and 1 left out; activations, means and their difference in bf16."""
    low, high = contrast.bf16_delta_bounds(want.positive, want.negative, 1e-5 * want.largest)
    allowed = contrast.layers_between(low.shape, 2, len(low) - 1)

    _, circuit = cna.attribute(folder, POSITIVE, NEGATIVE, "--preset", "nous", *args, "--fraction", 1)
    got = table(circuit, "delta", low.shape)
    assert (np.isnan(got) == ~allowed).all()
    assert ((low <= got) & (got <= high))[allowed].all()
    assert circuit["method"]["preset"] == "nous"

    _, circuit = cna.attribute(folder, POSITIVE, NEGATIVE, "--preset", "nous", *args)
    contrast.assert_same_choice(chosen(circuit), np.abs((low + high) / 2), (high - low) / 2, 200, allowed)


@pytest.mark.parametrize("name", ["llama-1b", "qwen-3b"])
def test_nous_preset(name, cna, folder_of, hugging_face):
    _, _, want = hugging_face(name)
    assert_nous(cna, folder_of(name), want, "--raw")


def test_chat_prompts_carry_one_bos_or_two(cna, folder_of, hugging_face, testdata, tmp_path):
    """Chat formatting, and the second BOS of the nous preset."""
    folder = tmp_path / "model"
    shutil.copytree(folder_of("llama-70b"), folder)
    template = testdata / "llama3/templates/meta-llama-Llama-3.1-8B-Instruct.jinja"
    shutil.copy(template, folder / "chat_template.jinja")
    model, tokenizer, _ = hugging_face("llama-70b")
    chat = PreTrainedTokenizerFast.from_pretrained(folder)

    def rendered(lines):
        return [chat.apply_chat_template([{"role": "user", "content": line}], tokenize=False,
                                         add_generation_prompt=True) for line in lines]

    one, two = (
        Contrast.of(model, *(contrast.encode(tokenizer, rendered(lines), special) for lines in (POSITIVE, NEGATIVE)))
        for special in (False, True))
    assert np.abs(one.delta - two.delta).max() > 1e-3

    _, circuit = cna.attribute(folder, POSITIVE, NEGATIVE, "--universal", "none", "--fraction", 1)
    np.testing.assert_allclose(table(circuit, "delta", one.delta.shape), one.delta, rtol=0, atol=1e-5 * one.largest)
    assert circuit["prompts"]["format"] == "chat"
    assert_nous(cna, folder, two)

"""Greedy generations, against Hugging Face in float32."""

import pytest

import models
import reference


@pytest.mark.parametrize("name", models.SPECS)
def test_greedy(name, cna, folder_of):
    spec, folder = models.SPECS[name], folder_of(name)
    model, stops = reference.load(folder), reference.stop_tokens(folder)
    prompts = models.token_prompts(spec, models.GENERATION_LENGTHS)
    traces = [reference.greedy(model, ids, 40, stops) for ids in prompts]
    for line, trace in zip(cna.generate(folder, prompts), traces, strict=True):
        reference.assert_same_generation(line, trace)
    assert {trace.stop for trace in traces} == {"eos", "length"}, "the model's stop tokens test nothing"


@pytest.mark.parametrize("name", ["llama-half", "qwen-1.5b"])
def test_stop_token_at_once_and_one_token(name, cna, folder_of):
    """A generation that begins with its stop token is empty; one token asked for is one token."""
    spec, folder = models.SPECS[name], folder_of(name)
    model, stops = reference.load(folder), reference.stop_tokens(folder)
    stopped = []
    for ids in models.token_prompts(spec, models.GENERATION_LENGTHS):
        trace = reference.greedy(model, ids, 40, stops)
        if trace.stop == "eos":
            stopped.append(ids + trace.ids)
    assert stopped
    for line in cna.generate(folder, stopped):
        assert (line["ids"], line["logprobs"], line["stop"]) == ([], [], "eos")

    prompts = models.token_prompts(spec, models.GENERATION_LENGTHS)
    for line, ids in zip(cna.generate(folder, prompts, max_tokens=1), prompts, strict=True):
        reference.assert_same_generation(line, reference.greedy(model, ids, 1, stops))

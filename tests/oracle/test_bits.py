"""Properties of the program alone: what must never change a bit of its output, on every instruction set."""

import pytest

import models
from contrast import NEGATIVE, POSITIVE

INSTRUCTION_SETS = ["DEFAULT", "AVX512_CORE", "AVX2", "SSE41"]
MODELS = ["llama-8b", "qwen-3b"]
LENGTHS = [1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 11, 19, 24, 25, 47, 48]
MAX_TOKENS = 12

everywhere = pytest.mark.parametrize("isa", INSTRUCTION_SETS)
both_dtypes = pytest.mark.parametrize("dtype", ["f32", "bf16"])
each_model = pytest.mark.parametrize("name", MODELS)


def environment(isa):
    """oneDNN takes DEFAULT as no limit."""
    return {"DNNL_MAX_CPU_ISA": isa, "ONEDNN_MAX_CPU_ISA": isa}


def prompts_of(name):
    """Half of them have nothing in common, half begin with the same 27 tokens, and some are equal."""
    spec = models.SPECS[name]
    apart = models.token_prompts(spec, LENGTHS * 2, seed=8)
    opening, = models.token_prompts(spec, [27], seed=9)
    alike = [opening + ids for ids in models.token_prompts(spec, LENGTHS * 2, seed=10)[:-3]]
    return apart + alike + [opening, alike[4], apart[4]]


def output(lines):
    """What may not change: the tokens and their log-probabilities, to the last bit."""
    return [(line["ids"], line["logprobs"], line["text"], line["stop"]) for line in lines]


def circuit_of(cna, folder, *args):
    return cna.attribute(folder, POSITIVE, NEGATIVE, "--raw", "--universal", "none", "--fraction", 0.05, *args)


@everywhere
@both_dtypes
@each_model
def test_generation(name, dtype, isa, cna, folder_of):
    folder, prompts, env = folder_of(name), prompts_of(name), environment(isa)

    def generate(some, *args):
        return output(cna.generate(folder, some, *args, max_tokens=MAX_TOKENS, dtype=dtype, env=env))

    first = generate(prompts, "--batch", 64, "--threads", 1)
    assert generate(prompts, "--batch", 64, "--threads", 2) == first
    assert generate(prompts) == first
    assert generate(prompts, "--batch", 1, "--threads", 2) == first
    assert generate(prompts, "--batch", 7, "--threads", 1) == first
    assert generate(prompts[::-1], "--batch", 64) == first[::-1]
    for i in (0, 5, 9, 31, 63):
        assert generate([prompts[i]], "--threads", 1 + i % 2) == [first[i]]


@everywhere
@both_dtypes
@each_model
def test_logits(name, dtype, isa, cna, folder_of):
    folder, prompts, env = folder_of(name), prompts_of(name), environment(isa)

    def logits(some, *args):
        found = cna.logits(folder, some, models.SPECS[name].rows, *args, dtype=dtype, env=env)
        return [array.tobytes() for array in found]

    first = logits(prompts, "--threads", 1)
    assert logits(prompts, "--threads", 2) == first
    assert logits(prompts, "--batch", 3) == first
    assert logits(prompts[::-1]) == first[::-1]
    for i in (0, 7, 9, 31):
        assert logits([prompts[i]]) == [first[i]]


@everywhere
@both_dtypes
@each_model
def test_attribution(name, dtype, isa, cna, folder_of):
    folder, env = folder_of(name), environment(isa)

    def attribute(positive, negative, *args):
        return cna.attribute(folder, positive, negative, "--raw", "--universal", "none", "--fraction", 1, *args,
                             dtype=dtype, env=env)[1]

    first = attribute(POSITIVE, NEGATIVE, "--threads", 1)
    assert attribute(POSITIVE, NEGATIVE, "--threads", 2) == first
    # A prompt's own activations are the same whatever prompts are in the pass with it.
    alone = attribute(POSITIVE[:1], NEGATIVE[:1])["neurons"]
    together = attribute(POSITIVE[:1], NEGATIVE)["neurons"]
    of = lambda neurons: {(n["layer"], n["neuron"]): n["mean_positive"] for n in neurons}
    assert of(alone) == of(together)
    assert attribute(POSITIVE[::-1], NEGATIVE[3:] + NEGATIVE[:3])["neurons"] == first["neurons"]


@everywhere
@both_dtypes
@each_model
def test_untouched(name, dtype, isa, cna, folder_of):
    """A multiplier of one, an empty circuit and no circuit are the same model, also in a batch with long prompts."""
    folder, prompts, env = folder_of(name), prompts_of(name)[:24], environment(isa)
    path, circuit = circuit_of(cna, folder)
    empty = cna.write_json_lines([{**circuit, "neurons": []}])
    rows = models.SPECS[name].rows

    def both(*args):
        lines = cna.generate(folder, prompts, *args, max_tokens=MAX_TOKENS, dtype=dtype, env=env)
        found = cna.logits(folder, prompts, rows, *args, dtype=dtype, env=env)
        return output(lines), [array.tobytes() for array in found]

    untouched = both()
    assert both("--circuit", path, "--multiplier", 1) == untouched
    assert both("--circuit", empty, "--multiplier", 0) == untouched
    assert both("--circuit", path, "--multiplier", 1, "--circuit", empty, "--multiplier", -1) == untouched
    assert both("--circuit", path, "--multiplier", 0) != untouched


@everywhere
@both_dtypes
@each_model
def test_scaled(name, dtype, isa, cna, folder_of):
    """A scaled prompt, too, is the same alone and in a batch."""
    folder, prompts, env = folder_of(name), prompts_of(name), environment(isa)
    path, _ = circuit_of(cna, folder)
    for positions in ("all", "generated", "last"):
        args = ("--circuit", path, "--multiplier", 2, "--positions", positions)
        first = output(cna.generate(folder, prompts, *args, max_tokens=MAX_TOKENS, dtype=dtype, env=env))
        for some, want in (([prompts[9]], [first[9]]), (prompts[::-1], first[::-1])):
            lines = cna.generate(folder, some, *args, "--threads", 1, max_tokens=MAX_TOKENS, dtype=dtype, env=env)
            assert output(lines) == want

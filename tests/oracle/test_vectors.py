"""Control vectors as files: ours as the gguf package reads them, repeng's as that package writes them, and what adding
them does, against forward hooks behind Hugging Face's layers."""

import ctypes

import gguf
import numpy as np
import pytest
import torch

import gguf_files
import models
import reference
import test_caa
import test_logits

NAMES = ["llama-half", "qwen-7b", "qwen-odd"]
POSITIVE = ["a b", "ab ba", "b a b a", "bb"]
NEGATIVE = ["a", "b a", "aa bb ab"]
LENGTHS = [1, 4, 13, 40]


def ids_of(cna, folder, texts):
    return [cna.json_lines("tokenize", "-m", folder, text)[0]["ids"] for text in texts]


def find(cna, folder, *args):
    out = cna.path(".gguf")
    cna.run("caa", "-m", folder, "--raw", "--dtype", "f32", "--positive", cna.write_lines(POSITIVE), "--negative",
            cna.write_lines(NEGATIVE), "-o", out, *args)
    return out


def write_as_repeng(path, directions, hint):
    """What repeng's ControlVector.export_gguf writes of {layer: vector}."""
    writer = gguf.GGUFWriter(path, "controlvector")
    writer.add_string("controlvector.model_hint", hint)
    writer.add_uint32("controlvector.layer_count", len(directions))
    for layer, vector in directions.items():
        writer.add_tensor(f"direction.{layer}", vector)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def random_directions(spec, layers, size, seed):
    rng = np.random.default_rng(seed)
    return {layer: (size * rng.standard_normal(spec.hidden)).astype(np.float32) for layer in layers}


@torch.no_grad()
def logits(model, shifts, ids):
    """Of every position, shifts (layer -> tensor[hidden]) added at all of them."""
    with test_caa.hooked(model, "residual", lambda layer, out: out + shifts[layer] if layer in shifts else None):
        return reference.logits(model, ids)


@pytest.mark.parametrize("site", ["mlp", "residual"])
@pytest.mark.parametrize("name", NAMES)
def test_our_file(name, site, cna, folder_of):
    spec, folder = models.SPECS[name], folder_of(name)
    path = find(cna, folder, "--site", site, "--layers", f"0:{spec.layers - 1}")
    want, largest = test_caa.vectors(reference.load(folder), site, ids_of(cna, folder, POSITIVE),
                                     ids_of(cna, folder, NEGATIVE))
    reader = gguf.GGUFReader(path)
    values = {key: field.contents() for key, field in reader.fields.items()}
    assert values["general.architecture"] == "controlvector"
    assert values["controlvector.model_hint"] == spec.family
    assert values["controlvector.layer_count"] == spec.layers - 1
    assert values["cna.operation"] == "add"
    assert values["cna.hook"] == {"mlp": "mlp.output", "residual": "layer.output"}[site]
    assert values["cna.layer_map"] == "direction.N behind layer N, layers from 0"
    assert values["cna.model.n_layers"] == spec.layers
    assert len(values["cna.prompts.positive"]) == len(POSITIVE)
    assert [tensor.name for tensor in reader.tensors] == [f"direction.{n}" for n in range(1, spec.layers)]
    got = np.array([values["cna.direction.0"], *(tensor.data for tensor in reader.tensors)])
    assert all(tensor.tensor_type == gguf.GGMLQuantizationType.F32 for tensor in reader.tensors)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5 * largest)


def test_one_layer_is_the_middle_one(cna, folder_of):
    spec, folder = models.SPECS["llama-half"], folder_of("llama-half")
    assert [tensor.name for tensor in gguf.GGUFReader(find(cna, folder)).tensors] == [f"direction.{spec.layers // 2}"]


@pytest.mark.parametrize("alpha", [1, -0.75])
@pytest.mark.parametrize("name", ["llama-half", "qwen-7b"])
def test_their_file(name, alpha, cna, folder_of):
    spec, folder = models.SPECS[name], folder_of(name)
    model, stops = reference.load(folder), reference.stop_tokens(folder)
    directions = random_directions(spec, range(1, spec.layers), 0.3, seed=1)
    path = write_as_repeng(cna.path(".gguf"), directions, "llama")
    shifts = {layer: torch.from_numpy(vector) * alpha for layer, vector in directions.items()}
    prompts = models.token_prompts(spec, LENGTHS, seed=9)
    args = ["--caa-vector", path, "--alpha", alpha]
    test_logits.assert_close(cna.logits(folder, prompts, spec.rows, *args),
                             [logits(model, shifts, ids) for ids in prompts])
    changed = 0
    for line, ids in zip(cna.generate(folder, prompts, *args, max_tokens=16), prompts, strict=True):
        trace = test_caa.greedy(model, "residual", shifts, "all", ids, 16, stops)
        reference.assert_same_generation(line, trace)
        changed += trace.ids != test_caa.greedy(model, "residual", {}, "all", ids, 16, stops).ids
    assert changed > 0, "no generation felt the vectors"


@pytest.mark.parametrize("layer", range(1, 4))
def test_direction_n_is_added_behind_layer_n(layer, cna, folder_of):
    spec, folder = models.SPECS["qwen-7b"], folder_of("qwen-7b")
    model, prompts = reference.load(folder), models.token_prompts(spec, [9], seed=10)
    directions = random_directions(spec, [layer], 1, seed=layer)
    path = write_as_repeng(cna.path(".gguf"), directions, "qwen2")
    got = cna.logits(folder, prompts, spec.rows, "--caa-vector", path)
    v = torch.from_numpy(directions[layer])
    test_logits.assert_close(got, [logits(model, {layer: v}, prompts[0])])
    with pytest.raises(AssertionError):
        test_logits.assert_close(got, [logits(model, {layer - 1: v}, prompts[0])])


def test_files_of_another_shape(cna, folder_of):
    spec, folder = models.SPECS["qwen-7b"], folder_of("qwen-7b")
    generate = ["generate", "-m", folder, "--raw", "--prompt-ids", "1,2", "--caa-vector"]
    wide = write_as_repeng(cna.path(".gguf"), {1: np.zeros(spec.hidden + 1, dtype=np.float32)}, "qwen2")
    assert f"expected some for {spec.layers} layers of {spec.hidden} components" in cna.fails(*generate, wide)
    deep = write_as_repeng(cna.path(".gguf"), random_directions(spec, [spec.layers], 1, seed=0), "qwen2")
    assert f"found layer {spec.layers}" in cna.fails(*generate, deep)


def llama_cpp_logits(llama, model_path, vector_path, alpha, ids):
    """What llama.cpp computes in f32 with a control vector. Its loader is in no library: as it does, direction.N goes to
    place N - 1 of what llama_set_adapter_cvec takes."""
    context_params = llama.llama_context_default_params()
    context_params.n_ctx = context_params.n_batch = 256
    context_params.type_k = context_params.type_v = 0  # f32
    context_params.flash_attn_type = 0  # else it works in f16
    model = llama.llama_model_load_from_file(str(model_path).encode(), llama.llama_model_default_params())
    context = llama.llama_init_from_model(model, context_params)
    size, n_layers = llama.llama_model_n_embd(model), llama.llama_model_n_layer(model)
    data = np.zeros((n_layers, size), dtype=np.float32)
    for tensor in gguf.GGUFReader(vector_path).tensors:
        data[int(tensor.name.removeprefix("direction.")) - 1] += alpha * tensor.data
    pointer = data.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    assert llama.llama_set_adapter_cvec(context, pointer, data.size, size, 1, n_layers) == 0
    batch = llama.llama_batch_init(len(ids), 0, 1)
    batch.n_tokens = len(ids)
    for i, token in enumerate(ids):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.logits[i] = token, i, 1, 1
        batch.seq_id[i][0] = 0
    assert llama.llama_decode(context, batch) == 0
    rows = llama.llama_vocab_n_tokens(llama.llama_model_get_vocab(model))
    out = [np.ctypeslib.as_array(llama.llama_get_logits_ith(context, i), (rows,)).copy() for i in range(len(ids))]
    llama.llama_batch_free(batch)
    llama.llama_free(context)
    llama.llama_model_free(model)
    return np.array(out)


@pytest.mark.parametrize("args", [[], ["--layers", "1:3"], ["--site", "mlp", "--layers", "1:3"]])
def test_llama_cpp_adds_the_same(args, cna, folder_of, tmp_path):
    llama = pytest.importorskip("llama_cpp", reason="llama-cpp-python is not installed (it takes minutes to build)")
    spec, folder = models.SPECS["llama-1b"], folder_of("llama-1b")
    path = gguf_files.write(reference.load(folder), folder, tmp_path, "F32").path
    vector, ids = find(cna, folder, *args), models.token_prompts(spec, [17], seed=11)
    for alpha in (1, -0.5):
        got = cna.logits(path, ids, spec.rows, "--caa-vector", vector, "--alpha", alpha)
        test_logits.assert_close(got, [llama_cpp_logits(llama, path, vector, alpha, ids[0])])

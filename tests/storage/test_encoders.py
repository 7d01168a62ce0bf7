"""A published encoder computes the codes of its model, in every format, under every transformation, for every kind."""

import ast
import dataclasses
import functools
import re
import shlex

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import aejax
from aejax.autoencoders.registry import KINDS
from aejax.data.scalers import Scaler, apply_scaler
from aejax.errors import InputError
from aejax.report.model_card import render_model_card
from aejax.storage.encoder_metadata import read_metadata
from aejax.storage.export import require_available, write_encoder
from aejax.storage.formats import read_safetensors
from aejax.storage.numpy_forward import numpy_forward
from aejax.storage.pretrained_encoder import load_encoder
from aejax.storage.pytree_io import load_tree, named_leaves

CODES = {"mean": {}, "sample": {"posterior_code": "sample"}, "both": {"posterior_code": "mean-and-deviation"}}
SAME_ENCODER = {
    **dict.fromkeys(("denoising", "masked", "stacked"), "undercomplete"),
    **{"matryoshka": "batch-top-k", "beta-vae": "vae", "conv-denoising": "conv"},
}
CASES = {
    **{kind: (kind, {}) for kind in KINDS if kind not in SAME_ENCODER},
    **{f"vae-{code}": ("vae", model) for code, model in CODES.items() if model},
    "normalised": ("undercomplete", {"batch_norm": True, "activation": "leaky_relu", "conventions": "keras"}),
    "gelu": ("undercomplete", {"activation": "gelu", "code_activation": "tanh"}),
    "single": ("undercomplete", {"hidden": (), "code_activation": "sigmoid"}),
}
CONVOLUTIONAL = {"conv", "conv-vae"}


def assert_close(actual, expected):
    """Asserts equality to 1e-6 of the largest code."""
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6 * max(1.0, np.abs(expected).max()))


def expected_codes(model, variables, scaled_by, inputs):
    return model.encode(variables, apply_scaler(Scaler(**scaled_by["scaler"]), jnp.reshape(inputs, (len(inputs), -1))))


@pytest.mark.parametrize(("kind", "other"), SAME_ENCODER.items())
def test_kinds_that_differ_in_their_training_alone_have_one_encoder(make_problem_spec, kind, other):
    problem = make_problem_spec((8, 8, 1), bounded=True)
    assert KINDS[kind](problem).model.encoder == KINDS[other](problem).model.encoder


@pytest.mark.parametrize(("kind", "changes"), CASES.values(), ids=CASES)
def test_every_kind_gives_the_same_codes_in_every_format(make_published, tmp_path, raw, kind, changes):
    model, (variables,), (own,) = make_published(tmp_path / "encoder", kind, model=changes)
    expected = jax.jit(functools.partial(expected_codes, model))(variables, own, raw)
    encode = load_encoder(tmp_path / "encoder")
    assert_close(jax.jit(encode)(raw), expected)
    assert encode.width == expected.shape[1]

    arrays = read_safetensors(tmp_path / "encoder", jax.eval_shape(lambda: encode.variables))
    jax.tree.map(np.testing.assert_array_equal, arrays, encode.variables)  # which Orbax read

    program = export.deserialize(bytearray((tmp_path / "encoder" / "encode.stablehlo").read_bytes()))
    assert set(program.platforms) == {"cpu", "cuda", "tpu"}
    assert_close(program.call(raw), expected)

    source = numpy_forward(model)
    assert (source is None) == (kind in CONVOLUTIONAL or changes.get("posterior_code") == "sample")
    if source:
        names: dict = {}
        exec(source, names)
        assert_close(names["encode"](named_leaves(arrays), raw), expected)


def test_stacked_seeds_are_their_singles(make_published, tmp_path, raw):
    folder = tmp_path / "encoder"
    model, ones, own = make_published(folder, "batch-top-k", seeds=(4, 0, 2), stacked=True)
    encode = load_encoder(folder)
    codes = encode(raw)
    assert codes.shape == (3, 5, encode.width)
    for at, seed in enumerate((4, 0, 2)):
        assert_close(codes[at], expected_codes(model, ones[at], own[at], raw))
        one = encode.select_seed(seed)
        assert_close(one(raw), codes[at])
        assert one.seeds == (seed,)
        assert one.metadata.preprocessing.shift == ((seed + 3.0,),)
    assert_close(jax.vmap(encode.apply, in_axes=(0, None))(encode.variables, raw), codes)
    program = export.deserialize(bytearray((folder / "encode.stablehlo").read_bytes()))
    for batch in (raw, raw[:1]):
        assert_close(program.call(batch), codes[:, : len(batch)])
    with pytest.raises(InputError, match="seed 1: is not among those published, 4, 0, 2"):
        encode.select_seed(1)


def test_the_forward_pass_of_a_card_is_a_jax_function_with_jax_numpy(make_published, tmp_path, raw):
    model, (variables,), (own,) = make_published(tmp_path / "encoder", "k-sparse", formats=("safetensors",))
    names: dict = {}
    exec(numpy_forward(model).replace("import numpy", "import jax.numpy"), names)
    with jax.numpy_rank_promotion("allow"):
        codes = jax.jit(names["encode"])(named_leaves(load_encoder(tmp_path / "encoder").variables), raw)
    assert_close(codes, expected_codes(model, variables, own, raw))


@pytest.fixture(scope="module")
def encode(pristine):
    return aejax.load_encoder(str(pristine))


def test_it_is_pure_under_jit_and_vmap(encode, raw):
    codes = encode(raw)
    assert_close(jax.jit(encode)(raw), codes)
    assert_close(jax.jit(encode.apply)(encode.variables, raw), codes)
    assert_close(jax.vmap(encode)(raw), codes)  # single examples
    assert_close(jax.vmap(encode)(raw[None])[0], codes)
    np.testing.assert_array_equal(encode(raw), codes)


def test_its_derivatives_are_the_finite_differences(encode, raw):
    inputs = raw.astype(np.float32)
    direction = np.random.default_rng(0).standard_normal(inputs.shape).astype(np.float32)
    _, tangent = jax.jvp(encode, (jnp.asarray(inputs),), (jnp.asarray(direction),))
    step = 1e-2
    ahead, behind = encode(inputs + step * direction), encode(inputs - step * direction)
    differences = (ahead - behind) / (2 * step)
    np.testing.assert_allclose(tangent, differences, atol=1e-3)

    def loss(params):
        return jnp.sum(encode.apply({**encode.variables, "params": params}, inputs)[:, 0])

    gradients = jax.grad(loss)(encode.variables["params"])
    np.testing.assert_allclose(gradients["code"]["bias"], [len(inputs)] + [0.0] * (encode.width - 1), atol=1e-5)


def test_any_real_dtype_and_flat_inputs_give_the_same_codes(encode, raw):
    codes = encode(raw)
    for dtype in (np.int8, np.int64, np.float16, np.float32, np.float64):
        assert_close(encode(raw.astype(dtype)), codes)
    assert_close(encode(raw.reshape(5, 64)), codes)
    assert_close(encode(raw[..., 0]), codes)  # grey images as most files have them
    assert_close(encode(raw[2]), codes[2])
    assert_close(encode(raw[2].reshape(64)), codes[2])


@pytest.mark.parametrize("shape", [(5, 8, 7), (5, 63), (8, 8, 3), (), (64, 1)])
def test_inputs_of_another_shape_are_refused_with_both_shapes(encode, shape):
    expected = re.escape(f"inputs of shape {shape}: expected (batch, 8, 8, 1) or (batch, 64) or (batch, 8, 8)")
    with pytest.raises(ValueError, match=expected):
        encode(np.zeros(shape, np.float32))


def test_a_flat_kind_is_called_by_its_features(make_published, tmp_path):
    make_published(tmp_path / "encoder", "linear", shape=(6,), formats=("safetensors",))
    encode = load_encoder(tmp_path / "encoder")
    assert encode.example_shape == (6,)
    assert encode(np.zeros((3, 6))).shape == (3, encode.width)
    with pytest.raises(ValueError, match=r"expected \(batch, 6\)$"):
        encode(np.zeros((3, 5)))


def test_the_sum_that_the_publisher_told_opens_it_and_another_does_not(make_published, pristine):
    import hashlib

    told = hashlib.sha256((pristine / "manifest.json").read_bytes()).hexdigest()
    load_encoder(pristine, sha256=told.upper())
    with pytest.raises(InputError, match="expected 000"):
        load_encoder(pristine, sha256="0" * 64)


def test_an_encoder_folder_is_replaced_only_when_asked_and_other_folders_never(published, tmp_path):
    with pytest.raises(InputError, match="--overwrite"):
        require_available(published, overwrite=False)
    require_available(published, overwrite=True)
    (tmp_path / "thesis").mkdir()
    require_available(tmp_path / "thesis", overwrite=False)
    (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(InputError, match="no encoder; give another --out"):
        require_available(tmp_path / "thesis", overwrite=True)
    with pytest.raises(InputError, match="is not a folder"):
        require_available(tmp_path / "thesis" / "chapter.txt", overwrite=True)


def test_an_encoder_that_a_killed_replacement_had_moved_aside_is_put_back(published):
    work = published.with_name(f".{published.name}.export")
    work.mkdir()
    published.rename(work / "old")  # what a kill between two renames leaves
    with pytest.raises(InputError, match="holds an encoder already"):
        require_available(published, overwrite=False)
    assert load_encoder(published).width
    assert not work.exists()


@pytest.fixture
def described(published):
    """A description, and the arrays it describes."""
    return read_metadata(published), load_tree(published / "orbax").tree


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_another_made_while_an_export_worked_is_not_touched(described, tmp_path, overwrite):
    folder = tmp_path / "new"

    def made_meanwhile(*_):
        folder.mkdir()
        (folder / "chapter.txt").write_text("years of work")
        return ""

    with pytest.raises(InputError, match="new: was made by another process in the meantime"):
        write_encoder(folder, *described, made_meanwhile, overwrite=overwrite)
    assert (folder / "chapter.txt").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder", "new"]


def test_an_empty_folder_becomes_the_encoder_and_the_same_export_again_changes_nothing(described, tmp_path):
    (tmp_path / "new").mkdir()
    digest = write_encoder(tmp_path / "new", *described, lambda *_: "card")
    assert write_encoder(tmp_path / "new", *described, lambda *_: pytest.fail("written again")) == digest
    other = dataclasses.replace(described[0], code_width=7)
    with pytest.raises(InputError, match="holds an encoder already"):
        write_encoder(tmp_path / "new", other, described[1], lambda *_: "card")


def test_of_two_exports_to_one_folder_the_second_ends_and_leaves_the_first(described, tmp_path):
    folder = tmp_path / "new"

    def second(*_):
        with pytest.raises(InputError, match="new: another process exports to it"):
            write_encoder(folder, *described, lambda *_: "second")
        return "first"

    write_encoder(folder, *described, second)
    assert (folder / "README.md").read_text() == "first"


def test_what_a_killed_export_left_is_removed_by_the_next(described, tmp_path):
    work = tmp_path / ".new.export"
    (work / "new").mkdir(parents=True)
    (work / "new" / "half").touch()
    (work / ".lock").touch()
    write_encoder(tmp_path / "new", *described, lambda *_: "card")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder", "new"]
    assert not (tmp_path / "new" / "half").exists()


@pytest.mark.parametrize("name", ["a b", "it's", 'say "hi"', "$(id); x", "[bold]", "*star*"])
def test_a_card_quotes_the_name_of_its_folder(pristine, name):
    card = render_model_card(name, read_metadata(pristine), {"params.code.bias": ("float32", (6,))}, None, {})
    (shell,) = re.findall(r"```sh\n(.*?)```", card, flags=re.DOTALL)
    assert shlex.split(shell) == ["sha256sum", f"{name}/manifest.json"]
    literals = set()
    for snippet in re.findall(r"```python\n(.*?)```", card, flags=re.DOTALL):
        tree = ast.parse(snippet)
        literals |= {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert {name, f"{name}/orbax"} <= literals

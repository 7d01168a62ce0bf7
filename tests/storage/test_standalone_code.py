"""The code on a published encoder's card gives the same codes without this package.

Each test runs it in a process that can import only some distributions and their requirements.
"""

import importlib.metadata
import re
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import aejax
from aejax.data.scalers import Scaler, apply_scaler

CLOSED = """
import sys

sys.modules.update(dict.fromkeys({refused}))  # as if they were not installed
import numpy as np
inputs = np.load("inputs.npy")
"""


def refused_with(*names):
    """Top-level modules that are here and that `pip install NAMES` in a fresh environment would not bring."""
    wanted, found = list(names), set()
    while wanted:
        name = canonicalize_name(wanted.pop())
        if name not in found:
            found.add(name)
            requirements = map(Requirement, importlib.metadata.requires(name) or ())
            wanted += [own.name for own in requirements if own.marker is None or own.marker.evaluate({"extra": ""})]
    owners_of = importlib.metadata.packages_distributions()
    brought = {module for module, owners in owners_of.items() if found & set(map(canonicalize_name, owners))}
    return (owners_of.keys() - brought) | {"aejax"}


@pytest.fixture(scope="module")
def shelf(make_published, raw, tmp_path_factory):
    """A folder with a published encoder, `ENCODER`, three of it, `STACKED`, and raw inputs; and all their codes."""
    folder = tmp_path_factory.mktemp("shelf")
    model = {"sparse_hidden": (24,), "activation": "leaky_relu", "batch_norm": True}
    make_published(folder / "ENCODER", "k-sparse", model=model)
    built, ones, own = make_published(folder / "STACKED", "k-sparse", model=model, seeds=(0, 1, 2), stacked=True)
    np.save(folder / "inputs.npy", raw)
    flat = jnp.reshape(raw, (len(raw), -1))
    scaled = [apply_scaler(Scaler(**seed["scaler"]), flat) for seed in own]
    return folder, np.stack([built.encode(one, inputs) for one, inputs in zip(ones, scaled, strict=True)])


def snippet(folder, encoder, heading):
    card = (folder / encoder / "README.md").read_text()
    return re.search(rf"^##+ {heading}\n.*?```python\n(.*?)```", card, flags=re.DOTALL | re.MULTILINE)[1]


def codes_of(folder, refused, code):
    """What `codes` are when a process has run the code where the encoders lie."""
    program = CLOSED.replace("{refused}", repr(refused)) + code + '\nnp.save("codes.npy", np.asarray(codes))\n'
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=folder, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return np.load(folder / "codes.npy")


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6 * max(1.0, np.abs(expected).max()))


def test_with_jax_and_orbax_alone(shelf):
    folder, expected = shelf
    refused = refused_with("jax", "orbax-checkpoint")
    assert {"flax", "optax", "safetensors"} <= refused
    by_hand = snippet(folder, "ENCODER", "NumPy")
    with_jax = by_hand.replace("import numpy as np", "import jax.numpy as np")
    assert with_jax != by_hand
    code = snippet(folder, "ENCODER", "Orbax") + by_hand + "\nfirst = codes\n" + with_jax + "\ncodes = [first, codes]\n"
    for codes in codes_of(folder, refused, code):
        assert_close(codes, expected[0])


def test_with_safetensors_and_numpy_alone(shelf):
    folder, expected = shelf
    refused = refused_with("safetensors", "numpy")
    assert {"jax", "orbax"} <= refused
    for encoder in ("ENCODER", "STACKED"):
        code = snippet(folder, encoder, "safetensors") + snippet(folder, encoder, "NumPy")
        assert_close(codes_of(folder, refused, code), expected[0])


def test_with_jax_export_alone(shelf):
    folder, expected = shelf
    refused = refused_with("jax", "flatbuffers")
    assert {"flax", "orbax", "safetensors"} <= refused
    assert_close(codes_of(folder, refused, snippet(folder, "ENCODER", r"jax\.export")), expected[0])
    assert_close(codes_of(folder, refused, snippet(folder, "STACKED", r"jax\.export")), expected)


def test_with_python_alone_its_sums_are_checked(shelf):
    folder, _ = shelf
    code = snippet(folder, "ENCODER", "Check it") + "\ncodes = len(files)"
    assert codes_of(folder, refused_with("numpy"), code) > 5
    path = folder / "ENCODER" / "encoder.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(AssertionError, match=r"AssertionError: encoder\.safetensors"):
        codes_of(folder, refused_with("numpy"), code)
    path.write_bytes(whole)


def test_with_ours_the_card_runs_too(shelf, monkeypatch):
    folder, expected = shelf
    monkeypatch.chdir(folder)
    names = {"inputs": np.load("inputs.npy")}
    exec(snippet(folder, "STACKED", "aejax"), names)
    assert_close(names["codes"], expected)
    assert isinstance(names["encode"], type(aejax.load_encoder("ENCODER")))


def test_a_stranger_really_has_nothing_of_ours(shelf):
    folder, _ = shelf
    with pytest.raises(AssertionError, match="ModuleNotFoundError: import of aejax halted"):
        codes_of(folder, refused_with("jax", "orbax-checkpoint"), "import aejax")

"""The README's snippets on published encoders run unchanged."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

README = (Path(__file__).parents[2] / "README.md").read_text()


@pytest.fixture(scope="module")
def names(pristine, raw):
    """The variables after all snippets of the section have run in order."""
    section = README.split("### Encoders in your own code")[1].split("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert len(blocks) == 4
    found: dict = {"images": raw, "labels": jnp.arange(len(raw))}
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(pristine.parent)
        for block in blocks:
            exec(block.replace("ENCODER", pristine.name), found)
    return found


def test_the_loop_trains_a_head_on_the_codes(names):
    start = jax.tree.map(jnp.zeros_like, names["head"])
    before = names["loss"](start, names["images"], names["labels"])
    np.testing.assert_allclose(before, np.log(10), rtol=1e-6)
    assert names["value"] < before


def test_the_module_starts_as_the_encoder_and_trains_it(names):
    images, variables, module = names["images"], names["variables"], names["Classifier"]()
    jax.tree.map(np.testing.assert_array_equal, variables["params"]["encoder"], names["encode"].variables["params"])
    gradient = jax.grad(lambda own: jnp.sum(jnp.square(module.apply(own, images))))(variables)
    for name in ("hidden", "code"):
        leaves = jax.tree.leaves(gradient["params"]["encoder"][name])
        assert sum(float(jnp.abs(leaf).sum()) for leaf in leaves) > 0


def test_the_arrays_are_those_that_the_encoder_computes_with(names):
    jax.tree.map(np.testing.assert_array_equal, names["params"], names["encode"].variables)

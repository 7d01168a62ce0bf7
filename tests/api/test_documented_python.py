"""The Python of README and pages runs as it is, in the order of each page, with fewer epochs and seeds."""

import functools
import re
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import aejax

ROOT = Path(__file__).parents[2]
PAGES = {path.stem: path.read_text() for path in [ROOT / "README.md", *(ROOT / "aejax" / "docs").glob("[a-z]*.md")]}
BLOCKS = {name: re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL) for name, page in PAGES.items()}


@pytest.fixture(scope="module")
def names_of(tmp_path_factory):
    """A function that returns the variables after all programs of a page have run, in a folder of their own."""

    @functools.cache
    def run(page):
        found: dict = {"__name__": page}
        with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
            patched.chdir(tmp_path_factory.mktemp(page))
            for block in BLOCKS[page]:
                exec(re.sub(r"seeds=10", "seeds=4", re.sub(r"epochs=\d+", "epochs=2", block)), found)
            if Path("ENCODER").is_dir():
                found["encoded"] = aejax.load_encoder("ENCODER")(found["images"])
        return found

    return run


def test_the_pages_with_programs_are_those_that_run_here():
    assert {name for name, blocks in BLOCKS.items() if blocks} == {"README", "kinds", "python", "shards"}


def test_every_program_of_the_readme_is_short():
    assert len(BLOCKS["README"]) == 5
    assert all(len([line for line in block.splitlines() if line]) <= 10 for block in BLOCKS["README"])


@pytest.mark.slow
def test_the_programs_of_the_readme_judge_train_and_search(names_of):
    names = names_of("README")
    pairs = names["result"].verdicts[["method", "baseline"]].to_numpy().tolist()
    assert pairs == [["clip", "raw"], ["clip", "pca"], ["factors", "raw"], ["factors", "pca"]]
    assert names["codes"].shape == (4, 1797, 16)
    assert names["restored"].shape == (4, 1797, 8, 8, 1)
    assert len(names["axes"].lines) == 4
    np.testing.assert_allclose(names["encoded"], names["codes"][0], atol=1e-5)
    assert names["search"].best_params_["autoencodertransformer__n_components"] in (3, 6)


@pytest.mark.slow
def test_a_kind_of_ones_own_has_its_penalty_and_its_controls(names_of):
    names = names_of("kinds")
    assert names["result"].verdicts["baseline"].tolist() == ["raw", "random-decorrelated"]
    errors = [
        aejax.pretrain("wine", kind, seeds=2, epochs=2).results["reconstruction_mse"]["mean"]
        for kind in ("undercomplete", "decorrelated")
    ]
    assert errors[0] != errors[1]


@pytest.mark.slow
def test_the_loop_trains_a_head_on_the_codes(names_of):
    names = names_of("python")
    start = jax.tree.map(jnp.zeros_like, names["head"])
    before = names["loss"](start, names["images"], names["labels"])
    np.testing.assert_allclose(before, np.log(10), rtol=1e-6)
    assert names["value"] < before


@pytest.mark.slow
def test_the_module_starts_as_the_encoder_and_trains_it(names_of):
    names = names_of("python")
    images, variables, module = names["images"], names["variables"], names["Classifier"]()
    jax.tree.map(np.testing.assert_array_equal, variables["params"]["encoder"], names["encode"].variables["params"])
    gradient = jax.grad(lambda own: jnp.sum(jnp.square(module.apply(own, images))))(variables)
    leaves = jax.tree.leaves(gradient["params"]["encoder"])
    assert any(float(jnp.abs(leaf).sum()) > 0 for leaf in leaves)


@pytest.mark.slow
def test_the_arrays_are_those_that_the_encoder_computes_with(names_of):
    names = names_of("python")
    jax.tree.map(np.testing.assert_array_equal, names["params"], names["encode"].variables)
    assert repr(names["encode"]) == "PretrainedEncoder(vae on digits: (8, 8, 1) to 16, seed 0)"


@pytest.mark.slow
def test_estimators_and_probe_take_the_arrays(names_of):
    names = names_of("python")
    assert names["report"].accuracy > 0.8
    assert names["codes"].get_feature_names_out().shape == (5,)
    assert names["frozen"].predict_proba(names["X"]).shape == (178, 3)

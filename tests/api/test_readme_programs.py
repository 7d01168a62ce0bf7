"""The README's programs in Python run as they are, with fewer epochs and seeds; each has at most ten lines."""

import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import aejax

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.split("### In Python")[1].split("\n### ")[0]
BLOCKS = re.findall(r"```python\n(.*?)```", SECTION, flags=re.DOTALL)
KIND = next(
    block for block in re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL) if "def decorrelated" in block
)


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """The variables after all programs have run in order, in a folder of their own."""
    found: dict = {}
    with pytest.MonkeyPatch.context() as patched, warnings.catch_warnings():
        patched.chdir(tmp_path_factory.mktemp("programs"))
        for block in BLOCKS:
            exec(re.sub(r"seeds=10", "seeds=4", re.sub(r"epochs=\d+", "epochs=2", block)), found)
        found["encoded"] = aejax.load_encoder("ENCODER")(found["images"])
    return found


def test_every_program_is_short():
    assert len(BLOCKS) == 4
    assert all(len(block.strip().splitlines()) <= 10 for block in BLOCKS)


def test_own_features_are_compared_with_the_controls(names):
    pairs = names["result"].verdicts[["method", "baseline"]].to_numpy().tolist()
    assert pairs == [["clip", "raw"], ["clip", "pca"], ["factors", "raw"], ["factors", "pca"]]


def test_the_model_encodes_plots_and_is_published(names):
    assert names["codes"].shape == (4, 1797, 16)
    assert names["restored"].shape == (4, 1797, 8, 8, 1)
    assert len(names["axes"].lines) == 4
    np.testing.assert_allclose(names["encoded"], names["codes"][0], atol=1e-5)


def test_the_search_chooses_a_width(names):
    assert names["search"].best_params_["autoencodertransformer__n_components"] in (3, 6)


def test_a_kind_of_ones_own_stands_in_the_table(names):
    found: dict = {}
    exec(KIND, found)
    aejax.register("decorrelated", found["decorrelated"])
    methods = ["raw", "random-decorrelated", found["decorrelated"]]
    result = aejax.compare(names["X"], names["y"], methods=methods, seeds=4, epochs=2, probe="ridge")
    assert result.verdicts["baseline"].tolist() == ["raw", "random-decorrelated"]

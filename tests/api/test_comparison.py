"""`aejax.compare` gives the numbers of `compare.py`, without files; rows of one's own stand next to the others."""

import dataclasses
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_wine

import aejax
from aejax.autoencoders.spec import AutoencoderSpec
from aejax.methods.external import precomputed
from aejax.objectives.deterministic import autoencoder_objective

X, Y = load_wine(return_X_y=True)
SETTINGS = {"seeds": 3, "epochs": 2, "probe": "ridge"}
METHODS = ["raw", "pca", "undercomplete"]


def decorrelated(problem):
    """A kind of one's own: correlation between units costs."""

    def penalty(passed):
        centered = passed.latents - passed.latents.mean(axis=0, keepdims=True)
        covariance = centered.T @ centered / len(centered)
        return 0.01 * jnp.sum(jnp.square(covariance - jnp.diag(jnp.diag(covariance))))

    model = problem.autoencoder
    return AutoencoderSpec(model, autoencoder_objective(model, problem.reconstruction_loss, batch_penalties=[penalty]))


def make_kind(weight):
    def my_kind(problem):
        raise AssertionError(weight)

    return my_kind


@pytest.fixture(scope="module")
def result():
    methods = {name: name for name in METHODS} | {"mine": precomputed(X[:, :3]), "random-own": "random-own"}
    aejax.register("own", decorrelated)
    return aejax.compare(X, Y, methods=methods | {"own": decorrelated}, versus=["mine"], **SETTINGS)


def test_a_folder_holds_the_same_numbers_and_is_read_again(result, tmp_path):
    folder = tmp_path / "run"
    stored = aejax.compare("wine", methods=METHODS, out=folder, **SETTINGS)
    again = aejax.compare("wine", methods=METHODS, out=folder, **SETTINGS)
    assert {"results.json", "scores.npz", "report.html", "table.md", "accuracy.png"} <= {
        p.name for p in folder.iterdir()
    }
    assert again.results == stored.results
    for name in ("accuracy", "nll"):
        expected = result.methods.set_index("method").loc[METHODS, name]
        np.testing.assert_array_equal(stored.methods.set_index("method")[name], expected)
    with pytest.raises(aejax.InputError, match="holds another run"):
        aejax.compare("wine", methods=METHODS, out=folder, **SETTINGS | {"epochs": 3})


def test_own_features_and_kinds_are_compared_with_every_control_they_have(result):
    verdicts = result.verdicts
    controls = verdicts[verdicts["family"] != "versus"].groupby("method", sort=False)["baseline"].agg(list)
    assert controls.to_dict() == {
        "undercomplete": ["raw", "pca"],
        "mine": ["raw", "pca"],
        "own": ["raw", "pca", "random-own"],
    }
    assert verdicts.loc[verdicts["family"] == "versus", "method"].tolist() == ["undercomplete", "own"]
    assert result.methods.set_index("method")["role"]["mine"] == "external"


def test_what_a_result_shows(result, tmp_path):
    assert result.scores["correct"].shape == (6, 3, 35)
    np.testing.assert_allclose(result.scores["correct"].mean(axis=2).ravel(), result.per_seed["accuracy"], rtol=1e-6)
    subjects = [sentence.split(":")[0] for sentence in result.summary.splitlines()]
    assert subjects == ["undercomplete", "mine", "own", "undercomplete (--versus)", "own (--versus)"]
    assert len(repr(result)) < 2000
    assert "undercomplete" in str(result)
    assert "<svg" in result._repr_html_()
    assert len(result.plot("accuracy").axes) == 1
    saved = result.save(tmp_path / "saved")
    assert {path.name for path in saved.iterdir()} == {"results.json", "scores.npz", "table.md", "report.html"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("diagnostics", r"plot\('diagnostics'\): needs a method that has features, such as raw"),
        ("label_curve", r"plot\('label_curve'\): needs compare\(..., label_curve=True\)"),
        ("roc", r"plot\('roc'\): there are accuracy, differences, diagnostics, label_curve"),
    ],
)
def test_a_figure_of_what_was_not_measured_is_rejected(result, name, message):
    results = {key: value for key, value in result.results.items() if key != "diagnostics"}  # as of methods=["svm"]
    with pytest.raises(aejax.InputError, match=message):
        dataclasses.replace(result, results=results).plot(name)


@pytest.mark.slow
def test_a_second_comparison_of_the_same_shapes_compiles_nothing():
    settings = SETTINGS | {"methods": ["raw", "supervised", "svm", "vae"]}
    aejax.compare("wine", **settings)
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(lambda event, seconds, **_: compiled.append(event))
    aejax.compare("wine", **settings)
    assert "/jax/core/compile/backend_compile_duration" not in compiled


def test_features_fitted_elsewhere_get_the_rows_of_the_comparison(result):
    drawn = aejax.make_split(X, Y, seeds=SETTINGS["seeds"])
    assert drawn.sha256 == result.results["dataset"]["split_sha256"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: aejax.compare(X), "has no labels to classify by"),
        (lambda: aejax.compare("wine", Y), "y: the dataset has labels already"),
        (lambda: aejax.compare(X, Y, methods=["rwa"]), "methods=rwa: no such method; did you mean raw"),
        (lambda: aejax.compare(X, Y, methods=[precomputed(X)]), "methods: a representation has no name"),
        (lambda: aejax.compare(X, Y, methods=["raw", *map(make_kind, (1, 2))]), "two of them are called 'my-kind'"),
        (lambda: aejax.compare(X, Y, methods={"raw": precomputed(X)}), "'raw' is a method of aejax"),
        (lambda: aejax.compare(X, Y, methods={"..": precomputed(X)}), "'..' cannot be the name of a row"),
        (lambda: aejax.compare(X, Y, seeds=0), "seeds=0: expected at least 1"),
        (lambda: aejax.compare(X, Y, epoch=1), "epoch: no such setting; did you mean epochs"),
        (lambda: aejax.register("pca", decorrelated), "'pca': is a method of aejax already"),
        (lambda: aejax.register("all", decorrelated), "'all': is a method of aejax already"),
    ],
)
def test_errors_are_about_arguments(call, message):
    with pytest.raises(aejax.InputError, match=message):
        call()


def test_importing_takes_little_and_every_public_name_exists():
    code = "import sys, aejax; print(len({'jax', 'numpy', 'pandas', 'matplotlib', 'rich'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
    assert all(getattr(aejax, name) is not None for name in aejax.__all__)

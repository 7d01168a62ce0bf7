"""A decoder whose rows are the true directions recovers them, at any scale and whatever the scaler."""

import dataclasses

import numpy as np
import pytest
from preparing import prepare

from aejax.config import CompareConfig, DataConfig, ModelConfig, ProbeConfig
from aejax.experiments.method_result import fit_and_score
from aejax.experiments.representation_metrics import evaluate_recovery
from aejax.experiments.training import init_variables
from aejax.methods.registry import METHODS

CONFIG = CompareConfig(
    data=DataConfig(
        dataset="superposition",
        superposition_samples=400,
        superposition_features=12,
        superposition_dimensions=6,
        superposition_classes=3,
    ),
    model=ModelConfig(sparse_dim=20),
    probe=ProbeConfig(probe="ridge"),
    seeds=2,
)


@pytest.fixture(scope="module")
def experiment():
    return prepare(CONFIG)


def test_rows_that_are_the_directions_in_scaled_units_recover_them(experiment):
    method = METHODS["k-sparse"](experiment.problem)
    variables = init_variables(experiment, method)
    scaled = experiment.dataset.directions[None] * experiment.scaler.scale[:, None]
    kernel = np.array(variables["params"]["decoder"]["output"]["kernel"])
    kernel[0, :12], kernel[1, 8:] = -3 * scaled[0], scaled[1, ::-1]
    variables["params"]["decoder"]["output"]["kernel"] = kernel
    np.testing.assert_allclose(evaluate_recovery(experiment, method, variables)["recovery"], 1, atol=1e-5)
    kernel[0, 0] = 0  # of one direction of twelve; the nearest other row is left
    unit = scaled[0] / np.linalg.norm(scaled[0], axis=1, keepdims=True)
    rows = kernel[0] / np.maximum(np.linalg.norm(kernel[0], axis=1, keepdims=True), 1e-12)
    expected = np.abs(unit @ rows.T).max(axis=1).mean()
    assert evaluate_recovery(experiment, method, variables)["recovery"][0] == pytest.approx(expected, abs=1e-5)
    assert expected < 0.999


def test_untrained_controls_have_it_and_methods_without_decoder_or_truth_do_not(experiment):
    methods = {name: METHODS[name](experiment.problem) for name in ("pca", "k-sparse", "random-k-sparse")}
    assert "recovery" in fit_and_score(experiment, "random-k-sparse", methods["random-k-sparse"]).measures
    assert evaluate_recovery(experiment, methods["pca"], {}) == {}
    model = dataclasses.replace(experiment.problem.model, posterior_code="mean-and-deviation")
    vae = METHODS["vae"](dataclasses.replace(experiment.problem, model=model))
    assert evaluate_recovery(experiment, vae, init_variables(experiment, vae))["recovery"].shape == (2,)
    unknown = dataclasses.replace(experiment, dataset=dataclasses.replace(experiment.dataset, directions=None))
    assert evaluate_recovery(unknown, methods["k-sparse"], {}) == {}

"""Predicted standard errors are those that experiments have, and plans invert them."""

import numpy as np
import pytest

from aejax.evaluate.estimates import estimate_mean, holdout_design
from aejax.evaluate.power import (
    ASSUMED,
    DesignSizes,
    VarianceComponents,
    describe_resolution,
    design_resolution,
    estimate_components,
    examples_needed,
    standard_error,
)
from aejax.evaluate.simulation import simulated_design
from aejax.evaluate.verdict_metrics import VERDICT_METRICS

COMPONENTS = VarianceComponents(training=0.01**2, example=0.04, residual=0.06)


def draw(design, rng, experiments=300):
    """Differences with these components."""
    trainings, n_test = design.test_index.shape
    rows = int(design.test_index.max()) + 1
    training, example, residual = np.sqrt(COMPONENTS)
    of_examples = example * rng.normal(size=(experiments, rows))
    of_trainings = training * rng.normal(size=(experiments, trainings, 1))
    return (
        of_examples[:, design.test_index] + of_trainings + residual * rng.normal(size=(experiments, trainings, n_test))
    )


@pytest.mark.parametrize(("name", "trainings"), [("holdout", 10), ("cross-validation", 10), ("cross-validation", 4)])
def test_the_predicted_standard_error_and_components_are_those_of_experiments(name, trainings):
    rng = np.random.default_rng(0)
    design = simulated_design(name, rng, trainings, 200)
    differences = draw(design, rng)
    error, degrees = standard_error(COMPONENTS, DesignSizes.of(design))
    estimate = estimate_mean(differences, design, 2)
    assert error**2 == pytest.approx(estimate.variance.mean(), rel=0.08)
    assert degrees == pytest.approx(np.median(estimate.degrees_of_freedom), rel=0.25)
    measured = np.mean([estimate_components(difference, design) for difference in differences], axis=0)
    if trainings == 10:  # one repetition cannot tell examples from the residual
        assert measured[1:] == pytest.approx(COMPONENTS[1:], rel=0.05)
    assert measured[1] + measured[2] == pytest.approx(0.1, rel=0.05)
    if name == "holdout":
        assert measured[0] == pytest.approx(COMPONENTS.training, rel=0.2)


def test_the_examples_needed_are_the_fewest_that_find_the_gap():
    sizes = DesignSizes("holdout", 10, 1)
    examples = examples_needed(0.01, sizes, 6)
    assert design_resolution(sizes._replace(examples=examples), 6) <= 0.01
    assert design_resolution(sizes._replace(examples=examples - 1), 6) > 0.01
    assert examples_needed(0.01, sizes, 1) < examples < examples_needed(0.01, sizes, 6, power=0.95)
    assert examples_needed(1e-4, sizes, 6) is None  # seeds vary by more
    assert examples_needed(0.01, sizes._replace(trainings=2), 6) is None


def test_what_a_design_can_detect_is_announced_and_what_it_cannot_is_warned_of():
    metric = VERDICT_METRICS["accuracy"]

    def describe(trainings, examples, family=4):
        labels = np.arange(examples) % 2
        return describe_resolution(holdout_design(labels, trainings, 1000), [1, family], metric, 0.005)

    line, warnings = describe(10, 2000)
    expected = 100 * design_resolution(DesignSizes("holdout", 10, 2000), 4, ASSUMED)
    assert f"finds {expected:.1f} points of accuracy at 80 % power" in line
    assert warnings == []
    assert "no verdict is possible" in describe(3, 2000)[1][0]
    assert "`--seeds 5`" in describe(3, 2000)[1][0]
    assert "no verdict of equivalent is possible" in describe(10, 36)[1][0]
    one_class = holdout_design(np.zeros(2000, int), 10, 1000)
    assert "of one class" in describe_resolution(one_class, [4], metric, 0.005)[1][0]

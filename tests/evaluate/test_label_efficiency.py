"""Curves over label budgets: bands, crossovers and what a loss costs in labels."""

import numpy as np
import pytest

from aejax.evaluate.curve_simulation import measure_curves
from aejax.evaluate.estimates import estimate_mean, holdout_design
from aejax.evaluate.label_efficiency import (
    correlate_means,
    estimate_curve,
    find_crossings,
    measure_complexity,
    simultaneous_level,
)
from aejax.evaluate.simulation import simulated_design
from aejax.evaluate.verdict_metrics import VERDICT_METRICS

ACCURACY, NLL = VERDICT_METRICS["accuracy"], VERDICT_METRICS["nll"]
TRAININGS, N_TEST = 6, 50
DESIGN = holdout_design(np.arange(N_TEST) % 2, TRAININGS, 200)


def noisy(means, noise, design=DESIGN):
    """Returns values with exactly these means over test examples and trainings."""
    values = noise * np.random.default_rng(0).standard_normal((len(means), *design.test_index.shape))
    return values - values.mean(axis=(1, 2), keepdims=True) + np.asarray(means)[:, None, None]


@pytest.mark.parametrize("name", ["holdout", "cross-validation"])
def test_a_band_of_equal_budgets_is_the_interval_and_one_of_independent_budgets_is_sidaks(name):
    design = simulated_design(name, np.random.default_rng(0), 10, 2000)
    values = np.random.default_rng(1).standard_normal((4, 10, 2000)).astype(np.float64)
    equal = np.repeat(values[:1], 4, axis=0)
    np.testing.assert_allclose(correlate_means(equal, design), 1)
    assert simultaneous_level(equal, design, estimate_mean(equal, design)) == pytest.approx(0.95, abs=0.002)
    if name == "holdout":  # from ten trainings alone, correlations are found where there are none
        level = simultaneous_level(values, design, estimate_mean(values, design)._replace(degrees_of_freedom=1e6))
        assert level == pytest.approx(0.95**0.25, abs=0.003)


def test_budgets_on_which_nothing_varies_have_a_band():
    values = np.zeros((3, TRAININGS, N_TEST))
    values[1] = noisy([0.0], 1)[0]
    curve = estimate_curve(values, DESIGN, ACCURACY, of_difference=True)
    assert np.isfinite(curve.band).all()
    assert (curve.band[0] <= curve.ci95[0]).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_crossing_is_where_the_line_through_the_budgets_crosses(sign):
    labels = np.array([10, 100, 1000])
    values = sign * noisy([0.3, 0.1, -0.1], 0.02)
    curve = estimate_curve(values, DESIGN, NLL, of_difference=True)
    (crossing,) = find_crossings(labels, values, DESIGN, NLL, curve)
    assert crossing.labels == pytest.approx(10**2.5)
    assert crossing.above_before == (sign > 0)
    assert 100 < crossing.ci95[0] < crossing.labels < crossing.ci95[1] < 1000
    moved = estimate_curve(values + 0.1, DESIGN, NLL, of_difference=True)
    (shifted,) = find_crossings(labels, values + 0.1, DESIGN, NLL, moved, 0.1)
    np.testing.assert_allclose(shifted.ci95, crossing.ci95)


def test_there_is_no_crossing_without_both_sides():
    labels = np.array([10, 100, 1000])
    for means, noise in (([0.3, 0.2, 0.1], 0.02), ([0.3, 0.1, -0.1], 5.0), ([0.3, -0.1, 0.3], 1.0)):
        values = noisy(means, noise)
        curve = estimate_curve(values, DESIGN, NLL, of_difference=True)
        assert find_crossings(labels, values, DESIGN, NLL, curve) == []


@pytest.mark.parametrize("epsilon", [0.3, 0.55, 3.0])
def test_complexities_are_whitneys_where_every_number_of_labels_is_a_budget(epsilon):
    labels = np.arange(1, 41)
    losses = noisy(2 / np.sqrt(labels), 0.01)
    measured, mean = measure_complexity(labels, losses, DESIGN, epsilon), losses.mean(axis=(1, 2))
    assert measured.surplus_description_length == pytest.approx(np.maximum(mean - epsilon, 0).sum(), abs=1e-9)
    assert measured.is_lower_bound == (epsilon == 0.3)
    reached = np.flatnonzero(mean <= epsilon)
    if not reached.size:
        assert measured.sample_complexity is None
    else:  # equation 6 takes the first whole number
        assert np.ceil(measured.sample_complexity - 1e-9) == labels[reached[0]]


def test_below_the_smallest_budget_the_loss_counts_as_there():
    labels, losses = np.array([8, 16]), noisy([1.5, 0.5], 0.01)
    last = measure_complexity(labels[:2], losses, DESIGN, 0.5).surplus_description_length
    between = np.interp(np.log(np.arange(9, 17)), np.log(labels), [1.0, 0.0]).sum()
    assert last == pytest.approx(8 * 1.0 + between, rel=1e-6)


@pytest.mark.parametrize("name", ["holdout", "cross-validation"])
def test_bands_and_intervals_contain_known_truths_and_a_crossing_is_recovered(name):
    shares = measure_curves(name, 20, 10, 360)
    for field in ("curve", "difference", "surplus", "complexity"):
        assert shares[field]["ci95"][1] >= 0.95, field
    assert shares["found"]["share"] >= 0.7
    assert shares["missed"]["ci95"][0] <= 0.05
    assert shares["false"]["count"] <= 1

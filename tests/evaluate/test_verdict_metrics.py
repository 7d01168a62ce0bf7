"""Metrics of verdicts: their values are scikit-learn's, and their intervals cover the truth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, log_loss, roc_auc_score

from aejax.evaluate.comparisons import MIN_CLASS_EXAMPLES, compare_pairs, no_verdict_reason
from aejax.evaluate.estimates import EvaluationDesign, estimate_mean, holdout_design
from aejax.evaluate.intervals import mean_interval
from aejax.evaluate.metrics import metric_values, score_predictions
from aejax.evaluate.significance import EXAMPLES_TEST
from aejax.evaluate.verdict_metrics import (
    VERDICT_METRICS,
    auroc_values,
    balanced_accuracy_values,
    estimate_metric,
    placement_values,
)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def predictions(seed: int, classes: int, examples: int = 60):
    """Draws log-probabilities of three seeds, and labels of all classes."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(classes, size=examples - classes)])
    logits = rng.normal(size=(3, examples, classes)) + 1.5 * np.eye(classes)[labels]
    return log_softmax(logits), labels


@given(st.integers(0, 1000), st.integers(2, 5))
@settings(max_examples=12, deadline=None)
def test_the_mean_of_a_metrics_values_is_scikit_learns(seed, classes):
    log_probs, labels = predictions(seed, classes)
    scores = score_predictions(log_probs, labels, "auroc")
    means = {name: metric_values(name, scores, labels).mean(axis=1) for name in VERDICT_METRICS}
    for number, seed_log_probs in enumerate(log_probs):
        probabilities = np.exp(seed_log_probs)
        ranked = probabilities[:, 1] if classes == 2 else probabilities
        predicted = probabilities.argmax(axis=1)
        assert means["accuracy"][number] == pytest.approx((predicted == labels).mean())
        assert means["nll"][number] == pytest.approx(log_loss(labels, probabilities, labels=range(classes)))
        assert means["balanced_accuracy"][number] == pytest.approx(balanced_accuracy_score(labels, predicted))
        assert means["auroc"][number] == pytest.approx(roc_auc_score(labels, ranked, multi_class="ovr"))


@given(
    st.lists(st.integers(0, 4), min_size=2, max_size=20),
    st.lists(st.integers(0, 4), min_size=2, max_size=20),
)
@settings(max_examples=50, deadline=None)
def test_placement_values_are_shares_of_the_other_side_with_ties_as_halves(positives, negatives):
    scores, is_positive = np.array(positives + negatives, float), np.arange(len(positives + negatives)) < len(positives)
    placements = placement_values(scores, is_positive)
    for index, score in enumerate(scores):
        others = scores[is_positive != is_positive[index]]
        right = (others < score) if is_positive[index] else (others > score)
        assert placements[index] == pytest.approx(right.mean() + 0.5 * (others == score).mean())
    auroc = roc_auc_score(is_positive, scores)
    assert placements[is_positive].mean() == pytest.approx(auroc)
    assert placements[~is_positive].mean() == pytest.approx(auroc)
    assert placement_values(-scores, is_positive) == pytest.approx(1 - placements)


def test_values_of_auroc_follow_a_permutation_of_the_examples_and_rank_alone_matters():
    log_probs, labels = predictions(3, 4)
    order = np.random.default_rng(0).permutation(len(labels))
    values = auroc_values(log_probs, labels)
    np.testing.assert_allclose(auroc_values(log_probs[:, order], labels[order]), values[:, order])
    np.testing.assert_allclose(auroc_values(3 * log_probs, labels), values)


def test_the_variance_of_an_auroc_is_delongs():
    log_probs, labels = predictions(0, 2, examples=80)
    scores, positive = log_probs[0, :, 1], labels == 1
    placements = placement_values(scores, positive)
    delong = sum(placements[side].var(ddof=1) / side.sum() for side in (positive, ~positive))
    values, design = auroc_values(log_probs[:1], labels), holdout_design(labels, 1, 100)
    assert estimate_mean(values, design, by_class=True).variance == pytest.approx(delong)


@pytest.mark.parametrize("seeds", [1, 7])
def test_one_class_has_the_variance_of_all_examples(seeds):
    values = np.random.default_rng(0).normal(size=(seeds, 40)) + np.arange(40) / 10
    design = holdout_design(np.zeros(40, int), seeds, 100)
    by_class, of_all = (estimate_mean(values, design, by_class=by_class) for by_class in (True, False))
    np.testing.assert_allclose(by_class, of_all)


def test_metrics_of_one_class_and_of_absent_classes_are_defined():
    log_probs, labels = predictions(1, 3)
    present = labels != 2
    log_probs, labels = log_probs[:, present], labels[present]
    scores = [roc_auc_score(labels == label, log_probs[0, :, label]) for label in (0, 1)]
    assert auroc_values(log_probs, labels).mean(axis=1)[0] == pytest.approx(np.mean(scores))
    assert (auroc_values(log_probs[:, labels == 0], labels[labels == 0]) == 0.5).all()


def simulate(rng, seeds, sizes, signals):
    """Draws scores of two methods with common difficulties of examples, and effects of seeds; returns truths, too."""
    labels = np.repeat([1, 0], sizes)
    difficulty, variance = rng.normal(size=len(labels)), 1 + 0.7**2 + 0.6**2
    scores = [
        (signal + 0.3 * rng.normal(size=(seeds, 1))) * labels
        + difficulty
        + 0.7 * rng.normal(size=len(labels))
        + 0.6 * rng.normal(size=(seeds, len(labels)))
        for signal in signals
    ]
    recalls = [stats.norm.cdf((signal - 0.5) / np.sqrt(variance + 0.09)) for signal in signals]
    return (
        labels,
        scores,
        {
            "auroc": [stats.norm.cdf(signal / np.sqrt(2 * variance + 0.09)) for signal in signals],
            "balanced_accuracy": [(recall + stats.norm.cdf(0.5 / np.sqrt(variance))) / 2 for recall in recalls],
        },
    )


def test_intervals_cover_the_truth_over_other_seeds_and_other_examples():
    rng, count, seeds, sizes = np.random.default_rng(0), 100, 6, (10, 150)
    covered = dict.fromkeys(["auroc", "balanced_accuracy", "auroc difference", "balanced_accuracy difference"], 0)
    for _ in range(count):
        labels, scores, truths = simulate(rng, seeds, sizes, (1.5, 1.2))
        values = {
            "auroc": [auroc_values(np.stack([-score, score], axis=2), labels) for score in scores],
            "balanced_accuracy": [balanced_accuracy_values((score > 0.5) == labels, labels) for score in scores],
        }
        for name, (first, second) in values.items():
            design, metric, (one, other) = holdout_design(labels, seeds, 1000), VERDICT_METRICS[name], truths[name]
            low, high = mean_interval(estimate_metric(first, design, metric), "proportion")
            covered[name] += low <= one <= high
            low, high = mean_interval(estimate_metric(first - second, design, metric, of_difference=True))
            covered[f"{name} difference"] += low <= one - other <= high
    lowest = 0.93 * count - 3 * np.sqrt(count * 0.95 * 0.05)
    assert {name: times for name, times in covered.items() if times < lowest} == {}


def compare(name, log_probs_by_method, labels, margin=0.005):
    metric = VERDICT_METRICS[name]
    values = {
        method: metric_values(name, score_predictions(log_probs, labels, name), labels)
        for method, log_probs in log_probs_by_method.items()
    }
    (row,) = compare_pairs(values, [("a", "b")], holdout_design(labels, len(values["a"]), 1000), margin, metric)
    return row


@pytest.fixture
def rare():
    """Two methods that never predict the rare class, 3 of 800 test examples, and rank by chance."""
    labels = (np.arange(800) < 3).astype(int)
    logits = np.random.default_rng(0).normal(size=(2, 10, 800)) - 6
    log_probs = log_softmax(np.stack([np.zeros_like(logits), logits], axis=-1))
    return dict(zip("ab", log_probs, strict=True)), labels


@pytest.mark.parametrize("name", ["accuracy", "balanced_accuracy", "auroc"])
def test_methods_that_find_no_example_of_a_rare_class_are_not_equivalent(rare, name):
    row = compare(name, *rare)
    assert row.verdict == "inconclusive"
    expected = "99.6 % of the test examples are of one class" if name == "accuracy" else "has 3 of the test examples"
    assert expected in row.reason


def test_accuracies_get_verdicts_while_a_constant_guess_is_outside_the_margin(rare):
    log_probs, labels = rare
    assert compare("accuracy", log_probs, labels, margin=0.0037).verdict == "equivalent"
    assert compare("accuracy", log_probs, labels, margin=0.004).verdict == "inconclusive"


@pytest.mark.parametrize("folds", [1, 2])
@pytest.mark.parametrize("count", [MIN_CLASS_EXAMPLES - 1, MIN_CLASS_EXAMPLES])
def test_an_example_counts_once_however_many_trainings_are_tested_on_it(folds, count):
    rows = np.arange(40).reshape(20, 2).T if folds == 2 else np.arange(40)  # rare rows are in both folds
    index = np.tile(rows, (5, 1))
    labels = (index < count).astype(int)
    design = EvaluationDesign("holdout" if folds == 1 else "cross-validation", index, labels, 160, folds)
    reason = no_verdict_reason(VERDICT_METRICS["auroc"], design, 0.005)
    assert reason.startswith("the smallest class has 4") == (count < MIN_CLASS_EXAMPLES)


def test_rare_examples_that_no_method_finds_leave_balanced_accuracy_open(rare):
    log_probs, _ = rare
    for count, verdict in ((MIN_CLASS_EXAMPLES, "inconclusive"), (100, "inconclusive"), (400, "equivalent")):
        row = compare("balanced_accuracy", log_probs, (np.arange(800) < count).astype(int))
        assert (row.mean_difference, row.verdict) == (0, verdict)
        assert row.ci95[1] == pytest.approx(-row.ci95[0])


@pytest.mark.parametrize("name", list(VERDICT_METRICS))
def test_the_method_of_stronger_signal_is_better_by_every_metric(name):
    rng, labels = np.random.default_rng(0), np.arange(600) % 3
    noise = rng.normal(size=(2, 10, 600, 3))
    signal = np.array([4.0, 1.0]).reshape(2, 1, 1, 1) * np.eye(3)[labels]
    strong, weak = log_softmax(noise + signal)
    row = compare(name, {"a": strong, "b": weak}, labels)
    reversed_row = compare(name, {"a": weak, "b": strong}, labels)
    assert (row.verdict, reversed_row.verdict) == ("better", "worse")
    assert (row.mean_difference > 0) == (name != "nll")
    assert row.ci95 == pytest.approx([-reversed_row.ci95[1], -reversed_row.ci95[0]])
    assert row.exceeds_margin
    assert "lies beyond the margin" in row.reason


def test_a_single_seed_is_tested_over_examples():
    log_probs, labels = predictions(0, 3)
    row = compare("auroc", {"a": log_probs[:1], "b": log_probs[1:2]}, labels)
    assert (row.test, row.p, row.verdict) == (EXAMPLES_TEST, row.p_crossed, "too few seeds")
    assert row.reason == "1 seed; a verdict needs at least 4 for a family of 1"

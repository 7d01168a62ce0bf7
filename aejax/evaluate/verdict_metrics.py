"""The metrics that verdicts can be about, each as values of test examples whose mean is the metric.

Accuracy and NLL are such means as they are. Balanced accuracy and AUROC are sums over classes of the mean of a
contribution c over the class's n_y test examples, so that their variance over test examples is the sum of those means'
variances. With the value

    metric + n / n_y (c - mean of c over the class)

of each example, the mean over all n examples is the metric, and the variance of their mean within classes, as
`estimate_mean` has it, is that of the metric. For AUROC the contributions are the placement values
of DeLong, DeLong and Clarke-Pearson (1988), computed from ranks as by Sun and Xu (2014).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy import stats

from aejax.config.evaluate import MetricName
from aejax.evaluate.estimates import Estimate, EvaluationDesign, estimate_mean
from aejax.evaluate.intervals import IntervalScale


class VerdictMetric(NamedTuple):
    """A metric, how its numbers are written, and how its intervals are computed."""

    name: MetricName
    label: str  # in a sentence
    unit: str  # of a difference; "" for none
    scale: float  # that numbers are multiplied by
    decimals: int
    interval_scale: IntervalScale
    higher_is_better: bool = True
    by_class: bool = False  # whether the values vary within classes

    @property
    def heading(self) -> str:
        """The label with the unit of the metric itself."""
        unit = "%" if self.unit == "points" else self.unit
        return f"{self.label}, {unit}" if unit else self.label

    def format_value(self, value: float) -> str:
        """Returns the label, the metric itself and its unit: `accuracy 97.20 %`."""
        unit = "%" if self.unit == "points" else self.unit
        return f"{self.label} {self.scale * value:.{self.decimals}f} {unit}".rstrip()

    @property
    def difference_unit(self) -> str:
        """What a difference is in, after its number: `points of accuracy`."""
        return f"{self.unit} of {self.label}".strip()

    @property
    def field(self) -> str:
        """The field of a method in `results.json`."""
        return f"test_{self.name}"

    def gain(self, difference: float) -> float:
        """Returns a difference with the sign that is positive where the method is better than the baseline."""
        return difference if self.higher_is_better else -difference

    def format_difference(self, value: float) -> str:
        """Returns a difference in the metric's unit, always with its sign: `+0.42`."""
        return f"{self.scale * value:+z.{self.decimals}f}"


VERDICT_METRICS: dict[MetricName, VerdictMetric] = {
    "accuracy": VerdictMetric("accuracy", "accuracy", "points", 100, 2, "proportion"),
    "balanced_accuracy": VerdictMetric(
        "balanced_accuracy", "balanced accuracy", "points", 100, 2, "proportion", by_class=True
    ),
    "auroc": VerdictMetric("auroc", "AUROC", "", 1, 4, "proportion", by_class=True),
    "nll": VerdictMetric("nll", "NLL", "nats", 1, 3, "log", higher_is_better=False),
}


def estimate_metric(
    values: Shaped[np.ndarray, "*experiments trainings n_test"],
    design: EvaluationDesign,
    metric: VerdictMetric,
    *,
    of_difference: bool = False,
) -> Estimate:
    """Returns a metric, or a difference of it, with its variance under other draws of trainings and test examples.

    Args:
        values: whose mean over test examples is the metric.
        design: which examples each training is tested on.
        metric: what the values are of.
        of_difference: whether the values are differences of two methods.
    """
    bound = 1 / len(np.unique(design.labels)) if metric.by_class else 1.0  # of an example's contribution
    pseudo_squares = 0.0 if metric.name == "nll" else (2 if of_difference else 1) * bound**2
    return estimate_mean(values, design, pseudo_squares, by_class=metric.by_class)


def balanced_accuracy_values(
    correct: Bool[np.ndarray, "seeds n_test"], labels: Int[np.ndarray, "*seeds n_test"]
) -> Float[np.ndarray, "seeds n_test"]:
    """Returns values whose mean is the mean recall of the classes that have test examples."""

    def of_seed(correct: Bool[np.ndarray, " n_test"], labels: Int[np.ndarray, " n_test"]) -> np.ndarray:
        recalls = [correct[labels == label].mean() for label in np.unique(labels)]
        return _values(np.mean(recalls), correct / len(recalls), labels)

    return np.stack(list(map(of_seed, correct, np.broadcast_to(labels, correct.shape))))


def auroc_values(
    log_probs: Float[np.ndarray, "seeds n_test classes"], labels: Int[np.ndarray, "*seeds n_test"]
) -> Float[np.ndarray, "seeds n_test"]:
    """Returns values whose mean is the AUROC of each class against the rest, mean over the classes with test examples.

    One class is ranked at a time, so that memory is that of one seed's test rows. A constant 0.5 if all test examples
    are of one class, which has no AUROC.
    """
    return np.stack(list(map(_auroc_values_of_seed, log_probs, np.broadcast_to(labels, log_probs.shape[:2]))))


def _auroc_values_of_seed(
    log_probs: Float[np.ndarray, "n_test classes"], labels: Int[np.ndarray, " n_test"]
) -> Float[np.ndarray, " n_test"]:
    present, count = np.unique(labels), len(labels)
    if len(present) == 1:
        return np.full(count, 0.5)
    sizes, contributions, auroc = np.bincount(labels)[labels], np.zeros(count), 0.0
    for label in present:
        members = labels == label
        placements = placement_values(log_probs[:, label], members)
        contributions += np.where(members, 1, sizes / (count - members.sum())) / len(present) * placements
        auroc += placements[members].mean() / len(present)
    return _values(auroc, contributions, labels)


def placement_values(scores: Float[np.ndarray, " n"], is_positive: Bool[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Returns the share of the other side's examples that each example is ranked right against; ties are halves.

    The mean over positives is the AUROC, and so is the mean over negatives.
    """
    ranks, placements = stats.rankdata(scores), np.empty(len(scores))
    for side, others in ((is_positive, ~is_positive), (~is_positive, is_positive)):
        below = (ranks[side] - stats.rankdata(scores[side])) / others.sum()
        placements[side] = below if side is is_positive else 1 - below
    return placements


def _values(
    metric: float, contributions: Float[np.ndarray, " n_test"], labels: Int[np.ndarray, " n_test"]
) -> Float[np.ndarray, " n_test"]:
    """Returns metric + n / n_y (c - mean of c over the class) for contributions c of one seed's test examples."""
    values = np.empty(contributions.shape)
    for label in np.unique(labels):
        members = labels == label
        within = contributions[members]
        values[members] = len(labels) / members.sum() * (within - within.mean())
    return metric + values

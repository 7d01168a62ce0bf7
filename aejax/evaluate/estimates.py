"""The design of a test, and means over trainings and test examples with variances for other draws of both.

*Holdout*: every training is tested on the same examples, so that trainings (seeds) and examples are crossed. With the
mean squares of the two-way analysis of variance, A of I trainings, B of n examples and E of the residual,

    (A + max(B - E, 0)) / (I n)

estimates the mean's variance without bias, with Satterthwaite's degrees of freedom, as in studies of several readers
on the same cases (Hillis 2007, A comparison of denominator degrees of freedom methods for multiple observer ROC
analysis). It is the crossed bootstrap (Owen 2007, The pigeonhole bootstrap), corrected for few trainings.

*Cross-validation*: trainings share rows, so their J means, of variance S^2, are not independent. The corrected
resampled t (Nadeau and Bengio 2003; Bouckaert and Frank 2004) takes

    (1/J + n_test / n_train) S^2, with J - 1 degrees of freedom,

but at least the variance over the distinct test examples, each with its mean over repetitions, as few or small folds
may happen to tie. It is wide where trainings differ by their seeds or test examples rather than by their rows; the
effect of the rows cannot be estimated from trainings that share most of them (Bengio and Grandvalet 2004).

*Pseudo-examples*: a few examples on which nothing differs do not show that no example differs. A metric whose values
are bounded (correct or not; won, equal or lost) gets two examples more in its variance, one at each bound (Agresti and
Coull 1998; for paired differences Agresti and Caffo 2000, Bonett and Price 2012). Both may be within classes, whose
sizes are then the same in other draws.

Functions take any number of experiments at once: leading axes of `values` are kept.
"""

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy import stats

DesignName = Literal["holdout", "cross-validation"]
PerExperiment = Float[Any, "*experiments"]  # an array, or NumPy's scalar for a single experiment


class EvaluationDesign(NamedTuple):
    """Which examples each training is tested on, and how much its training data overlap with the others'."""

    name: DesignName
    test_index: Int[np.ndarray, "trainings n_test"]  # rows of the dataset; holdout: the same for every training
    labels: Int[np.ndarray, "trainings n_test"]  # of these rows
    n_train: int  # labelled rows of one training that are not test rows, validation rows included
    folds: int = 1  # of one repetition; trainings t with equal t // folds test disjoint rows

    @property
    def is_shared(self) -> bool:
        """Whether every training is tested on the same examples."""
        return self.name == "holdout"

    def first(self, trainings: int) -> "EvaluationDesign":
        """Returns the design of the first trainings."""
        return self._replace(test_index=self.test_index[:trainings], labels=self.labels[:trainings])


def holdout_design(labels: Int[np.ndarray, " n_test"], trainings: int, n_train: int) -> EvaluationDesign:
    """Returns the design in which every training is tested on the same examples, numbered 0, 1, ..."""
    shape = (trainings, len(labels))
    index = np.broadcast_to(np.arange(len(labels)), shape)
    return EvaluationDesign("holdout", index, np.broadcast_to(labels, shape), n_train)


class Estimate(NamedTuple):
    """A mean over trainings and test examples, with its variance over other draws of both; arrays of equal shape."""

    mean: PerExperiment
    variance: PerExperiment
    degrees_of_freedom: PerExperiment  # of the variance
    examples: int  # distinct test examples


def estimate_mean(
    values: Shaped[np.ndarray, "*experiments trainings n_test"],
    design: EvaluationDesign,
    pseudo_squares: float = 0.0,
    *,
    by_class: bool = False,
) -> Estimate:
    """Returns the mean with its variance under another draw of trainings and of test examples.

    Args:
        values: one for each training and test example.
        design: which examples each training is tested on.
        pseudo_squares: what pseudo-examples add to the sum of squares of the examples: 1 for correctness, 2 for its
            differences; 0 for values without bounds.
        by_class: whether other draws of test examples have the same number of each class.
    """
    design = design.first(values.shape[-2])
    if design.is_shared:
        return _crossed_estimate(values, design.labels[0] if by_class else None, pseudo_squares)
    return _resampled_estimate(values, design, pseudo_squares, by_class)


def _crossed_estimate(
    values: Shaped[np.ndarray, "*experiments trainings n_test"],
    labels: Int[np.ndarray, " n_test"] | None,
    pseudo_squares: float,
) -> Estimate:
    """Returns the estimate for the holdout design; with a single training only the examples vary."""
    trainings, examples = values.shape[-2:]
    training_means = values.mean(axis=-1, dtype=np.float64)
    mean = training_means.mean(axis=-1)
    components, residual = [], np.zeros(mean.shape)
    for share, group in _groups(values, labels):
        squares, interaction = _sums_of_squares(group)
        count = group.shape[-1]
        noise = interaction / max((trainings - 1) * (count - 1), 1) / trainings  # of an example's mean over trainings
        residual += share**2 * noise / count
        squares = share**2 * np.maximum(squares - (count - 1) * noise, 0.0)
        components.append((_variance_over_examples(squares, count, pseudo_squares), max(count - 1, 1)))
    if trainings > 1:
        # At least the 2.5 % quantile of its distribution if trainings had no effect: otherwise trainings whose means
        # happen to tie would vary by nothing.
        least = residual * stats.chi2.ppf(0.025, trainings - 1) / (trainings - 1)
        components.append((np.maximum(training_means.var(axis=-1, ddof=1) / trainings, least), trainings - 1))
    return Estimate(mean, *_add_variances(components), examples)


def _resampled_estimate(
    values: Shaped[np.ndarray, "*experiments trainings n_test"],
    design: EvaluationDesign,
    pseudo_squares: float,
    by_class: bool,
) -> Estimate:
    """Returns the estimate for cross-validation; with a single training only the examples vary."""
    trainings, n_test = values.shape[-2:]
    pooled, labels = pool_examples(values, design)
    components = []
    for share, group in _groups(pooled[..., None, :], labels if by_class else None):
        squares, count = share**2 * _sums_of_squares(group)[0], group.shape[-1]
        components.append((_variance_over_examples(squares, count, pseudo_squares), max(count - 1, 1)))
    variance, degrees = _add_variances(components)
    training_means = values.mean(axis=-1, dtype=np.float64)
    if trainings > 1:
        corrected = (1 / trainings + n_test / design.n_train) * training_means.var(axis=-1, ddof=1)
        degrees = np.where(corrected >= variance, float(trainings - 1), degrees)
        variance = np.maximum(corrected, variance)
    return Estimate(training_means.mean(axis=-1), variance, degrees, len(labels))


def pool_examples(
    values: Shaped[np.ndarray, "*experiments trainings n_test"], design: EvaluationDesign
) -> tuple[Float[np.ndarray, "*experiments n"], Int[np.ndarray, " n"]]:
    """Returns the mean of every distinct test example over the trainings that were tested on it, and its label."""
    rows = design.test_index.ravel()
    order = np.argsort(rows, kind="stable")
    starts = np.flatnonzero(np.diff(rows[order], prepend=rows.min() - 1))
    ordered = values.reshape(*values.shape[:-2], -1)[..., order]
    sums = np.add.reduceat(ordered, starts, axis=-1, dtype=np.float64)
    return sums / np.diff(starts, append=len(rows)), design.labels.ravel()[order[starts]]


def _groups(
    values: Shaped[np.ndarray, "*experiments trainings n"], labels: Int[np.ndarray, " n"] | None
) -> Iterator[tuple[float, Shaped[np.ndarray, "*experiments trainings members"]]]:
    """Yields the share and the values of every class, or of all examples as one."""
    if labels is None:
        yield 1.0, values
        return
    for label in np.unique(labels):
        yield float(np.mean(labels == label)), values[..., labels == label]


def _sums_of_squares(
    values: Shaped[np.ndarray, "*experiments trainings n"],
) -> tuple[PerExperiment, PerExperiment]:
    """Returns the sums of squares of the examples' means over trainings, and of the interaction with trainings."""
    trainings, examples = values.shape[-2:]
    of_trainings, of_examples = values.mean(axis=-1, dtype=np.float64), values.mean(axis=-2, dtype=np.float64)
    mean = of_trainings.mean(axis=-1, keepdims=True)
    squares = np.square(of_examples - mean).sum(axis=-1)
    if min(trainings, examples) == 1:
        return squares, np.zeros(squares.shape)
    centred = values - mean[..., None]
    total = np.einsum("...tn,...tn->...", centred, centred)
    between = examples * np.square(of_trainings - mean).sum(axis=-1) + trainings * squares
    interaction = total - between
    return squares, np.where(interaction > 1e-12 * total, interaction, 0.0)


def _variance_over_examples(squares: PerExperiment, count: int, pseudo_squares: float) -> PerExperiment:
    """Returns the variance of a mean over examples with this sum of squares, pseudo-examples included.

    The added term makes the effective number of examples in `proportion_interval` their number where all are correct.
    """
    if pseudo_squares == 0:
        return squares / (count * max(count - 1, 1))
    return (squares * count / max(count - 1, 1) + pseudo_squares * (count + 1) / (count + 2)) / (count * (count + 2))


def _add_variances(
    components: list[tuple[PerExperiment, float]],
) -> tuple[PerExperiment, PerExperiment]:
    """Returns a sum of variances with its degrees of freedom (Satterthwaite 1946), the last one's if all are 0."""
    total = np.sum([variance for variance, _ in components], axis=0)
    denominator = np.sum([np.square(variance) / degrees for variance, degrees in components], axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        degrees = np.where(denominator > 0, np.square(total) / denominator, float(components[-1][1]))
    return total, degrees

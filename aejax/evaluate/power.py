"""The differences that a design can detect, before anything is trained, from assumed or measured variances."""

import bisect
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.evaluate.comparisons import no_verdict_reason
from aejax.evaluate.estimates import DesignName, EvaluationDesign, pool_examples
from aejax.evaluate.verdict_metrics import VerdictMetric
from aejax.evaluate.verdicts import POWER, detectable_difference, minimum_trainings

MAX_EXAMPLES = 10_000_000  # more test examples are not looked for


class VarianceComponents(NamedTuple):
    """Variances of the difference of two methods for one training and test example."""

    training: float  # between the means of trainings
    example: float  # between examples, whatever the training
    residual: float  # of the two together


# Two methods disagree on 5 % of the examples, half of it in the same way in every training; the difference of a seed
# has a standard deviation of half a point.
ASSUMED = VarianceComponents(training=0.005**2, example=0.025, residual=0.025)
ASSUMPTION = "two methods disagree on 5 % of the examples and seeds vary by 0.5 points"


class DesignSizes(NamedTuple):
    """The sizes of a test, all that its power depends on."""

    name: DesignName
    trainings: int
    examples: int  # distinct test examples
    folds: int = 1

    @classmethod
    def of(cls, design: EvaluationDesign) -> "DesignSizes":
        """Returns the sizes of a design."""
        trainings, n_test = design.test_index.shape
        examples = n_test if design.is_shared else min(trainings, design.folds) * n_test
        return cls(design.name, trainings, examples, design.folds)


def standard_error(components: VarianceComponents, sizes: DesignSizes) -> tuple[float, float]:
    """Returns the expected standard error of a difference and its degrees of freedom, as `estimate_mean` has them."""
    trainings, examples = sizes.trainings, sizes.examples
    pseudo = 2 * (examples + 1) / (examples + 2) / (examples * (examples + 2))
    if sizes.name == "holdout":
        of_examples = components.example / examples + pseudo
        of_trainings = (components.training + components.residual / examples) / trainings
        total = of_examples + of_trainings
        degrees = of_examples**2 / max(examples - 1, 1) + of_trainings**2 / max(trainings - 1, 1)
        return float(np.sqrt(total)), total**2 / degrees
    n_test = examples / min(trainings, sizes.folds)
    repetitions = max(trainings / sizes.folds, 1)
    pooled = (components.example + components.residual / repetitions) / examples + pseudo
    between = components.training + (components.example + components.residual) / n_test
    corrected = (1 / trainings + 1 / (sizes.folds - 1)) * between  # Nadeau and Bengio (2003)
    return float(np.sqrt(max(pooled, corrected))), float(trainings - 1 if corrected >= pooled else examples - 1)


def design_resolution(
    sizes: DesignSizes, family_size: int, components: VarianceComponents = ASSUMED, power: float = POWER
) -> float | None:
    """Returns the difference that a design finds with this power; None if it has too few trainings for any verdict."""
    if sizes.trainings < minimum_trainings(family_size):
        return None
    return detectable_difference(*standard_error(components, sizes), family_size, power)


def examples_needed(
    gap: float, sizes: DesignSizes, family_size: int, components: VarianceComponents = ASSUMED, power: float = POWER
) -> int | None:
    """Returns the number of test examples with which these trainings find a gap; None if no number is enough."""

    def is_enough(examples: int) -> bool:
        resolution = design_resolution(sizes._replace(examples=examples), family_size, components, power)
        return resolution is not None and resolution <= gap

    candidates = range(2, MAX_EXAMPLES + 1)
    first = bisect.bisect_left(candidates, True, key=is_enough)
    return candidates[first] if first < len(candidates) else None


def estimate_components(
    difference: Float[np.ndarray, "trainings n_test"], design: EvaluationDesign
) -> VarianceComponents:
    """Estimates the variance components of the difference of two methods; those that come out negative are 0."""
    trainings, n_test = difference.shape
    within = float(difference.var(axis=1, ddof=1).mean())  # example + residual
    pooled, _ = pool_examples(difference, design)
    repetitions = difference.size / len(pooled)  # of an example
    residual = 0.0
    if repetitions > 1:
        residual = max((within - float(pooled.var(ddof=1))) / (1 - 1 / repetitions), 0.0)
    example = max(within - residual, 0.0)
    between = float(difference.mean(axis=1).var(ddof=1)) if trainings > 1 else 0.0
    noise = residual if design.is_shared else within  # examples that all trainings share move no mean
    return VarianceComponents(max(between - noise / n_test, 0.0), example, residual)


def describe_resolution(
    design: EvaluationDesign, family_sizes: Iterable[int], metric: VerdictMetric, margin: float
) -> tuple[str, list[str]]:
    """Returns a line on what a design can detect, and warnings where no verdict, or no equivalence, is possible.

    Args:
        design: which examples each training is tested on.
        family_sizes: the numbers of comparisons that are adjusted together.
        metric: that verdicts are about.
        margin: the largest difference without practical consequence.
    """
    family, sizes = max(family_sizes), DesignSizes.of(design)
    described = f"{sizes.trainings} trainings, {sizes.examples:,} test examples, {family} comparisons in a family"
    required, warnings = minimum_trainings(family), []
    if sizes.trainings < required:
        warnings.append(f"no verdict is possible with {described}: it needs at least `--seeds {required}`")
    if reason := no_verdict_reason(metric, design, margin):
        warnings.append(f"no verdict is possible: {reason}")
    resolution = design_resolution(sizes, family)
    if warnings or resolution is None or metric.unit != "points":
        return described, warnings
    nothing = VarianceComponents(0.0, 0.0, 0.0)
    half = detectable_difference(*standard_error(nothing, sizes), family, power=0.5)
    if half >= margin:
        warnings.append(
            f"no verdict of equivalent is possible: if no example differed, {sizes.examples:,} would still leave "
            f"{metric.scale * half:.1f} {metric.unit} open; the margin is {metric.scale * margin:g}; take "
            "more test examples or a larger `--margin`"
        )
    found = f"finds {metric.scale * resolution:.1f} {metric.difference_unit} at {100 * POWER:g} % power"
    return f"{described}: {found}, if {ASSUMPTION}", warnings

"""Simulated experiments whose truth is known, which show whether intervals and verdicts err as rarely as they claim.

Each method has a latent variable for every training and test example and is right where it is below a threshold:

    difficulty of the example + the method's own difficulty with it
        + effect of the training + effect of (training, example)

The first is common to all methods, so their errors are correlated. The effect of a training is that of its seed, and in
cross-validation also that of its rows: the sum of an independent normal effect of every training row, divided by the
root of their number, so that trainings which share rows are correlated as the share of their rows. Its standard
deviation falls with the root of the number of rows and is about half of what the draw of as many test examples does to
the accuracy (for logistic regression with and without PCA on simulated classification we measured 0.2 to 0.8 of it for
accuracies and 0.4 to 1.3 for differences; "strong" is the last).

A part of a training's effect is common to all methods. Effects of seeds are normal, heavy-tailed (Student's t with
three degrees of freedom), or a training fails with probability 0.1 and loses 20 points of accuracy.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Float32
from scipy import special, stats

from aejax.evaluate.estimates import DesignName, EvaluationDesign, holdout_design

EXAMPLE_STD = 3.0  # of the difficulty, relative to the effect of (training, example): most are easy or hopeless
COMMON_STD = 0.1  # of a training's effect that all methods share
FAILURE_PROBABILITY, FAILURE_LOSS = 0.1, 0.2
FOLDS = 5  # of cross-validation
_QUANTILES = (np.arange(2000) + 0.5) / 2000


@dataclasses.dataclass(frozen=True)
class Scenario:
    """How methods differ. Standard deviations are relative to the effect of (training, example)."""

    name: str
    method_std: float  # of a method's own difficulty with an example, whatever the training
    seed_std: float  # of a method's own effect of a seed, whatever the example
    shared: float = 0.0  # share of the effects of rows and of (training, example) that methods have in common
    row_std: float = 2.5  # of the effect of training rows, times the root of the number of rows
    seeds: Literal["normal", "heavy-tailed", "failing"] = "normal"

    def seed_quantiles(self) -> Float[np.ndarray, " quantiles"]:
        """Returns quantiles of a method's own effect of a seed."""
        quantiles = stats.t.ppf(_QUANTILES, 3) if self.seeds == "heavy-tailed" else stats.norm.ppf(_QUANTILES)
        return self.seed_std * quantiles


# The variance components of the difference in the second and third are close to those of runs on digits (ten seeds, 360
# examples): between a code and the pixels nearly all is due to examples; between a code and random weights half is due
# to seeds.
SCENARIOS = (
    Scenario("one method twice", 0.0, 0.1),
    Scenario("two codes", 1.0, 0.1),
    Scenario("code and random weights", 1.0, 0.5),
    Scenario("near twins", 0.1, 0.02, shared=0.98),
    Scenario("heavy-tailed seeds", 1.0, 0.3, seeds="heavy-tailed"),
    Scenario("failing seeds", 1.0, 0.1, seeds="failing"),
    Scenario("strong effect of training rows", 1.0, 0.1, row_std=4.0),
)


@dataclasses.dataclass(frozen=True)
class Latents:
    """The latent variables of several experiments, from which the outcomes at any accuracy follow."""

    scenario: Scenario
    methods: list[Float32[np.ndarray, "experiments trainings n_test"]]
    failed: list[Bool[np.ndarray, "experiments trainings"]]  # by method
    rest_variance: float  # of everything but the seed's own effect

    def outcomes(self, method: int, accuracy: float) -> tuple[Bool[np.ndarray, "experiments trainings n_test"], float]:
        """Returns what a method of this accuracy gets right, and its true accuracy over all trainings and examples.

        The true accuracy is lower than `accuracy` where seeds fail, and differs slightly where they are heavy-tailed.
        """
        scale = np.sqrt(self.rest_variance + self.scenario.seed_std**2)
        threshold = scale * stats.norm.ppf(accuracy)
        correct, true_accuracy = self.methods[method] < np.float32(threshold), self._share_below(threshold)
        if self.scenario.seeds == "failing":
            low = scale * stats.norm.ppf(max(accuracy - FAILURE_LOSS, 0.01))
            correct &= ~self.failed[method][..., None] | (self.methods[method] < np.float32(low))
            true_accuracy += FAILURE_PROBABILITY * (self._share_below(low) - true_accuracy)
        return correct, true_accuracy

    def _share_below(self, threshold: float) -> float:
        quantiles = self.scenario.seed_quantiles()
        return float(special.ndtr((threshold - quantiles) / np.sqrt(self.rest_variance)).mean())


def simulate_latents(
    scenario: Scenario, rng: np.random.Generator, design: EvaluationDesign, experiments: int, methods: int = 2
) -> Latents:
    """Simulates several experiments of one design; float32, for speed."""

    def normal(*shape: int) -> Float32[np.ndarray, "..."]:
        return rng.standard_normal((experiments, *shape), dtype=np.float32)

    (trainings, n_test), rows = design.test_index.shape, int(design.test_index.max()) + 1
    own, row_std = np.float32(np.sqrt(1 - scenario.shared)), 0.0
    mixing = np.zeros((trainings, trainings), np.float32)
    if not design.is_shared:
        row_std, mixing = scenario.row_std / np.sqrt(rows), _row_effect_mixing(design)
    difficulty, common = EXAMPLE_STD * normal(rows), COMMON_STD * normal(trainings, 1)
    if scenario.shared:
        share = np.float32(np.sqrt(scenario.shared))
        common = common + share * (normal(trainings, n_test) + row_std * (mixing @ normal(trainings, 1)))
    latents, failed = [], []
    for _ in range(methods):
        of_examples = difficulty + scenario.method_std * normal(rows)
        # Shared test examples are the same for every training, and need no copy.
        effects = of_examples[:, None] if design.is_shared else of_examples[:, design.test_index]
        of_trainings = common + _seed_effects(scenario, rng, (experiments, trainings, 1))
        of_trainings = of_trainings + own * row_std * (mixing @ normal(trainings, 1))
        latent = own * normal(trainings, n_test)
        latent += effects
        latent += of_trainings
        latents.append(latent.astype(np.float32, copy=False))
        failed.append(rng.random((experiments, trainings)) < FAILURE_PROBABILITY)
    rest = EXAMPLE_STD**2 + scenario.method_std**2 + COMMON_STD**2 + row_std**2 + 1
    return Latents(scenario, latents, failed, float(rest))


def _seed_effects(
    scenario: Scenario, rng: np.random.Generator, shape: tuple[int, ...]
) -> Float32[np.ndarray, "experiments trainings 1"]:
    heavy = scenario.seeds == "heavy-tailed"
    draws = rng.standard_t(3, shape) if heavy else rng.standard_normal(shape)
    return (scenario.seed_std * draws).astype(np.float32)


def _row_effect_mixing(design: EvaluationDesign) -> Float32[np.ndarray, "trainings trainings"]:
    """Returns a root of the correlations of the effects of training rows, which are the shares of common rows."""
    trainings, rows = len(design.test_index), int(design.test_index.max()) + 1
    is_train = np.ones((trainings, rows))
    for training, test_rows in enumerate(design.test_index):
        is_train[training, test_rows] = 0
    shares = is_train @ is_train.T / is_train[0].sum()
    return np.linalg.cholesky(shares + 1e-9 * np.eye(trainings)).astype(np.float32)


def simulated_design(name: DesignName, rng: np.random.Generator, trainings: int, n_test: int) -> EvaluationDesign:
    """Returns a holdout of `n_test` examples, or repeated cross-validation whose FOLDS have as many; two classes."""
    n_train = (FOLDS - 1) * n_test
    if name == "holdout":
        return holdout_design(np.arange(n_test) % 2, trainings, n_train)
    repetitions = -(-trainings // FOLDS)
    orders = [rng.permutation(FOLDS * n_test).reshape(FOLDS, n_test) for _ in range(repetitions)]
    index = np.concatenate(orders)[:trainings]
    return EvaluationDesign("cross-validation", index, index % 2, n_train, FOLDS)


def share_with_ci(outcomes: Sequence[bool] | Bool[np.ndarray, " n"]) -> dict[str, Any]:
    """Returns the share of true outcomes with its exact binomial 95 % interval (Clopper and Pearson 1934)."""
    count = int(np.count_nonzero(outcomes))
    interval = stats.binomtest(count, len(outcomes)).proportion_ci(0.95, "exact")
    bounds = [float(interval.low), float(interval.high)]
    return {"share": count / len(outcomes), "ci95": bounds, "count": count, "of": len(outcomes)}


def check_shares(
    claim: str, shares: Sequence[dict[str, Any]], bound: float, *, at_least: bool = False
) -> dict[str, Any]:
    """Returns a claim about simulated shares, the worst of them, and whether it holds.

    A share violates a bound only if its 95 % interval lies entirely beyond it.
    """
    worst = (min if at_least else max)(share["share"] for share in shares)
    holds = all(share["ci95"][1] >= bound if at_least else share["ci95"][0] <= bound for share in shares)
    return {"claim": claim, "worst": worst, "holds": holds}

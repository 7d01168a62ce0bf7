"""Made-up experiments whose truth is known, to see whether intervals and verdicts err as seldom as they say.

Each method has a latent variable for every seed and test example and is right where it stays below a threshold:

    difficulty of the example + the method's own difficulty with it + the seed's part + the (seed, example)'s part

all normal. The first is common to all methods, so their errors are correlated; a part of the seed's is too, as methods
share a seed's split. The threshold gives each method exactly the accuracy that is asked for.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import special, stats

from aejax.evaluate.comparisons import EQUIVALENCE_MARGIN, Comparison, compare_pairs
from aejax.evaluate.intervals import crossed_interval, seeds_interval

EXAMPLE_STD = 3.0  # of the difficulty, where the (seed, example)'s part has 1: most examples are easy or hopeless
SPLIT_STD = 0.1  # of the seed's part that all methods share
TRUE_ACCURACY = 0.95


@dataclasses.dataclass(frozen=True)
class Scenario:
    """How two methods differ. Deviations, where the (seed, example)'s part has 1."""

    name: str
    method_std: float  # of a method's own difficulty with an example, whatever the seed
    seed_std: float  # of a method's own luck with a seed, whatever the example


# The parts of the difference's variance in the last two are near those of runs on digits (ten seeds, 360 examples):
# between a code and the pixels nearly all is of the examples; between a code and random weights half is of the seeds.
SCENARIOS = (
    Scenario("one method twice", 0.0, 0.1),
    Scenario("two codes", 1.0, 0.1),
    Scenario("code and random weights", 1.0, 0.5),
)


@dataclasses.dataclass(frozen=True)
class SimulatedExperiment:
    """One experiment with its truth."""

    correct: dict[str, Bool[np.ndarray, "seeds n_test"]]
    true_accuracies: dict[str, float]  # over all seeds and examples
    test_set_accuracies: dict[str, float]  # over all seeds, on these test examples


def simulate_experiment(
    scenario: Scenario, rng: np.random.Generator, accuracies: Sequence[float], seeds: int, examples: int
) -> SimulatedExperiment:
    """An experiment with one method for each accuracy, called m0, m1, ...; float32 inside, for speed."""
    difficulty = EXAMPLE_STD * rng.standard_normal(examples, dtype=np.float32)
    split = SPLIT_STD * rng.standard_normal((seeds, 1), dtype=np.float32)
    of_seed = scenario.seed_std**2 + SPLIT_STD**2 + 1
    total = np.sqrt(EXAMPLE_STD**2 + scenario.method_std**2 + of_seed)
    correct, truth, on_these = {}, {}, {}
    for index, accuracy in enumerate(accuracies):
        name, threshold = f"m{index}", float(total * stats.norm.ppf(accuracy))
        own = difficulty + scenario.method_std * rng.standard_normal(examples, dtype=np.float32)
        luck = split + scenario.seed_std * rng.standard_normal((seeds, 1), dtype=np.float32)
        correct[name] = own + luck + rng.standard_normal((seeds, examples), dtype=np.float32) < threshold
        truth[name] = accuracy
        on_these[name] = float(special.ndtr((threshold - own.astype(np.float64)) / np.sqrt(of_seed)).mean())
    return SimulatedExperiment(correct, truth, on_these)


def compare_first_with_rest(experiment: SimulatedExperiment, margin: float = EQUIVALENCE_MARGIN) -> list[Comparison]:
    """The first method against every other, as `compare.py` compares an autoencoder with its controls."""
    first, *others = experiment.correct
    return compare_pairs(experiment.correct, [(first, other) for other in others], margin)


def proportion_with_ci(hits: Sequence[bool]) -> dict[str, float | int | list[float]]:
    """How often something happened, with its exact binomial 95 % interval (Clopper and Pearson 1934)."""
    count = int(np.count_nonzero(hits))
    interval = stats.binomtest(count, len(hits)).proportion_ci(0.95, "exact")
    return {
        "share": count / len(hits),
        "ci95": [float(interval.low), float(interval.high)],
        "count": count,
        "of": len(hits),
    }


def has_decisive_verdict(comparisons: Sequence[Comparison]) -> bool:
    """Whether any comparison has a verdict of better or worse."""
    return any(row.verdict in ("better", "worse") for row in comparisons)


def has_decisive_verdict_over_seeds(comparisons: Sequence[Comparison], margin: float = EQUIVALENCE_MARGIN) -> bool:
    """The same if only the test over seeds were adjusted for the size of the family."""
    return any(
        row.p_holm < 0.05 and abs(row.mean_difference) > margin and not row.ci95[0] <= 0 <= row.ci95[1]
        for row in comparisons
    )


def bootstrap_weights(rng: np.random.Generator, size: int, n_resamples: int) -> Float[np.ndarray, "draws count"]:
    """How often a bootstrap drew each of `count`."""
    return rng.multinomial(size, np.full(size, 1 / size), size=n_resamples).astype(np.float32)


def percentile_bootstrap_interval(
    values: Float[np.ndarray, "seeds n_test"],
    seed_weights: Float[np.ndarray, "draws seeds"],
    example_weights: Float[np.ndarray, "draws n_test"],
) -> list[float]:
    """Percentiles of the crossed bootstrap as it is drawn, uncorrected: what `crossed_interval` is better than."""
    sums = np.sum((example_weights @ values.T.astype(np.float32)) * seed_weights, axis=1, dtype=np.float64)
    return [float(bound) for bound in np.quantile(sums / values.size, [0.025, 0.975])]


def measure_coverage(
    scenario: Scenario, rng: np.random.Generator, n_experiments: int, seeds: int, examples: int, n_resamples: int = 400
) -> dict[str, dict[str, float | int | list[float]]]:
    """How often each 95 % interval holds its truth.

    Returns:
        `difference` and `accuracy`, crossed intervals of two methods' difference and of one's accuracy; `seeds_alone`,
        the interval over seeds of the difference on the same test examples; `percentile`, the uncorrected bootstrap.
    """
    weights = bootstrap_weights(rng, seeds, n_resamples), bootstrap_weights(rng, examples, n_resamples)
    covered: dict[str, list[bool]] = {"difference": [], "accuracy": [], "seeds_alone": [], "percentile": []}
    for _ in range(n_experiments):
        world = simulate_experiment(scenario, rng, (TRUE_ACCURACY, TRUE_ACCURACY - 0.01), seeds, examples)
        first, second = (correct.astype(np.float64) for correct in world.correct.values())
        difference, truth = first - second, world.true_accuracies["m0"] - world.true_accuracies["m1"]
        on_these = world.test_set_accuracies["m0"] - world.test_set_accuracies["m1"]
        over_seeds = seeds_interval(difference.mean(axis=1)) or [np.nan, np.nan]
        for name, (low, high), aim in (
            ("difference", crossed_interval(difference), truth),
            ("accuracy", crossed_interval(first, "logit"), TRUE_ACCURACY),
            ("seeds_alone", over_seeds, on_these),
            ("percentile", percentile_bootstrap_interval(difference, *weights), truth),
        ):
            covered[name].append(bool(low <= aim <= high))
    return {name: proportion_with_ci(hits) for name, hits in covered.items()}

"""Simulated experiments whose truth is known, which show whether intervals and verdicts err as rarely as they claim.

Each method has a latent variable for every seed and test example and is right where it is below a threshold:

    difficulty of the example + the method's own difficulty with it + effect of the seed + effect of (seed, example)

all normal. The first is common to all methods, so their errors are correlated; a part of the seed's effect is common
too, as methods share a seed's split. The threshold gives each method exactly its nominal accuracy.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from scipy import special, stats

from aejax.evaluate.comparisons import Comparison, compare_pairs
from aejax.evaluate.design import holdout_design
from aejax.evaluate.intervals import crossed_interval, seeds_interval

EXAMPLE_STD = 3.0  # of the difficulty, relative to the effect of (seed, example): most examples are easy or hopeless
SPLIT_STD = 0.1  # of the seed's effect that all methods share
TRUE_ACCURACY = 0.95


@dataclasses.dataclass(frozen=True)
class Scenario:
    """How two methods differ. Standard deviations are relative to the effect of (seed, example)."""

    name: str
    method_std: float  # of a method's own difficulty with an example, whatever the seed
    seed_std: float  # of a method's own effect of a seed, whatever the example


# The variance components of the difference in the last two are close to those of runs on digits (ten seeds, 360
# examples): between a code and the pixels nearly all is due to examples; between a code and random weights half is due
# to seeds.
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
    """Simulates one method for each accuracy, called m0, m1, ...; float32 inside, for speed."""
    difficulty = EXAMPLE_STD * rng.standard_normal(examples, dtype=np.float32)
    split = SPLIT_STD * rng.standard_normal((seeds, 1), dtype=np.float32)
    variance_given_example = scenario.seed_std**2 + SPLIT_STD**2 + 1
    total_std = np.sqrt(EXAMPLE_STD**2 + scenario.method_std**2 + variance_given_example)
    correct, true_accuracies, test_set_accuracies = {}, {}, {}
    for index, accuracy in enumerate(accuracies):
        name, threshold = f"m{index}", float(total_std * stats.norm.ppf(accuracy))
        example_effect = difficulty + scenario.method_std * rng.standard_normal(examples, dtype=np.float32)
        seed_effect = split + scenario.seed_std * rng.standard_normal((seeds, 1), dtype=np.float32)
        noise = rng.standard_normal((seeds, examples), dtype=np.float32)
        correct[name] = example_effect + seed_effect + noise < threshold
        true_accuracies[name] = accuracy
        margin = (threshold - example_effect.astype(np.float64)) / np.sqrt(variance_given_example)
        test_set_accuracies[name] = float(special.ndtr(margin).mean())
    return SimulatedExperiment(correct, true_accuracies, test_set_accuracies)


def compare_first_with_rest(experiment: SimulatedExperiment) -> list[Comparison]:
    """Compares the first method with every other, as `compare.py` compares an autoencoder with its controls."""
    first, *others = experiment.correct
    seeds, examples = experiment.correct[first].shape
    design = holdout_design(np.arange(examples) % 2, seeds, examples)
    return compare_pairs(experiment.correct, [(first, other) for other in others], design)


def proportion_with_ci(outcomes: Sequence[bool]) -> dict[str, float | int | list[float]]:
    """Returns the share of true outcomes with its exact binomial 95 % interval (Clopper and Pearson 1934)."""
    count = int(np.count_nonzero(outcomes))
    interval = stats.binomtest(count, len(outcomes)).proportion_ci(0.95, "exact")
    return {
        "share": count / len(outcomes),
        "ci95": [float(interval.low), float(interval.high)],
        "count": count,
        "of": len(outcomes),
    }


def has_decisive_verdict(comparisons: Sequence[Comparison]) -> bool:
    """Whether any comparison has a verdict of better or worse."""
    return any(row.verdict in ("better", "worse") for row in comparisons)


def has_decisive_verdict_over_seeds(comparisons: Sequence[Comparison]) -> bool:
    """Whether any would have one if only the test over seeds were adjusted for the size of the family."""
    return any(row.p_holm < 0.05 and not row.ci95[0] <= 0 <= row.ci95[1] for row in comparisons)


def bootstrap_weights(rng: np.random.Generator, size: int, n_resamples: int) -> Float[np.ndarray, "resamples size"]:
    """Draws how often each of `size` items is in each bootstrap sample."""
    return rng.multinomial(size, np.full(size, 1 / size), size=n_resamples).astype(np.float32)


def percentile_bootstrap_interval(
    values: Float[np.ndarray, "seeds n_test"],
    seed_weights: Float[np.ndarray, "resamples seeds"],
    example_weights: Float[np.ndarray, "resamples n_test"],
) -> list[float]:
    """Returns the percentiles of the uncorrected crossed bootstrap, to compare `crossed_interval` with."""
    sums = np.sum((example_weights @ values.T.astype(np.float32)) * seed_weights, axis=1, dtype=np.float64)
    return [float(bound) for bound in np.quantile(sums / values.size, [0.025, 0.975])]


def measure_coverage(
    scenario: Scenario, rng: np.random.Generator, n_experiments: int, seeds: int, examples: int, n_resamples: int = 400
) -> dict[str, dict[str, float | int | list[float]]]:
    """Measures how often each 95 % interval contains the true value.

    Returns:
        `difference` and `accuracy`, crossed intervals of two methods' difference and of one's accuracy; `seeds_alone`,
        the interval over seeds of the difference on the same test examples; `percentile`, the uncorrected bootstrap.
    """
    weights = bootstrap_weights(rng, seeds, n_resamples), bootstrap_weights(rng, examples, n_resamples)
    covered: dict[str, list[bool]] = {"difference": [], "accuracy": [], "seeds_alone": [], "percentile": []}
    for _ in range(n_experiments):
        experiment = simulate_experiment(scenario, rng, (TRUE_ACCURACY, TRUE_ACCURACY - 0.01), seeds, examples)
        first, second = (correct.astype(np.float64) for correct in experiment.correct.values())
        difference = first - second
        true_difference = experiment.true_accuracies["m0"] - experiment.true_accuracies["m1"]
        test_set_difference = experiment.test_set_accuracies["m0"] - experiment.test_set_accuracies["m1"]
        over_seeds = seeds_interval(difference.mean(axis=1)) or [np.nan, np.nan]
        for name, (low, high), truth in (
            ("difference", crossed_interval(difference), true_difference),
            ("accuracy", crossed_interval(first, "logit"), TRUE_ACCURACY),
            ("seeds_alone", over_seeds, test_set_difference),
            ("percentile", percentile_bootstrap_interval(difference, *weights), true_difference),
        ):
            covered[name].append(bool(low <= truth <= high))
    return {name: proportion_with_ci(outcomes) for name, outcomes in covered.items()}

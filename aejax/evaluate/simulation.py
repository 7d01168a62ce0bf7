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

from aejax.evaluate.intervals import crossed_interval, seeds_interval
from aejax.evaluate.statistics import MARGIN, Comparison, compare_all

EXAMPLE_STD = 3.0  # of the difficulty, where the (seed, example)'s part has 1: most examples are easy or hopeless
SPLIT_STD = 0.1  # of the seed's part that all methods share
ACCURACY = 0.95


@dataclasses.dataclass(frozen=True)
class Process:
    """How two methods differ. Deviations, where the (seed, example)'s part has 1."""

    name: str
    method_std: float  # of a method's own difficulty with an example, whatever the seed
    seed_std: float  # of a method's own luck with a seed, whatever the example


# The parts of the difference's variance in the last two are near those of runs on digits (ten seeds, 360 examples):
# between a code and the pixels nearly all is of the examples; between a code and random weights half is of the seeds.
PROCESSES = (
    Process("one method twice", 0.0, 0.1),
    Process("two codes", 1.0, 0.1),
    Process("code and random weights", 1.0, 0.5),
)


@dataclasses.dataclass(frozen=True)
class World:
    """One experiment with its truth."""

    correct: dict[str, Bool[np.ndarray, "seeds n_test"]]
    accuracies: dict[str, float]  # over all seeds and examples
    on_these: dict[str, float]  # over all seeds, on these test examples


def draw_world(
    process: Process, rng: np.random.Generator, accuracies: Sequence[float], seeds: int, examples: int
) -> World:
    """An experiment with one method for each accuracy, called m0, m1, ...; float32 inside, for speed."""
    difficulty = EXAMPLE_STD * rng.standard_normal(examples, dtype=np.float32)
    split = SPLIT_STD * rng.standard_normal((seeds, 1), dtype=np.float32)
    of_seed = process.seed_std**2 + SPLIT_STD**2 + 1
    total = np.sqrt(EXAMPLE_STD**2 + process.method_std**2 + of_seed)
    correct, truth, on_these = {}, {}, {}
    for index, accuracy in enumerate(accuracies):
        name, threshold = f"m{index}", float(total * stats.norm.ppf(accuracy))
        own = difficulty + process.method_std * rng.standard_normal(examples, dtype=np.float32)
        luck = split + process.seed_std * rng.standard_normal((seeds, 1), dtype=np.float32)
        correct[name] = own + luck + rng.standard_normal((seeds, examples), dtype=np.float32) < threshold
        truth[name] = accuracy
        on_these[name] = float(special.ndtr((threshold - own.astype(np.float64)) / np.sqrt(of_seed)).mean())
    return World(correct, truth, on_these)


def family_of(world: World, margin: float = MARGIN) -> list[Comparison]:
    """The first method against every other, as `compare.py` compares an autoencoder with its controls."""
    first, *others = world.correct
    return compare_all(world.correct, [(first, other) for other in others], margin)


def share(hits: Sequence[bool]) -> dict[str, float | int | list[float]]:
    """How often something happened, with its exact binomial 95 % interval (Clopper and Pearson 1934)."""
    count = int(np.count_nonzero(hits))
    interval = stats.binomtest(count, len(hits)).proportion_ci(0.95, "exact")
    return {
        "share": count / len(hits),
        "ci95": [float(interval.low), float(interval.high)],
        "count": count,
        "of": len(hits),
    }


def told_apart(rows: Sequence[Comparison]) -> bool:
    """Whether any comparison has a verdict of better or worse."""
    return any(row.verdict in ("better", "worse") for row in rows)


def told_apart_by_seeds_alone(rows: Sequence[Comparison], margin: float = MARGIN) -> bool:
    """The same if only the test over seeds were adjusted for the size of the family."""
    return any(
        row.p_holm < 0.05 and abs(row.mean_difference) > margin and not row.ci95[0] <= 0 <= row.ci95[1] for row in rows
    )


def bootstrap_weights(rng: np.random.Generator, count: int, draws: int) -> Float[np.ndarray, "draws count"]:
    """How often a bootstrap drew each of `count`."""
    return rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float32)


def percentile_interval(
    values: Float[np.ndarray, "seeds n_test"],
    of_seeds: Float[np.ndarray, "draws seeds"],
    of_examples: Float[np.ndarray, "draws n_test"],
) -> list[float]:
    """Percentiles of the crossed bootstrap as it is drawn, uncorrected: what `crossed_interval` is better than."""
    sums = np.sum((of_examples @ values.T.astype(np.float32)) * of_seeds, axis=1, dtype=np.float64)
    return [float(bound) for bound in np.quantile(sums / values.size, [0.025, 0.975])]


def coverage(
    process: Process, rng: np.random.Generator, experiments: int, seeds: int, examples: int, draws: int = 400
) -> dict[str, dict[str, float | int | list[float]]]:
    """How often each 95 % interval holds its truth.

    Returns:
        `difference` and `accuracy`, crossed intervals of two methods' difference and of one's accuracy; `seeds_alone`,
        the interval over seeds of the difference on the same test examples; `percentile`, the uncorrected bootstrap.
    """
    weights = bootstrap_weights(rng, seeds, draws), bootstrap_weights(rng, examples, draws)
    covered: dict[str, list[bool]] = {"difference": [], "accuracy": [], "seeds_alone": [], "percentile": []}
    for _ in range(experiments):
        world = draw_world(process, rng, (ACCURACY, ACCURACY - 0.01), seeds, examples)
        first, second = (correct.astype(np.float64) for correct in world.correct.values())
        difference, truth = first - second, world.accuracies["m0"] - world.accuracies["m1"]
        on_these = world.on_these["m0"] - world.on_these["m1"]
        over_seeds = seeds_interval(difference.mean(axis=1)) or [np.nan, np.nan]
        for name, (low, high), aim in (
            ("difference", crossed_interval(difference), truth),
            ("accuracy", crossed_interval(first, "logit"), ACCURACY),
            ("seeds_alone", over_seeds, on_these),
            ("percentile", percentile_interval(difference, *weights), truth),
        ):
            covered[name].append(bool(low <= aim <= high))
    return {name: share(hits) for name, hits in covered.items()}

"""p-values of a difference, and their adjustment where several are asked at once."""

import functools
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Num
from scipy import stats

from aejax.data.shuffling import make_generator
from aejax.evaluate.intervals import crossed_mean

MAX_EXACT_SEEDS = 14  # up to 2^14 sign patterns are enumerated; beyond, drawn
N_RANDOM_SIGN_PATTERNS = 9999
SIGN_FLIP_TEST = "sign-flip over seeds"
MCNEMAR_TEST = "McNemar over test examples: about this model, not the method"


def sign_flip_p(differences: Float[np.ndarray, " seeds"]) -> float | None:
    """Two-sided p of the mean paired difference under random signs, exact up to `EXACT_SEEDS`; None for one seed.

    The same number as `scipy.stats.permutation_test` gives, except where rounding breaks a tie there; and far sooner.
    """
    if len(differences) < 2:
        return None
    values = np.asarray(differences, np.float64)
    sums = np.abs(_sign_patterns(len(values)) @ values)
    tie = 1e-12 * np.abs(values).sum()  # sums that are equal may differ in their last bits
    return float(np.mean(sums >= np.abs(values.sum()) - tie))


@functools.lru_cache(maxsize=8)
def _sign_patterns(n_seeds: int) -> Float[np.ndarray, "patterns count"]:
    """Every pattern of signs, or `DRAWN` of them and the one that was observed."""
    if n_seeds <= MAX_EXACT_SEEDS:
        return np.array(list(itertools.product((1.0, -1.0), repeat=n_seeds)))
    drawn = make_generator(0, "sign flips").choice((1.0, -1.0), size=(N_RANDOM_SIGN_PATTERNS, n_seeds))
    return np.concatenate([np.ones((1, n_seeds)), drawn])


def mcnemar_p(differences: Num[np.ndarray, " n_test"]) -> float:
    """McNemar's exact test (1947): among the examples that one of two models alone gets right, a fair coin says which.

    Args:
        differences: of two models' correctness, each -1, 0 or 1.
    """
    wins, losses = int(np.count_nonzero(differences > 0)), int(np.count_nonzero(differences < 0))
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def paired_test(differences: Float[np.ndarray, "seeds n_test"]) -> tuple[float, str]:
    """p of two methods' paired differences in correctness, and which test gave it: over seeds where there are two."""
    over_seeds = sign_flip_p(differences.mean(axis=1))
    return (mcnemar_p(differences[0]), MCNEMAR_TEST) if over_seeds is None else (over_seeds, SIGN_FLIP_TEST)


def crossed_p(differences: Float[np.ndarray, "seeds n_test"]) -> float:
    """Two-sided p of the mean difference under another draw of seeds and examples; below .05 where the crossed interval
    excludes 0."""
    mean, variance, degrees = crossed_mean(differences)
    if variance == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / np.sqrt(variance), degrees))


def holm_adjust(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979) of a family's p-values, in the order given."""
    order = np.argsort(p_values)
    count = len(p_values)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate((count - np.arange(count)) * np.asarray(p_values)[order]))
    return adjusted.tolist()

"""p-values of paired differences, and their adjustment for several comparisons."""

import functools
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Num
from scipy import stats

from aejax.data.shuffling import make_generator
from aejax.evaluate.estimates import Estimate, EvaluationDesign

MAX_EXACT_SEEDS = 14  # up to 2^14 sign patterns are enumerated; for more seeds patterns are sampled
N_RANDOM_SIGN_PATTERNS = 9999
SIGN_FLIP_TEST = "sign-flip over seeds"
MCNEMAR_TEST = "McNemar over test examples: about this model, not the method"
EXAMPLES_TEST = "Student t over test examples: about this model, not the method"
RESAMPLED_TEST = "corrected resampled t over trainings"


def sign_flip_p(differences: Float[np.ndarray, " seeds"]) -> float:
    """Returns the two-sided p-value of the sign-flip test of the mean of two seeds or more.

    Exact up to MAX_EXACT_SEEDS. Equal to `scipy.stats.permutation_test`, except where rounding breaks a tie there, and
    much faster.
    """
    values = np.asarray(differences, np.float64)
    assert len(values) > 1
    sums = np.abs(_sign_patterns(len(values)) @ values)
    tolerance = 1e-12 * np.abs(values).sum()  # equal sums may differ in their last bits
    return float(np.mean(sums >= np.abs(values.sum()) - tolerance))


@functools.lru_cache(maxsize=8)
def _sign_patterns(n_seeds: int) -> Float[np.ndarray, "patterns n_seeds"]:
    """Returns all sign patterns, or N_RANDOM_SIGN_PATTERNS random ones and the observed one."""
    if n_seeds <= MAX_EXACT_SEEDS:
        return np.array(list(itertools.product((1.0, -1.0), repeat=n_seeds)))
    random = make_generator(0, "sign flips").choice((1.0, -1.0), size=(N_RANDOM_SIGN_PATTERNS, n_seeds))
    return np.concatenate([np.ones((1, n_seeds)), random])


def mcnemar_p(differences: Num[np.ndarray, " n_test"]) -> float:
    """Returns the p-value of McNemar's exact test (1947): a sign test on the examples that only one model gets right.

    Args:
        differences: of two models' correctness, each -1, 0 or 1.
    """
    wins, losses = int(np.count_nonzero(differences > 0)), int(np.count_nonzero(differences < 0))
    return float(stats.binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def paired_test(
    differences: Float[np.ndarray, "trainings n_test"], design: EvaluationDesign, estimate: Estimate
) -> tuple[float, str]:
    """Returns the p-value of two methods' paired differences and its test, by the design and number of trainings.

    Args:
        differences: of the values of two methods.
        design: which examples each training is tested on.
        estimate: of the mean difference.
    """
    if len(differences) > 1:
        if design.is_shared:
            return sign_flip_p(differences.mean(axis=1)), SIGN_FLIP_TEST
        return crossed_p(estimate), RESAMPLED_TEST
    if np.isin(differences, (-1, 0, 1)).all():
        return mcnemar_p(differences[0]), MCNEMAR_TEST
    return crossed_p(estimate), EXAMPLES_TEST


def crossed_p(estimate: Estimate) -> float:
    """Returns the two-sided p-value of a mean over draws of trainings and examples, the inverse of its interval."""
    mean, variance = float(estimate.mean), float(estimate.variance)
    if variance == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stats.t.sf(abs(mean) / np.sqrt(variance), estimate.degrees_of_freedom))


def holm_adjust(p_values: Sequence[float]) -> list[float]:
    """Returns Holm's step-down adjustment (1979) of a family's p-values, in the order given."""
    order = np.argsort(p_values)
    count = len(p_values)
    adjusted = np.empty(count)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate((count - np.arange(count)) * np.asarray(p_values)[order]))
    return adjusted.tolist()

"""The choice among settings by validation, and what it is worth."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int


class TuningReport(NamedTuple):
    """The settings that a method tried. Runs save it, so its fields keep their names."""

    settings: list[dict[str, Any]]  # of a kind, the first is that of the config
    valid_nll: Float[np.ndarray, "settings trainings"]  # of the probe, by which each training chooses
    test_metric: Float[np.ndarray, "settings trainings"]  # what verdicts are about; nothing is chosen by it
    chosen: Int[np.ndarray, " trainings"]  # number of the setting
    expected: Float[np.ndarray, " settings"]  # the test metric to expect of the best of 1, 2, ... random settings


def choose_settings(valid_nll: Float[np.ndarray, "settings trainings"]) -> Int[np.ndarray, " trainings"]:
    """Returns the setting of lowest validation loss of each training; losses that are not finite lose."""
    return np.where(np.isfinite(valid_nll), valid_nll, np.inf).argmin(axis=0)


def expected_of_best(
    valid_nll: Float[np.ndarray, "settings trainings"], test_metric: Float[np.ndarray, "settings trainings"]
) -> Float[np.ndarray, " settings"]:
    """Returns the test metric to expect of the best of n random settings by validation, for n = 1, 2, ..., settings.

    Of N settings in order of their validation loss, the one of rank i (from 0) is the best of n draws with replacement
    with probability ((N - i)^n - (N - i - 1)^n) / N^n: the estimator of Dodge et al. (2019), "Show Your Work", equation
    5, here of the test metric of the setting that validation chooses. The mean over trainings.
    """
    count = len(valid_nll)
    order = np.where(np.isfinite(valid_nll), valid_nll, np.inf).argsort(axis=0, kind="stable")
    by_rank = np.take_along_axis(test_metric, order, axis=0).mean(axis=1)
    at_most = np.arange(count, -1, -1) / count  # the share of settings of rank i or worse
    budgets = np.arange(1, count + 1)[:, None]
    return (at_most[:-1] ** budgets - at_most[1:] ** budgets) @ by_rank

"""The interface of classifiers that run on the host, such as those of scikit-learn: one call for each seed."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

Setting = float | int | str


class HostProblem(NamedTuple):
    """What a classifier of one seed may see. Only `test_inputs` are of test rows; nothing may be fitted on them."""

    inputs: Float[np.ndarray, "n d"]  # scaled, of all training and labelled rows, in the order of the dataset
    labelled: Int[np.ndarray, " n_labelled"]  # positions in `inputs` of the rows whose labels may be used
    labels: Int[np.ndarray, " n_labelled"]  # of these rows
    fold_train: Int[np.ndarray, "folds n_fold_train"]  # positions in `labelled`, for choosing settings
    fold_valid: Int[np.ndarray, "folds n_fold_valid"]
    test_inputs: Float[np.ndarray, "n_test d"]
    n_classes: int
    seed: int
    example_shape: tuple[int, ...]
    tune: int | None = None  # settings to try, see `--tune`; None: all that the method declares


class TriedSettings(NamedTuple):
    """What each of several settings gives after a fit to all labels of one seed."""

    settings: list[dict[str, Setting]]
    valid_nll: Float[np.ndarray, " settings"]  # of the folds
    log_probs: Float[np.ndarray, "settings n_test classes"]


class HostPrediction(NamedTuple):
    """A classifier's prediction of the test rows of one seed, and the settings that were chosen for it."""

    log_probs: Float[np.ndarray, "n_test classes"]
    settings: dict[str, Setting]
    tried: TriedSettings | None = None  # with `HostProblem.tune`

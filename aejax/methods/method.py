"""The interface of every way to turn inputs into features, learned or not, and of classifiers that run on the host."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from aejax.autoencoders.spec import ExtraMetricsFn, Stage
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.objectives.objective import Objective
from aejax.probes.head import Classifier

Role = Literal["control", "autoencoder", "external"]
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
    ratings: dict[str, Any] | None = None  # of settings, by earlier seeds of the run; None: none are shared


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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Method:
    """How inputs become features: initialize, train if there is an objective, encode. Written for one seed."""

    role: Role = "control"
    """Whose features these are: an autoencoder's, a control's, or ones that were made elsewhere."""
    init: Callable[[PRNGKeyArray, Float[Array, "n_train d"]], Variables]
    """From a key and the scaled training inputs; a closed form is complete after it."""
    encode: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch features"]]
    reconstruct: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch d"]] | None = None
    log_probs: Callable[[Variables, Float[Array, "batch d"]], Float[Array, "batch classes"]] | None = None
    """The method's own classifier; None: a probe classifies the features."""
    fit_predict: Callable[[HostProblem], HostPrediction] | None = None
    """A classifier of the scaled inputs that runs on the host, called once for each seed; it has no features."""
    objective: Objective | None = None  # minimized end to end; None: the method is not trained
    stages: tuple[Stage, ...] = ()  # trained one after the other before `objective`
    extra_metrics: ExtraMetricsFn | None = None  # further metrics of each test example
    model: Autoencoder | None = None  # the autoencoder whose encoder makes the features
    frozen_part: Literal["encoder", "decoder"] | None = None  # submodule that keeps its initial weights
    supervised: bool = False  # trained on labelled rows only, see `experiments.classifier_training`
    traced: bool = False  # hyperparameters are traced values, stored in the variables
    is_identity: bool = False  # the features are the scaled inputs
    make_features: Callable[..., Any] | None = None  # of every example, on the host; see `external.FeatureMaker`
    candidate_widths: tuple[int, ...] = ()
    """The probe sees all features, or only as many of the first ones, whichever has the lowest validation loss."""
    classifier: Literal["probe", "knn"] = "probe"  # classifier of the features, unless there is `log_probs`
    permute_labels: bool = False  # permute the labels of training and validation rows, not those of the test rows
    features_of: str | None = None  # the method that has the same features; it is trained once for both
    architecture_of: str | None = None  # kind whose architecture this control has; None: the default architecture


@functools.cache
def init_fn(model: Autoencoder | Classifier) -> Callable[..., Variables]:
    """Returns `Method.init` of a model: the same function for equal models, so that they share a compiled program."""
    return lambda key, inputs: model.init(key)


def with_knn(features_of: str, method: Method) -> Method:
    """Returns the features of a method, classified by their nearest neighbours."""
    return dataclasses.replace(method, classifier="knn", features_of=features_of, reconstruct=None, extra_metrics=None)


def with_permuted_labels(features_of: str, method: Method) -> Method:
    """Returns the features of a method with permuted labels: accuracy above chance means that test labels leak."""
    return dataclasses.replace(
        method,
        role="control",
        permute_labels=True,
        features_of=features_of,
        reconstruct=None,
        extra_metrics=None,
    )

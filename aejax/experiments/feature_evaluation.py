"""Everything that is asked of a method's features, or of a method that classifies by itself, for every seed."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.data.label_budget import make_seed_labels
from aejax.experiments.checks import CHECK_BATCH_SIZE, require_evaluation_mode
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_extraction import apply_to_rows, chunk_code_metrics, extract_features, gather_features
from aejax.experiments.host_memory import malloc_trim
from aejax.experiments.probes import Predictions, fit_classifier, merge_predictions
from aejax.experiments.representation_metrics import select_diagnostic_rows
from aejax.methods import Method
from aejax.models.submodules import Variables


class FeatureEvaluation(NamedTuple):
    """What was read from a method's features of every row, for every seed, on the host."""

    width: int  # numbers in one example's features
    predictions: Predictions | None
    measures: dict[str, Float[np.ndarray, " seeds"]]  # of codes
    diagnostic_features: (
        Float[np.ndarray, "copies m d"] | None
    )  # the features of the diagnosed rows; one copy stands for all


def evaluate_features(
    experiment: Experiment, name: str, method: Method, variables: Variables, classifier: str | None
) -> FeatureEvaluation:
    """Everything that is asked of a method's features, turn after turn, so that no more of them are held at a time.

    Args:
        experiment: whose rows.
        name: of the method.
        method: whose features.
        variables: of every seed, on the host.
        classifier: the word in `CLASSIFIERS` for what is fitted on them, if anything is.

    Raises:
        LeakError: what an example's features are depends on the examples beside it.
        InputError: float32 cannot serve the features.
    """
    plan, split = experiment.plan, experiment.split
    labels = make_seed_labels(experiment.dataset.labels, split.labelled, permuted=method.permute_labels)
    alike = method.is_identity and experiment.scaler.shift.shape[1] == 1  # no seed changes the features
    fitted, measures, width = [], [], 0
    diagnosed: list[Float[np.ndarray, "rows m d"]] = []
    for number, turn in enumerate(plan.chunks()):
        features = extract_features(experiment, turn, method, variables)
        width = features.width
        if number == 0 and not features.shared:
            few = turn.plan.replicated_to_host(features.values[0, split.test[:CHECK_BATCH_SIZE]])
            require_evaluation_mode(experiment, name, method.encode, variables, few)
        if classifier is not None:
            fitted.append(fit_classifier(experiment, turn, classifier, features, labels))
        if has_own_codes(method):
            measures.append(chunk_code_metrics(experiment, turn, features))
        if method.features_of is None and not (alike and diagnosed):
            diagnosed.append(gather_features(experiment, turn, features, select_diagnostic_rows(experiment)))
        malloc_trim(features)
        del features  # or it would stay until the next turn's are there
    copies = plan.concatenate(diagnosed) if diagnosed and not alike else None
    return FeatureEvaluation(
        width=width,
        predictions=merge_predictions(experiment, classifier, fitted) if classifier is not None else None,
        measures=plan.concatenate(measures) if measures else {},
        diagnostic_features=diagnosed[0][:1] if diagnosed and alike else copies,
    )


def has_own_codes(method: Method) -> bool:
    """It is an autoencoder, and its codes are not another row's."""
    return method.objective is not None and not method.supervised and method.features_of is None


def evaluate_own_classifier(
    experiment: Experiment, name: str, method: Method, variables: Variables, host_variables: Variables
) -> FeatureEvaluation:
    """The same of a method with its own classifier, whose features nobody else classifies.

    Args:
        experiment: whose rows.
        name: of the method.
        method: which has `log_probs`.
        variables: of every seed, on the devices.
        fetched: the same on the host.

    Raises:
        LeakError: what is said of an example depends on the examples beside it.
    """
    assert method.log_probs is not None
    log_probs = apply_to_rows(experiment, method.log_probs, variables, experiment.split.test)
    require_evaluation_mode(experiment, name, method.log_probs, host_variables, log_probs[0, :CHECK_BATCH_SIZE])
    features = apply_to_rows(experiment, method.encode, variables, select_diagnostic_rows(experiment))
    return FeatureEvaluation(features.shape[-1], Predictions(log_probs), {}, features)

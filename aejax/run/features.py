"""Everything that is asked of a method's features, or of a method that classifies by itself, for every seed."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aejax.data.labels import labels_seen
from aejax.methods import Method
from aejax.models.parts import Variables
from aejax.run.allocator import give_back
from aejax.run.classifying import Classified, classified, fit_classifier
from aejax.run.diagnosing import diagnosed_rows
from aejax.run.encoding import at_rows, encoded, measured, taken
from aejax.run.experiment import Experiment
from aejax.run.guards import TOGETHER, require_evaluation_mode


class Answers(NamedTuple):
    """What was read from a method's features of every row, for every seed, on the host."""

    width: int  # numbers in one example's features
    classified: Classified | None
    measures: dict[str, Float[np.ndarray, " seeds"]]  # of codes
    diagnosed: Float[np.ndarray, "copies m d"] | None  # the features of the diagnosed rows; one copy stands for all


def read_features(
    experiment: Experiment, name: str, method: Method, variables: Variables, classifier: str | None
) -> Answers:
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
    labels = labels_seen(experiment.dataset.labels, split.labelled, permuted=method.permuted)
    alike = method.untouched and experiment.scaler.shift.shape[1] == 1  # no seed changes the features
    fitted, measures, width = [], [], 0
    diagnosed: list[Float[np.ndarray, "rows m d"]] = []
    for number, turn in enumerate(plan.turns()):
        features = encoded(experiment, turn, method, variables)
        width = features.width
        if number == 0 and not features.shared:
            few = turn.plan.fetch_shared(features.values[0, split.test[:TOGETHER]])
            require_evaluation_mode(experiment, name, method.encode, variables, few)
        if classifier is not None:
            fitted.append(fit_classifier(experiment, turn, classifier, features, labels))
        if has_codes(method):
            measures.append(measured(experiment, turn, features))
        if method.of is None and not (alike and diagnosed):
            diagnosed.append(taken(experiment, turn, features, diagnosed_rows(experiment)))
        give_back(features)
        del features  # or it would stay until the next turn's are there
    copies = plan.joined(diagnosed) if diagnosed and not alike else None
    return Answers(
        width=width,
        classified=classified(experiment, classifier, fitted) if classifier is not None else None,
        measures=plan.joined(measures) if measures else {},
        diagnosed=diagnosed[0][:1] if diagnosed and alike else copies,
    )


def has_codes(method: Method) -> bool:
    """It is an autoencoder, and its codes are not another row's."""
    return method.objective is not None and not method.labelled and method.of is None


def read_classifier(
    experiment: Experiment, name: str, method: Method, variables: Variables, fetched: Variables
) -> Answers:
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
    log_probs = at_rows(experiment, method.log_probs, variables, experiment.split.test)
    require_evaluation_mode(experiment, name, method.log_probs, fetched, log_probs[0, :TOGETHER])
    features = at_rows(experiment, method.encode, variables, diagnosed_rows(experiment))
    return Answers(features.shape[-1], Classified(log_probs), {}, features)

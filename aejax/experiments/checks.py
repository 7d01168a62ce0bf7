"""What a run asks before it believes a number: is there something to choose by, and does each example stand alone."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from aejax.data.leakage import LeakageError
from aejax.errors import require
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_extraction import scaled_inputs
from aejax.methods import Method
from aejax.models.submodules import Variables

CHECK_BATCH_SIZE = 8  # test examples that are encoded side by side
RELATIVE_TOLERANCE = 0.01  # of the largest number: apart by less, two results are the same but for rounding
MAX_MISMATCH_SHARE = (
    0.25  # share of the examples that may differ all the same: a tie between two units may fall either way
)


def require_knn_validation_rows(experiment: Experiment, methods: Mapping[str, Method]) -> None:
    """Refuse neighbours that nothing can choose the number of.

    Raises:
        InputError: there are no labelled validation rows.
    """
    choosing = [name for name, method in methods.items() if method.classifier == "knn"]
    require(
        not choosing or experiment.split.labelled_valid.shape[1],
        f"--valid-fraction {experiment.config.split.valid_fraction}: leaves no validation rows to choose k by; raise "
        f"it, or leave {' and '.join(choosing)} out of --methods",
    )


def require_evaluation_mode(
    experiment: Experiment,
    name: str,
    apply: Callable[..., Any],
    variables: Variables,
    single_outputs: Float[np.ndarray, "n ..."],
) -> None:
    """Refuse an encoder of which an example's result depends on the examples beside it, or on chance.

    The features that are classified come from a pass in which each example is alone. Here some of them are side by
    side in one batch: batch normalisation in training mode, dropout or a unit chosen by the batch give others then.

    Args:
        experiment: whose first seed and first test examples are looked at.
        name: of the method.
        run: `(variables, inputs (batch, d))` to `(batch, ...)`.
        variables: of every seed, on the host.
        alone: what the pass gave for the first seed's first test examples, at most `TOGETHER`.

    Raises:
        LeakError: with the method's name.
    """
    rows = experiment.split.test[: len(single_outputs)]
    inputs = scaled_inputs(experiment, 0, rows)
    own = jax.tree.map(lambda leaf: leaf[0], variables)
    beside = np.asarray(jax.jit(apply)(own, inputs)).reshape(len(rows), -1)
    single_outputs = single_outputs.reshape(len(rows), -1)
    finite = np.isfinite(single_outputs).all(axis=1)  # a seed that diverged may have left infinities
    apart = np.abs(beside[finite] - single_outputs[finite]).max(axis=1)
    differs = ~(apart <= RELATIVE_TOLERANCE * np.abs(single_outputs[finite]).max(initial=0.0))
    if np.count_nonzero(differs) > MAX_MISMATCH_SHARE * len(rows):
        raise LeakageError(
            f"{name}: the result of an example changes by up to {np.max(apart):.3g} with others beside it; encode in "
            "evaluation mode (train=False), from the example alone"
        )

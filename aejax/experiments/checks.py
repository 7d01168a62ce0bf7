"""Checks of a run: there is a loss to select by, memory suffices, and each example is encoded alone."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from aejax.data.leakage import LeakageError
from aejax.data.memory import available_host_memory, format_bytes
from aejax.errors import require
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_extraction import scaled_inputs
from aejax.methods.method import Method
from aejax.models.submodules import Variables
from aejax.train.optimizers import make_optimizer
from aejax.train.state import init_progress

CHECK_BATCH_SIZE = 8  # test examples that are encoded in one batch
RELATIVE_TOLERANCE = 0.01  # of the largest value: smaller differences are rounding errors
MAX_MISMATCH_SHARE = 0.25  # of the examples: a tie between two units may be resolved either way
BYTES_PER_FEATURE = 4
SMALL = 20_000  # widest layer times seeds, below which no training needs gigabytes and none is measured
NO_SCHEDULE: dict[str, Any] = {"schedule": "constant", "warmup_epochs": 0.0}


def require_width_selection(experiment: Experiment, methods: Mapping[str, Method]) -> None:
    """Raises InputError if a method's width is selected by validation loss and the probe has none."""
    by_loss = [name for name, method in methods.items() if method.candidate_widths]
    c = experiment.config.probe.probe_c
    require(
        not by_loss or c is None,
        f"--probe-c {c}: leaves no validation loss to choose a width by; leave it out, or {' and '.join(by_loss)} out "
        "of --methods",
    )


def require_selection_rows(experiment: Experiment, methods: Mapping[str, Method]) -> None:
    """Raises InputError if a classifier on the host has no rows to choose its settings by."""
    choosing = [name for name, method in methods.items() if method.fit_predict is not None]
    require(
        not choosing or experiment.selection_folds.can_select,
        f"--valid-fraction {experiment.config.split.valid_fraction}: leaves no validation rows to choose settings by; "
        f"raise it, or leave {' and '.join(choosing)} out of --methods",
    )


def require_evaluation_mode(
    experiment: Experiment,
    name: str,
    apply: Callable[..., Any],
    variables: Variables,
    single_outputs: Float[np.ndarray, "n ..."],
) -> None:
    """Raises LeakageError if the output for an example depends on its batch or on chance.

    Features are extracted from one example at a time. Here some examples are encoded in one batch: batch normalisation
    in training mode, dropout, or units that the batch selects give other outputs.

    Args:
        experiment: the first seed and the first test examples are checked.
        name: of the method.
        apply: from variables and inputs `(batch, d)` to outputs `(batch, ...)`.
        variables: of every seed, on the host.
        single_outputs: outputs for the first seed's first test examples, at most `CHECK_BATCH_SIZE`.

    Raises:
        LeakageError: with the method's name.
    """
    rows = experiment.split.test[0, : len(single_outputs)]
    inputs = scaled_inputs(experiment, 0, rows)
    first_seed = jax.tree.map(lambda leaf: leaf[0], variables)
    batch_outputs = np.asarray(jax.jit(apply)(first_seed, inputs)).reshape(len(rows), -1)
    single_outputs = single_outputs.reshape(len(rows), -1)
    finite = np.isfinite(single_outputs).all(axis=1)  # a seed that diverged may have left infinities
    difference = np.abs(batch_outputs[finite] - single_outputs[finite]).max(axis=1)
    differs = ~(difference <= RELATIVE_TOLERANCE * np.abs(single_outputs[finite]).max(initial=0.0))
    if np.count_nonzero(differs) > MAX_MISMATCH_SHARE * len(rows):
        raise LeakageError(
            f"{name}: the result of an example changes by up to {np.max(difference):.3g} with the other examples of "
            "its batch; encode in evaluation mode (train=False), from the example alone"
        )


def training_bytes(experiment: Experiment, method: Method) -> int:
    """Returns the bytes that a training needs at least: the state of all seeds, gradients, updates and features.

    Nothing is allocated. The host's memory is counted, which CPU devices share; an accelerator needs about as much.
    """
    plan, n_rows = experiment.plan, len(experiment.dataset.inputs)
    n_features = math.prod(experiment.dataset.example_shape)
    inputs = jax.ShapeDtypeStruct((experiment.split.train.shape[1], n_features), np.float32)
    variables = jax.eval_shape(method.init, jax.random.key(0), inputs)
    width = jax.eval_shape(method.encode, variables, jax.ShapeDtypeStruct((1, n_features), np.float32)).shape[-1]
    weights = state = _count_bytes(variables)
    if method.objective is not None or method.supervised:
        optimizer = make_optimizer(dataclasses.replace(experiment.config.optimizer, **NO_SCHEDULE), 1, 1)
        state = _count_bytes(jax.eval_shape(lambda leaves: init_progress(leaves, optimizer), variables))
    at_once = min(plan.seeds, plan.mesh.size)
    return plan.seeds * state + at_once * (2 * weights + BYTES_PER_FEATURE * n_rows * width)


def require_training_memory(experiment: Experiment, methods: Mapping[str, Method]) -> None:
    """Raises `InputError` with the sizes if the training of a method cannot fit into memory."""
    if _widest(experiment) * experiment.plan.seeds < SMALL:
        return
    available = available_host_memory()
    for name, method in methods.items():
        needed = 0 if method.fit_predict else training_bytes(experiment, method)
        require(
            needed <= available,
            f"{name}: {experiment.plan.seeds} seeds need {format_bytes(needed)} for weights, optimizer and features, "
            f"and memory has {format_bytes(available)} left; use a smaller --hidden or --latent-dim, or fewer --seeds",
        )


def _widest(experiment: Experiment) -> int:
    """Returns the width of the widest layer of any kind."""
    settings = [value if isinstance(value, tuple) else (value,) for value in vars(experiment.config.model).values()]
    widths = [value for values in settings for value in values if isinstance(value, int)]
    return max([math.prod(experiment.dataset.example_shape), *widths])


def _count_bytes(tree: Any) -> int:
    return sum(math.prod(leaf.shape) * getattr(leaf.dtype, "itemsize", 0) for leaf in jax.tree.leaves(tree))

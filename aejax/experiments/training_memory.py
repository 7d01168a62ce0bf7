"""How much memory a training needs at least, so that one that is too large is refused and not killed."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from aejax.data.memory import available_host_memory, format_bytes
from aejax.errors import require
from aejax.experiments.experiment import Experiment
from aejax.methods.method import Method
from aejax.train.optimizers import make_optimizer
from aejax.train.state import init_progress

BYTES_PER_FEATURE = 4
SMALL = 20_000  # widest layer times seeds, below which no training needs gigabytes and none is measured
NO_SCHEDULE: dict[str, Any] = {"schedule": "constant", "warmup_epochs": 0.0}


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

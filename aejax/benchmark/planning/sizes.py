"""What one run of a recipe holds, computes and moves, by the shapes of the code that trains it."""

import math
from typing import Any, NamedTuple

import jax
import numpy as np

from aejax.benchmark.training.products import flops_per_example, layer_products
from aejax.config import PretrainConfig
from aejax.data.dataset import Dataset
from aejax.data.examples import EVALUATION_BATCH
from aejax.data.order import steps_per_epoch
from aejax.methods import METHODS
from aejax.run.experiment import setting_of
from aejax.run.resolve import resolve
from aejax.train.optimizers import make_optimizer
from aejax.train.state import init_fit

FLOAT, INDEX, ROW = 4, 4, 8  # bytes: float32; int32 rows of an order; int64 rows of a split


class Sizes(NamedTuple):
    """Of one run; bytes unless said otherwise."""

    batch: int  # examples of a step
    steps: int  # of an epoch
    fit: int  # weights, optimizer state, best weights
    state: int  # the part of it that a step reads and writes
    parameters: int
    activations: int  # outputs of all layers, and the inputs, of one example
    working: int  # most that a step or an evaluation batch holds beside the state
    order: int  # of an epoch
    rows: int  # of its split on the host, where a sweep lays them out
    monitor: int  # its validation rows on the device
    example: int  # of an image
    flops: int  # of the products for one example, forward and back

    @property
    def held(self) -> int:
        """Most that a device holds for a run: a fit, the state of the epoch under way, what a step works with.

        The state from before the epoch stays, to go back to where the epoch ends not finite.
        """
        return self.fit + self.state + self.working + self.order + self.monitor

    def moved(self, batch: float) -> float:
        """Bytes of device memory that a step of so many examples moves, if nothing stays in a cache.

        The state is read and written, the weights are read forward and back, their gradient is written and read, and
        each activation and its gradient is written once and read once.
        """
        return 2 * self.state + 4 * self.parameters + 4 * batch * self.activations + batch * self.example


def tree_bytes(tree: Any) -> int:
    """Sum over the leaves of arrays or descriptions of arrays."""
    return sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))


def stand_in(shape: tuple[int, ...], classes: int) -> Dataset:
    """Images of this shape without content: enough to resolve a config by."""
    n = 10 * classes
    return Dataset(
        name="mnist",
        inputs=np.zeros((n, *shape), np.uint8),
        labels=np.arange(n, dtype=np.int32) % classes,
        class_names=tuple(map(str, range(classes))),
        value_range=(0.0, 255.0),
        test_rows=np.arange(classes),
    )


def sizes_of(config: PretrainConfig, dataset: Dataset, n_train: int, n_monitor: int) -> Sizes:
    """The sizes of one run of a dense recipe.

    Args:
        config: not yet resolved.
        dataset: whose shape and storage type count; how many examples it has does not.
        n_train: training rows; all of them are labelled, and stand in the split twice.
        n_monitor: rows behind the validation curve.
    """
    config = resolve(config, dataset)
    method = METHODS[config.method](setting_of(config, dataset))
    assert method.model is not None
    batch = min(config.train.batch_size, n_train)
    steps = steps_per_epoch(n_train, batch)
    optimizer = make_optimizer(config.optimizer, steps, config.train.epochs)
    model = method.model
    fit = jax.eval_shape(lambda: init_fit(model.init(jax.random.key(0)), optimizer))
    products = layer_products(config, dataset.shape)
    parameters = tree_bytes(fit.state.variables["params"])
    example = math.prod(dataset.shape)
    activations = FLOAT * (example + _outputs(fit.state.variables["params"]))
    return Sizes(
        batch=batch,
        steps=steps,
        fit=tree_bytes(fit),
        state=tree_bytes(fit.state),
        parameters=parameters,
        activations=activations,
        working=max(2 * batch * activations + 2 * parameters, EVALUATION_BATCH * activations),
        order=INDEX * steps * batch,
        rows=2 * ROW * n_train,
        monitor=INDEX * n_monitor,
        example=example * dataset.inputs.dtype.itemsize,
        flops=flops_per_example(products),
    )


def _outputs(params: Any) -> int:
    """Units of all layers: as many as there are biases."""
    return sum(leaf.size for leaf in jax.tree.leaves(params) if len(leaf.shape) == 1)

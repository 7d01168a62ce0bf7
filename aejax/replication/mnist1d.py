"""Claims of MNIST-1D (Greydanus and Kobak 2024): four classifiers of sequences of 40 numbers."""

import dataclasses
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from aejax.config import DataConfig
from aejax.data.registry import load_dataset
from aejax.replication.claim import NumericClaim, PerSeed, Source
from aejax.replication.context import ClaimContext

Variables = Any  # Flax's nested dict of parameters
N_CLASSES, BATCH_SIZE, STEPS, LEARNING_RATE = 10, 100, 6000, 1e-2
WIDTH, CHANNELS, GRU_WIDTH = 100, 25, 6
TITLE, URL = (
    "S. Greydanus and D. Kobak, Scaling Down Deep Learning with MNIST-1D (2024)",
    "https://arxiv.org/abs/2011.14439",
)
DATA_PROTOCOL = (
    "the package's 4,000 training and 1,000 test sequences; cross-entropy, 6,000 steps of Adam at 1e-2 on batches of "
    "100 in the order of the data, as in the authors' notebook, and the accuracy after the last step; Flax's "
    "initialization in the place of PyTorch's"
)


class Linear(nn.Module):
    """Logistic regression."""

    @nn.compact
    def __call__(self, inputs: Float[Array, "b d"]) -> Float[Array, "b classes"]:
        return nn.Dense(N_CLASSES)(inputs)


class ResidualMlp(nn.Module):
    """Two hidden layers of 100 units, the second with a skip connection."""

    @nn.compact
    def __call__(self, inputs: Float[Array, "b d"]) -> Float[Array, "b classes"]:
        hidden = nn.relu(nn.Dense(WIDTH)(inputs))
        hidden = hidden + nn.relu(nn.Dense(WIDTH)(hidden))
        return nn.Dense(N_CLASSES)(hidden)


class Cnn(nn.Module):
    """Three convolutions of stride 2 with 25 channels, and a linear layer on all positions."""

    @nn.compact
    def __call__(self, inputs: Float[Array, "b d"]) -> Float[Array, "b classes"]:
        hidden = inputs[..., None]
        for width in (5, 3, 3):
            hidden = nn.relu(nn.Conv(CHANNELS, (width,), strides=2, padding=1)(hidden))
        return nn.Dense(N_CLASSES)(hidden.reshape(len(hidden), -1))


class BidirectionalGru(nn.Module):
    """Six gated recurrent units in each direction, and a linear layer on the outputs of all positions."""

    @nn.compact
    def __call__(self, inputs: Float[Array, "b d"]) -> Float[Array, "b classes"]:
        layer = nn.Bidirectional(nn.RNN(nn.GRUCell(GRU_WIDTH)), nn.RNN(nn.GRUCell(GRU_WIDTH)))
        outputs = jnp.asarray(layer(inputs[..., None]))
        return nn.Dense(N_CLASSES)(outputs.reshape(len(outputs), -1))


def classifier_accuracy(context: ClaimContext, model: nn.Module) -> PerSeed:
    """Returns every seed's test accuracy in percent, after the last step."""
    dataset = load_dataset(DataConfig(dataset="mnist1d"))
    assert dataset.test_rows is not None
    train = np.setdiff1d(np.arange(dataset.n_examples), dataset.test_rows)
    inputs, labels = jnp.asarray(dataset.inputs, jnp.float32), jnp.asarray(dataset.labels)
    batch = min(BATCH_SIZE, len(train))
    batches = train[: len(train) // batch * batch].reshape(-1, batch)
    epochs = context.epochs or -(-STEPS // len(batches))
    order = np.tile(batches, (epochs, 1))[:STEPS]
    accuracies = []
    for seed in range(context.seeds):
        parameters = train_classifier(model, seed, inputs, labels, order)
        logits = jnp.asarray(model.apply(parameters, inputs[dataset.test_rows]))
        accuracies.append(100 * float(jnp.mean(logits.argmax(axis=-1) == labels[dataset.test_rows])))
    return np.array(accuracies)


def train_classifier(
    model: nn.Module,
    seed: int,
    inputs: Float[Array, "n d"],
    labels: Int[Array, " n"],
    order: Int[np.ndarray, "steps batch"],
) -> Variables:
    """Returns the parameters after one step of Adam for each row of `order`."""
    optimizer = optax.adam(LEARNING_RATE)

    def loss(parameters: Variables, rows: Int[Array, " batch"]) -> Float[Array, ""]:
        logits = model.apply(parameters, inputs[rows])
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[rows]).mean()

    @jax.jit  # and no scan, in which convolutions on a CPU take many times as long
    def step(
        parameters: Variables, state: optax.OptState, rows: Int[Array, " batch"]
    ) -> tuple[Variables, optax.OptState]:
        updates, state = optimizer.update(jax.grad(loss)(parameters, rows), state)
        return optax.apply_updates(parameters, updates), state

    parameters = model.init(jax.random.key(seed), inputs[:1])
    state = optimizer.init(parameters)
    for rows in order:
        parameters, state = step(parameters, state, rows)
    return parameters


def _measure(model: nn.Module) -> Callable[[ClaimContext], PerSeed]:
    return lambda context: classifier_accuracy(context, model)


LINEAR = NumericClaim(
    name="mnist1d-linear",
    statement="logistic regression is right on 32 % of the test sequences",
    source=Source(TITLE, "table 1, the authors' README, and mnist1d-classification.ipynb", URL),
    protocol=f"{DATA_PROTOCOL}; one linear layer",
    command="aejax.replication.mnist1d.classifier_accuracy (Flax)",
    unit="test accuracy, %",
    printed_values=("32",),
    source_runs=3,
    max_half_width=(3.0,),
    criterion_reason="the table has the mean of three runs; the width is the least difference in it, between CNN and "
    "GRU",
    seeds=6,
    requirements=("mnist1d",),
    cost="seconds",
    measure=_measure(Linear()),
)
CLAIMS = (
    LINEAR,
    dataclasses.replace(
        LINEAR,
        name="mnist1d-mlp",
        statement="a multilayer perceptron is right on 68 % of the test sequences",
        protocol=f"{DATA_PROTOCOL}; two hidden layers of 100 ReLUs, the second with a skip connection",
        printed_values=("68",),
        caveat="the authors' notebook prints 65.1 after its last step",
        cost="a minute",
        measure=_measure(ResidualMlp()),
    ),
    dataclasses.replace(
        LINEAR,
        name="mnist1d-cnn",
        statement="a convolutional network is right on 94 % of the test sequences",
        protocol=f"{DATA_PROTOCOL}; three convolutions of stride 2 with 25 channels and a linear layer",
        printed_values=("94",),
        caveat="the authors' notebook prints 92.3 after its last step",
        cost="minutes",
        measure=_measure(Cnn()),
    ),
    dataclasses.replace(
        LINEAR,
        name="mnist1d-gru",
        statement="a bidirectional GRU is right on 91 % of the test sequences",
        protocol=f"{DATA_PROTOCOL}; six units in each direction and a linear layer on all positions",
        printed_values=("91",),
        caveat="the authors' notebook prints 89.1 after its last step",
        cost="minutes",
        measure=_measure(BidirectionalGru()),
    ),
)

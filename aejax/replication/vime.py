"""Claims of the tutorial of VIME (Yoon et al. 2020): MNIST as a table, with 1,000 labels."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int
from sklearn.base import ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

from aejax.data.shuffling import make_generator
from aejax.replication.claim import NumericClaim, PerSeed, Source
from aejax.replication.context import ClaimContext

TITLE = (
    "J. Yoon, Y. Zhang, J. Jordon and M. van der Schaar, VIME: Extending the Success of Self- and Semi-supervised "
    "Learning to Tabular Domain (2020)"
)
URL = "https://github.com/jsyoon0823/VIME/blob/master/tutorial_vime.ipynb"
Variables = Any  # Flax's nested dict of parameters
N_LABELS, LABELLED_SHARE = 1000, 0.1
MASK_SHARE, RECONSTRUCTION_WEIGHT = 0.3, 2.0
EPOCHS, BATCH_SIZE, LEARNING_RATE = 10, 128, 1e-3
DATA_PROTOCOL = (
    "the 60,000 training digits in [0, 1], permuted for each seed: the first 1,000 have labels, the last 54,000 none; "
    "judged on the 10,000 test digits"
)


class Draw(NamedTuple):
    """One seed's digits."""

    labelled: Float[np.ndarray, "n_labelled d"]
    labels: Int[np.ndarray, " n_labelled"]
    unlabelled: Float[np.ndarray, "n d"]
    test: Float[np.ndarray, "n_test d"]
    test_labels: Int[np.ndarray, " n_test"]


def draw_digits(context: ClaimContext, seed: int) -> Draw:
    """Returns a random choice of labelled and unlabelled digits, and the test digits."""
    digits = context.load_mnist_arrays()
    order = make_generator(seed, "labelled digits").permutation(len(digits.train))
    labelled, unlabelled = order[:N_LABELS], order[int(LABELLED_SHARE * len(order)) :]
    train = digits.train[labelled], digits.train_labels[labelled], digits.train[unlabelled]
    return Draw(*train, digits.test, digits.test_labels)


def make_mlp(seed: int) -> MLPClassifier:
    """Returns the tutorial's network: two layers of 100 units, Adam, and a tenth of the labels to choose the epoch."""
    settings = {"alpha": 0, "batch_size": 100, "max_iter": 100, "early_stopping": True, "n_iter_no_change": 50}
    return MLPClassifier((100, 100), **settings, random_state=seed)


def classifier_accuracy(context: ClaimContext, make_classifier: Callable[[int], ClassifierMixin]) -> PerSeed:
    """Returns every seed's test accuracy of a classifier on the pixels of the labelled digits."""
    accuracies = []
    for seed in range(context.seeds):
        draw = draw_digits(context, seed)
        fitted = make_classifier(seed).fit(draw.labelled, draw.labels)
        accuracies.append(fitted.score(draw.test, draw.test_labels))
    return np.array(accuracies)


def self_supervised_accuracy(context: ClaimContext) -> PerSeed:
    """Returns every seed's test accuracy of the same network on the codes of VIME's self-supervised encoder."""
    accuracies = []
    for seed in range(context.seeds):
        draw = draw_digits(context, seed)
        weights, bias = train_encoder(draw.unlabelled, seed, context.epochs or EPOCHS)
        codes, test_codes = (np.maximum(inputs @ weights + bias, 0) for inputs in (draw.labelled, draw.test))
        fitted = make_mlp(seed).fit(codes, draw.labels)
        accuracies.append(fitted.score(test_codes, draw.test_labels))
    return np.array(accuracies)


class MaskAndFeatureEstimator(nn.Module):
    """A ReLU layer as wide as the inputs, and a layer each for the corrupted entries and the clean inputs."""

    @nn.compact
    def __call__(self, inputs: Float[Array, "b d"]) -> tuple[Float[Array, "b d"], Float[Array, "b d"]]:
        width, init = inputs.shape[1], nn.initializers.glorot_uniform()
        hidden = nn.relu(nn.Dense(width, kernel_init=init, name="encoder")(inputs))
        mask_logits = nn.Dense(width, kernel_init=init, name="mask")(hidden)
        return mask_logits, nn.sigmoid(nn.Dense(width, kernel_init=init, name="feature")(hidden))


def train_encoder(
    inputs: Float[np.ndarray, "n d"], seed: int, epochs: int
) -> tuple[Float[np.ndarray, "d d"], Float[np.ndarray, " d"]]:
    """Returns weights and bias of a ReLU layer from which corrupted entries and clean inputs are estimated.

    Corruption replaces entries by those of other rows in the same column, once before training (sections 3 and 4).
    """
    rng, n = make_generator(seed, "corruption"), len(inputs)
    shuffled = np.stack([rng.permutation(column) for column in inputs.T], axis=1)
    corrupted = np.where(rng.random(inputs.shape) < MASK_SHARE, shuffled, inputs)
    model, batch = MaskAndFeatureEstimator(), min(BATCH_SIZE, n)
    # Keras adds its epsilon to the root: within the root, as by default, it would outweigh these small gradients.
    optimizer = optax.rmsprop(LEARNING_RATE, decay=0.9, eps=1e-7, eps_in_sqrt=False)

    def loss(parameters: Variables, noisy: Float[Array, "b d"], clean: Float[Array, "b d"]) -> Float[Array, ""]:
        mask_logits, features = map(jnp.asarray, model.apply(parameters, noisy))
        changed = (noisy != clean).astype(jnp.float32)
        mask_loss = optax.sigmoid_binary_cross_entropy(mask_logits, changed).mean()
        return mask_loss + RECONSTRUCTION_WEIGHT * jnp.square(features - clean).mean()

    @jax.jit
    def step(
        parameters: Variables, state: optax.OptState, noisy: Float[Array, "b d"], clean: Float[Array, "b d"]
    ) -> tuple[Variables, optax.OptState]:
        updates, state = optimizer.update(jax.grad(loss)(parameters, noisy, clean), state)
        return optax.apply_updates(parameters, updates), state

    parameters = model.init(jax.random.key(seed), jnp.asarray(inputs[:1]))
    state = optimizer.init(parameters)
    for _ in range(epochs):
        order = rng.permutation(n)
        for start in range(0, n - batch + 1, batch):
            rows = order[start : start + batch]
            parameters, state = step(parameters, state, corrupted[rows], inputs[rows])
    encoder = parameters["params"]["encoder"]
    return np.asarray(encoder["kernel"]), np.asarray(encoder["bias"])


LOGISTIC = NumericClaim(
    name="vime-logistic",
    statement="logistic regression on 1,000 labelled digits is right on .8721 of the test digits",
    source=Source(TITLE, "tutorial_vime.ipynb, Report Prediction Performances", URL),
    protocol=f"{DATA_PROTOCOL}; LogisticRegression() with scikit-learn's defaults",
    command="LogisticRegression().fit(X_train, y_train).score(X_test, y_test)",
    unit="test accuracy",
    printed_values=("0.8721",),
    max_half_width=(0.9244 - 0.8721,),
    criterion_reason="one run is shown; the width excludes VIME's accuracy from an interval around the printed one",
    seeds=6,
    requirements=("MNIST",),
    cost="seconds",
    measure=lambda context: classifier_accuracy(context, lambda seed: LogisticRegression()),
)
CLAIMS = (
    LOGISTIC,
    dataclasses.replace(
        LOGISTIC,
        name="vime-boosting",
        statement="XGBoost on 1,000 labelled digits is right on .8763 of the test digits",
        protocol=f"{DATA_PROTOCOL}; HistGradientBoostingClassifier() with scikit-learn's defaults in the place of "
        "XGBoost with its own: 100 trees for each class, of 31 leaves and not of depth 6",
        command="HistGradientBoostingClassifier(random_state=seed).fit(X_train, y_train).score(X_test, y_test)",
        printed_values=("0.8763",),
        max_half_width=(0.9244 - 0.8763,),
        cost="minutes",
        measure=lambda context: classifier_accuracy(
            context, lambda seed: HistGradientBoostingClassifier(random_state=seed)
        ),
    ),
    dataclasses.replace(
        LOGISTIC,
        name="vime-mlp",
        statement="a 784-100-100-10 network on 1,000 labelled digits is right on .8935 of the test digits",
        protocol=f"{DATA_PROTOCOL}; ReLU, Adam, batch 100, at most 100 epochs; a tenth of the labels chooses the "
        "epoch, by its accuracy and not, as there, by its loss, and stops after 50 epochs without a better one",
        command="MLPClassifier((100, 100), alpha=0, batch_size=100, max_iter=100, early_stopping=True, "
        "n_iter_no_change=50)",
        printed_values=("0.8935",),
        max_half_width=(0.9244 - 0.8935,),
        measure=lambda context: classifier_accuracy(context, make_mlp),
    ),
    dataclasses.replace(
        LOGISTIC,
        name="vime-self",
        statement="the same network on codes of VIME's self-supervised encoder is right on .9037 of the test digits",
        protocol=f"{DATA_PROTOCOL}; a ReLU layer of 784 units, trained on the unlabelled digits for 10 epochs of "
        "RMSprop (1e-3, batch 128) to estimate which entries were swapped with those of other digits (p = .3), and "
        "the clean digit (weight 2); then vime-mlp's network on its outputs",
        command="aejax.replication.vime.self_supervised_accuracy (JAX, scikit-learn)",
        printed_values=("0.9037",),
        max_half_width=(0.9037 - 0.8935,),
        criterion_reason="one run is shown; the width excludes the accuracy on the pixels from an interval around the "
        "printed one",
        cost="minutes",
        measure=self_supervised_accuracy,
    ),
    dataclasses.replace(
        LOGISTIC,
        name="vime-semi",
        statement="VIME with its semi-supervised loss is right on .9244 of the test digits",
        protocol=f"{DATA_PROTOCOL}; vime-self's encoder, and a network with a consistency loss on unlabelled digits",
        command="none",
        printed_values=("0.9244",),
        missing="its consistency loss is not implemented here",
    ),
)

"""A softmax head on a frozen encoder converges to the logistic probe on its codes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from aejax.config import ModelConfig, ProbeConfig
from aejax.data.batching import Batch, Examples
from aejax.data.scalers import Scaler
from aejax.models.architectures import dense_autoencoder
from aejax.probes.features import Features
from aejax.probes.head import Classifier, SoftmaxHead, attach_head, make_cross_entropy_objective
from aejax.probes.logistic_probe import make_logistic_probe
from aejax.train.epoch import SeedData, make_train_epochs
from aejax.train.optimizers import freeze
from aejax.train.state import init_progress
from tests.losses import loss_and_gradient
from tests.probe_rows import make_probe_rows

ORDER = np.random.default_rng(0).permutation(178)
TRAIN, TEST = ORDER[:120], ORDER[120:]
INPUTS, LABELS = load_wine(return_X_y=True)
EXAMPLES = Examples(
    jnp.asarray(StandardScaler().fit(INPUTS[TRAIN]).transform(INPUTS), jnp.float32), jnp.asarray(LABELS, jnp.int32)
)
AUTOENCODER = dense_autoencoder(
    ModelConfig(hidden=(16,), latent_dim=6, activation="tanh", batch_norm=True, output="linear"), 13
)
CLASSIFIER = Classifier(AUTOENCODER, SoftmaxHead(3))
C = 0.5
STEPS = 2000


@functools.cache
def encoder_and_trained():
    encoder = jax.jit(AUTOENCODER.init)(jax.random.key(0))
    fresh = jax.jit(CLASSIFIER.init)(jax.random.key(1))
    before = attach_head(encoder, fresh["params"]["head"])

    def is_kernel(params):
        return jax.tree.map(lambda leaf: leaf.ndim == 2, params)

    penalty = optax.add_decayed_weights(1 / (C * len(TRAIN)), mask=is_kernel)
    adam = optax.adam(optax.cosine_decay_schedule(0.05, STEPS))
    optimizer = freeze(optax.chain(penalty, adam), {"encoder"})
    epochs = jax.jit(make_train_epochs(make_cross_entropy_objective(CLASSIFIER, frozen_encoder=True), optimizer))
    data = SeedData(jax.random.key(2), Scaler(np.zeros(1, np.float32), np.ones(1, np.float32)), np.zeros(0, np.int32))
    whole_batches = np.tile(TRAIN.astype(np.int32), (STEPS, 1, 1))
    fit, history = epochs(init_progress(before, optimizer), whole_batches, data, EXAMPLES)
    assert history["train_loss"][-1] < history["train_loss"][0]
    return encoder, fresh, fit.state.variables


def test_the_trained_head_is_the_classifier_of_the_logistic_probe():
    encoder, _, trained = encoder_and_trained()
    codes = AUTOENCODER.encode(encoder, EXAMPLES.inputs)
    probe = make_logistic_probe(ProbeConfig(probe_c=C, probe_standardize=False), n_classes=3)
    rows = make_probe_rows(jnp.asarray(TRAIN), jnp.zeros(0, jnp.int32), jnp.asarray(TEST))
    expected = np.asarray(jax.jit(probe)(Features(codes), EXAMPLES.labels, rows).log_probs)
    result = np.asarray(CLASSIFIER.log_probs(trained, EXAMPLES.inputs[TEST]))
    np.testing.assert_allclose(result, expected, atol=1e-2)
    np.testing.assert_array_equal(result.argmax(axis=1), expected.argmax(axis=1))
    assert np.mean(result.argmax(axis=1) == LABELS[TEST]) > 0.6


def test_training_the_head_leaves_the_encoder_and_its_statistics_bit_equal():
    encoder, fresh, trained = encoder_and_trained()
    for collection in ("params", "batch_stats"):
        jax.tree.map(np.testing.assert_array_equal, trained[collection]["encoder"], encoder[collection]["encoder"])
    head = [variables["params"]["head"]["logits"]["kernel"] for variables in (fresh, trained)]
    assert np.any(head[0] != head[1])


def test_attaching_a_head_uses_the_given_encoder_and_head():
    encoder, fresh, _ = encoder_and_trained()
    both = attach_head(encoder, fresh["params"]["head"])
    assert both["params"].keys() == both["batch_stats"].keys() == {"encoder", "head"}
    assert both["params"]["encoder"] is encoder["params"]["encoder"]
    assert both["params"]["head"] is fresh["params"]["head"]


BATCH = Batch(EXAMPLES.inputs[:20], EXAMPLES.labels[:20])


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "end to end"])
def test_only_a_frozen_encoder_has_no_gradient_and_keeps_its_statistics(frozen):
    _, fresh, _ = encoder_and_trained()
    objective = make_cross_entropy_objective(CLASSIFIER, frozen_encoder=frozen)
    (_, aux), gradient = loss_and_gradient(objective, fresh, BATCH, jax.random.key(0))
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(gradient["encoder"])) == frozen
    assert np.any(gradient["head"]["logits"]["kernel"] != 0)
    before, after = (jax.tree.leaves(stats["encoder"]) for stats in (fresh["batch_stats"], aux.batch_stats))
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)) == frozen


def test_training_and_evaluation_loss_are_the_negative_log_probability_of_the_labels():
    _, fresh, _ = encoder_and_trained()
    objective = make_cross_entropy_objective(CLASSIFIER, frozen_encoder=True)
    log_probs = np.asarray(CLASSIFIER.log_probs(fresh, BATCH.inputs))
    true_class = log_probs[np.arange(20), LABELS[:20]]
    evaluated = objective.evaluate(fresh, BATCH)
    np.testing.assert_allclose(evaluated["loss"], -true_class, rtol=1e-5)
    np.testing.assert_array_equal(evaluated["accuracy"], log_probs.argmax(axis=1) == LABELS[:20])
    np.testing.assert_allclose(objective.loss(fresh, BATCH, jax.random.key(0))[0], -true_class.mean(), rtol=1e-5)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), 1, rtol=1e-5)

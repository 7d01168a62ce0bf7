"""A schedule of the learning rate spans all steps of a training, the extra passes of few labels included."""

from unittest.mock import Mock

import jax.numpy as jnp
import numpy as np
import pytest

from aejax.config import ExperimentConfig, OptimizerConfig, TrainConfig
from aejax.data.splits import Split
from aejax.experiments.experiment import Experiment
from aejax.experiments.schedule import optimizer_for
from aejax.methods.method import Method


@pytest.mark.parametrize(("n_labelled", "passes"), [(40, 1), (8, 5)])
def test_a_cosine_of_a_classifier_ends_with_its_last_step(n_labelled, passes):
    config = ExperimentConfig(
        train=TrainConfig(epochs=2, batch_size=4),
        optimizer=OptimizerConfig(optimizer="sgd", momentum=0.0, learning_rate=1.0, schedule="cosine"),
    )
    rows = {
        "train": np.zeros((1, 40), int),
        "labelled_train": np.zeros((1, n_labelled), int),
        "labelled_valid": np.zeros((1, 2), int),
    }
    experiment = Mock(spec=Experiment, config=config, split=Mock(spec=Split, **rows))
    method = Mock(spec=Method, supervised=True, traced=False, stages=())
    optimizer = optimizer_for(experiment, method)
    state, rates = optimizer.init(jnp.zeros(())), []
    n_steps = 2 * passes * n_labelled // 4
    for _ in range(n_steps):
        update, state = optimizer.update(jnp.ones(()), state, jnp.zeros(()))
        rates.append(-float(update))
    np.testing.assert_allclose(rates, (1 + np.cos(np.pi * np.arange(n_steps) / n_steps)) / 2, atol=1e-6)

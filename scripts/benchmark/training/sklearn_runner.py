"""scikit-learn as a contender: `MLPRegressor` that learns its own inputs, epoch after epoch by `partial_fit`.

It has squared error and Adam as this project has them, but its outputs are linear and its biases start at random.
float32 is what it computes in fastest. `partial_fit` shuffles, and leaves an epoch's last batch as small as it comes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import sklearn
from jaxtyping import Float32
from sklearn.neural_network import MLPRegressor

from aejax.data.shuffling import steps_per_epoch
from benchmark.training.architecture import dense_architecture
from benchmark.training.job import Runner, TrainingJob


def make_model(job: TrainingJob, seed: int) -> MLPRegressor:
    """The model of one seed, before its first step."""
    dense, config = dense_architecture(job.config), job.config
    return MLPRegressor(
        hidden_layer_sizes=(*dense.hidden, dense.latent_dim, *dense.decoder_hidden),
        activation=dense.code_activation,
        solver="adam",
        alpha=0.0,
        batch_size=min(config.train.batch_size, len(job.rows)),
        learning_rate_init=config.optimizer.learning_rate,
        random_state=seed,
    )


def scaled_inputs(job: TrainingJob) -> Float32[np.ndarray, "n_train features"]:
    """The training rows as scaled float32."""
    flat = job.dataset.inputs.reshape(len(job.dataset.inputs), -1)[job.rows]
    return (flat.astype(np.float32) - job.shift.astype(np.float32)) * job.scale.astype(np.float32)


def mean_squared_error(model: MLPRegressor) -> float:
    """Mean squared error over the last epoch; scikit-learn writes down half of it."""
    return 2 * float(model.loss_)


def make_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """One model per seed, trained one after the other with `threads` threads of the BLAS library."""
    inputs, models = scaled_inputs(job), [make_model(job, seed) for seed in seeds]

    def train(epochs: int) -> dict[str, Any]:
        for model in models:
            for _ in range(epochs):
                model.partial_fit(inputs, inputs)
        return {
            "loss": [mean_squared_error(model) for model in models],
            "steps": steps_per_epoch(len(inputs), job.config.train.batch_size),
        }

    return Runner(train, lambda: {"version": sklearn.__version__, "compile_seconds": None})

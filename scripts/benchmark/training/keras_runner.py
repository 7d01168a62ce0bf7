"""Keras 3 as a contender, on the backend that `KERAS_BACKEND` names: `model.fit` on the same architecture, initial
distribution, loss and optimizer.

At what single tries on two busy cores found best: data resident as scaled float32, compiled by XLA (`jit_compile=True`)
and 16 steps handed over at once. `fit` shuffles by itself and leaves an epoch's last batch as small as it comes, where
this project fills it up. Beside `encoding.keras_peer` this is the only module that imports Keras.
"""

import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from jaxtyping import Float32

from aejax.config import OptimizerConfig, PretrainConfig
from aejax.data.shuffling import steps_per_epoch
from benchmark.training.job import Runner, TrainingJob
from benchmark.training.keras_layers import MODELS

STEPS_PER_EXECUTION = 16


def limit_threads(threads: int) -> None:
    """Hold TensorFlow to so many threads; JAX is held by the cores of its process."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def scaled_inputs(job: TrainingJob) -> Float32[np.ndarray, "n_train features"]:
    """The training rows as scaled float32."""
    flat = job.dataset.inputs.reshape(len(job.dataset.inputs), -1)[job.rows]
    return (flat.astype(np.float32) - job.shift.astype(np.float32)) * job.scale.astype(np.float32)


def make_optimizer(config: OptimizerConfig) -> keras.optimizers.Optimizer:
    """The optimizer of a config, with the constants that this project gives it."""
    assert config.schedule == "constant"
    assert config.warmup_epochs == 0
    assert config.clip_norm is None
    if config.optimizer == "adadelta":
        return keras.optimizers.Adadelta(config.learning_rate, rho=0.95, epsilon=1e-7)
    assert config.optimizer == "adam"
    return keras.optimizers.Adam(config.learning_rate, epsilon=1e-8)


def make_loss(config: PretrainConfig) -> Any:
    """Mean over batch and features, from outputs before their last activation; of a `vae`, summed over features.

    A `vae`'s divergence is a loss of its own layer.
    """
    ops = keras.ops

    def cross_entropy(target: Any, logits: Any) -> Any:
        return ops.maximum(logits, 0.0) - logits * target + ops.log1p(ops.exp(-ops.abs(logits)))

    if config.method == "vae":
        assert config.objective.likelihood == "bernoulli"
        return lambda target, logits: ops.sum(cross_entropy(target, logits), axis=-1)
    if config.objective.reconstruction == "bce":
        return lambda target, logits: ops.mean(cross_entropy(target, logits), axis=-1)
    activate = ops.sigmoid if config.model.output == "sigmoid" else (lambda outputs: outputs)
    return lambda target, outputs: ops.mean(ops.square(activate(outputs) - target), axis=-1)


def make_model(job: TrainingJob, seed: int) -> keras.Model:
    """The compiled model of one seed."""
    keras.utils.set_random_seed(seed)
    model = MODELS[job.config.method](job.config, job.dataset.inputs.shape[1:])
    model.compile(
        optimizer=make_optimizer(job.config.optimizer),
        loss=make_loss(job.config),
        jit_compile=True,
        steps_per_execution=STEPS_PER_EXECUTION,
    )
    return model


def make_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """One model per seed, trained one after the other."""
    limit_threads(threads)
    inputs, models = scaled_inputs(job), [make_model(job, seed) for seed in seeds]
    batch_size = min(job.config.train.batch_size, len(inputs))
    seconds: list[float] = []  # of each call, all of which are asked for as many epochs

    def train(epochs: int) -> dict[str, Any]:
        losses = []
        began = time.perf_counter()
        for model in models:
            history = model.fit(inputs, inputs, batch_size=batch_size, epochs=epochs, shuffle=True, verbose=0)
            losses.append(float(history.history["loss"][-1]))
        seconds.append(time.perf_counter() - began)
        return {"loss": losses, "steps": steps_per_epoch(len(inputs), batch_size)}

    def facts() -> dict[str, Any]:
        # The first repetition compiles, and Keras does not say when; a later one does nothing else.
        compiling = max(0.0, seconds[0] - min(seconds)) if len(seconds) > 1 else None
        return {
            "version": keras.__version__,
            "backend": keras.backend.backend(),
            "compile_seconds": None if compiling is None else {"fit": compiling},
        }

    return Runner(train, facts)

"""Keras 3 as a contender, on the backend that `KERAS_BACKEND` names: `model.fit` and `model.predict`.

Same architecture, initial distribution, loss and optimizer. These settings were measured to be the fastest on two
cores: data in memory as scaled float32, compiled by XLA (`jit_compile=True`), 16 steps per execution. `fit` shuffles,
and its last batch of an epoch may be smaller; aejax fills it up.
"""

import time
from collections.abc import Sequence
from typing import Any

import keras

from aejax.config import OptimizerConfig, PretrainConfig
from aejax.data.shuffling import steps_per_epoch
from benchmark.architecture import make_architecture, require_plain_optimizer
from benchmark.keras_layers import build_autoencoder, build_model
from benchmark.training_job import MakeRunner, Runner, TrainingJob

STEPS_PER_EXECUTION = 16
ENCODING_BATCH_SIZE = 4096  # the default of `predict`, 32, takes several times as long


def limit_threads(threads: int) -> None:
    """Limits TensorFlow's threads; JAX is limited by the cores of its process."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)


def make_optimizer(config: OptimizerConfig) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a config, with the same constants as in aejax."""
    require_plain_optimizer(config)
    if config.optimizer == "adadelta":
        return keras.optimizers.Adadelta(config.learning_rate, rho=0.95, epsilon=1e-7)
    return keras.optimizers.Adam(config.learning_rate, epsilon=1e-8)


def make_loss(config: PretrainConfig) -> Any:
    """Returns the mean over batch and features, computed from logits; for a `vae` the sum over features.

    The divergence of a `vae` is a loss of its own layer.
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
    """Returns the compiled, untrained model of a seed."""
    keras.utils.set_random_seed(seed)
    model = build_autoencoder(job.config, job.dataset.inputs.shape[1:])
    model.compile(
        optimizer=make_optimizer(job.config.optimizer),
        loss=make_loss(job.config),
        jit_compile=True,
        steps_per_execution=STEPS_PER_EXECUTION,
    )
    return model


def make_training_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """Returns a runner that trains one seed after the other."""
    limit_threads(threads)
    inputs, models = job.scaled_inputs(), [make_model(job, seed) for seed in seeds]
    batch_size = min(job.config.train.batch_size, len(inputs))
    seconds: list[float] = []  # of each call; all calls train the same number of epochs

    def run(epochs: int) -> dict[str, Any]:
        losses = []
        began = time.perf_counter()
        for model in models:
            history = model.fit(inputs, inputs, batch_size=batch_size, epochs=epochs, shuffle=True, verbose=0)
            losses.append(float(history.history["loss"][-1]))
        seconds.append(time.perf_counter() - began)
        return {"loss": losses, "steps": steps_per_epoch(len(inputs), batch_size)}

    def facts() -> dict[str, Any]:
        # Keras does not report compile time; the first call compiles, later ones do not.
        compile_seconds = {"fit": max(0.0, seconds[0] - min(seconds))} if len(seconds) > 1 else None
        return {**_versions(), "compile_seconds": compile_seconds}

    return Runner(run, facts)


def make_encoding_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """Returns a runner with an untrained encoder per seed, that encodes all rows."""
    limit_threads(threads)
    inputs, encoders = job.scaled_inputs(), []
    layers = make_architecture(job.config, job.dataset.inputs.shape[1:]).encoder
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        encoders.append(build_model(layers, inputs.shape[1], job.config.model.conventions))

    def run(rounds: int) -> dict[str, Any]:
        for _ in range(rounds):
            for encoder in encoders:
                codes = encoder.predict(inputs, batch_size=ENCODING_BATCH_SIZE, verbose=0)
        return {"codes": list(codes.shape)}

    return Runner(run, lambda: {**_versions(), "compile_seconds": None})


def _versions() -> dict[str, str]:
    return {"version": keras.__version__, "backend": keras.backend.backend()}


RUNNERS: dict[str, MakeRunner] = {"training": make_training_runner, "encoding": make_encoding_runner}

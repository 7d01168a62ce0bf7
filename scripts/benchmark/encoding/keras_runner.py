"""Keras as a contender: `predict` of the encoder alone, over resident rows in large batches."""

from collections.abc import Sequence
from typing import Any

import keras

from benchmark.training.job import Runner, TrainingJob
from benchmark.training.keras_layers import encoder_layers
from benchmark.training.keras_runner import limit_threads, scaled_inputs

BATCH_SIZE = 4096  # `predict`'s own, 32, takes several times as long


def make_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """One encoder per seed, one after the other; each "epoch" encodes all rows."""
    limit_threads(threads)
    inputs, encoders = scaled_inputs(job), []
    for seed in seeds:
        keras.utils.set_random_seed(seed)
        features = inputs.shape[1]
        encoders.append(keras.Sequential([keras.layers.Input((features,)), *encoder_layers(job.config, features)]))

    def encode(rounds: int) -> dict[str, Any]:
        for _ in range(rounds):
            for encoder in encoders:
                codes = encoder.predict(inputs, batch_size=BATCH_SIZE, verbose=0)
        return {"codes": list(codes.shape)}

    facts = {"version": keras.__version__, "backend": keras.backend.backend(), "compile_seconds": None}
    return Runner(encode, lambda: facts)

"""This project as a contender: the codes of all rows for every seed, as runs take them to the host."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from aejax.benchmark.training.job import Job, Trainer
from aejax.methods import METHODS
from aejax.run.encoding import at_rows
from aejax.run.environment import describe
from aejax.run.experiment import prepare
from aejax.run.progress import Silent
from aejax.run.training import start


def make_encoder(job: Job, seeds: Sequence[int], threads: int) -> Trainer:
    """Encoders of seeds `0..n-1` before any training; each "epoch" encodes all rows."""
    experiment = prepare(dataclasses.replace(job.config, seeds=len(seeds)), job.dataset, Silent())
    method = METHODS[job.config.method](experiment.setting)
    variables = start(experiment, method)
    experiment.compiler.take_seconds()
    compiling = 0.0

    def encode(rounds: int) -> dict[str, Any]:
        nonlocal compiling
        for _ in range(rounds):
            codes = at_rows(experiment, method.encode, variables, job.rows)
        compiling += experiment.compiler.take_seconds()
        return {"codes": list(codes.shape[1:])}

    def facts() -> dict[str, Any]:
        environment = describe(experiment.plan)
        del environment["command"]
        return {"compile_seconds": {"encode": compiling}, "environment": environment}

    return Trainer(encode, facts)

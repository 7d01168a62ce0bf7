"""This project as a contender: the codes of all rows for every seed, as runs take them to the host."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from aejax.experiments.environment import describe_environment
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.feature_extraction import apply_to_rows
from aejax.experiments.progress import SilentReporter
from aejax.experiments.training import init_variables
from aejax.methods import METHODS
from benchmark.training.job import Runner, TrainingJob


def make_runner(job: TrainingJob, seeds: Sequence[int], threads: int) -> Runner:
    """Encoders of seeds `0..n-1` before any training; each "epoch" encodes all rows."""
    experiment = prepare_experiment(dataclasses.replace(job.config, seeds=len(seeds)), job.dataset, SilentReporter())
    method = METHODS[job.config.method](experiment.problem)
    variables = init_variables(experiment, method)
    experiment.compiler.pop_seconds()
    compiling = 0.0

    def encode(rounds: int) -> dict[str, Any]:
        nonlocal compiling
        for _ in range(rounds):
            codes = apply_to_rows(experiment, method.encode, variables, job.rows)
        compiling += experiment.compiler.pop_seconds()
        return {"codes": list(codes.shape[1:])}

    def facts() -> dict[str, Any]:
        environment = describe_environment(experiment.plan)
        del environment["command"]
        return {"compile_seconds": {"encode": compiling}, "environment": environment}

    return Runner(encode, facts)

"""What runs in a process of a contender: it builds its models once, then works on request.

A peer's process must not import JAX, so the modules of the libraries are imported late.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.memory import peak_memory_bytes, process_cpu_seconds
from benchmark.training_job import MakeRunner, Runner

_loaded: list[Runner] = []  # of this process: one


def runners_of(library: str) -> Mapping[str, MakeRunner]:
    """Returns the runners of a library by the kind of work; imports the library."""
    match library:
        case "aejax":
            from benchmark import aejax_runner

            return aejax_runner.RUNNERS
        case "torch":
            from benchmark import torch_runner

            return torch_runner.RUNNERS
        case "keras":
            from benchmark import keras_runner

            return keras_runner.RUNNERS
        case "sklearn":
            from benchmark import sklearn_runner

            return sklearn_runner.RUNNERS
        case "cyanure":
            from benchmark import cyanure_runner

            return cyanure_runner.RUNNERS
        case "command":
            from benchmark import command

            return command.RUNNERS
    raise KeyError(library)


def load(library: str, kind: str, job: Any, seeds: Sequence[int], threads: int, options: dict[str, Any]) -> None:
    """Builds the models of this process."""
    if library == "aejax":
        from aejax.cli import configure_cpu_devices

        configure_cpu_devices(len(seeds))
    _loaded.append(runners_of(library)[kind](job, seeds, threads, **options))


def run(units: int) -> tuple[dict[str, Any], float]:
    """Returns the result of `Runner.run`, and the processor time that it took, in seconds."""
    before = process_cpu_seconds()
    return _loaded[0].run(units), process_cpu_seconds() - before


def facts() -> dict[str, Any]:
    """Returns the peak memory in bytes, and what the runner reports."""
    return {"peak_memory_bytes": peak_memory_bytes(), **_loaded[0].facts()}

"""One process of a contender: it reads a job, builds its models and runs them on request.

    python -m benchmark.worker FOLDER RUNNER SEEDS THREADS

Started by `worker_process.py`. It answers in lines of JSON: `{"ready": true}` when its models are built; to each
`{"epochs": N}` the result of `Runner.run`, or why it cannot do the job (`refused`), and the processor seconds; to `{}`
its peak memory and facts. It ends with its input. A peer's process must not import JAX, so runners are imported late.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.command import load_command
from benchmark.memory import peak_memory_bytes, process_cpu_seconds
from benchmark.path_job import load_path_job
from benchmark.training_job import Runner, UnsupportedJobError, load_training_job

MakeRunner = Callable[[Any, Sequence[int], int], Runner]  # of a job, seeds and threads
JOB_LOADERS = {"job.json": load_training_job, "path.npz": load_path_job, "command.json": load_command}


def _aejax_runners() -> Mapping[str, MakeRunner]:
    from benchmark import aejax_runner, path_runner

    return {
        "aejax": aejax_runner.make_training_runner,
        "aejax-encode": aejax_runner.make_encoding_runner,
        "product": aejax_runner.make_matmul_runner,
        "path": path_runner.make_path_runner,
        "path-drawn": path_runner.make_subsampled_path_runner,
    }


def _torch_runners() -> Mapping[str, MakeRunner]:
    from benchmark import torch_runner

    return {
        "torch": torch_runner.make_training_runner,
        "torch-compile": torch_runner.make_compiled_runner,
        "torch-encode": torch_runner.make_encoding_runner,
    }


def _keras_runners() -> Mapping[str, MakeRunner]:
    from benchmark import keras_runner

    return {  # `KERAS_BACKEND` selects the backend
        "keras-tensorflow": keras_runner.make_training_runner,
        "keras-jax": keras_runner.make_training_runner,
        "keras-tensorflow-encode": keras_runner.make_encoding_runner,
        "keras-jax-encode": keras_runner.make_encoding_runner,
    }


def _sklearn_runners() -> Mapping[str, MakeRunner]:
    from benchmark import sklearn_runner

    return {
        "sklearn-perceptron": sklearn_runner.make_training_runner,
        "sklearn": lambda job, seeds, threads: sklearn_runner.make_path_runner(job, "float32", 10_000),
        "sklearn-float64": lambda job, seeds, threads: sklearn_runner.make_path_runner(job, "float64", 10_000),
        "sklearn-100": lambda job, seeds, threads: sklearn_runner.make_path_runner(job, "float32", 100),
    }


def _command_runners() -> Mapping[str, MakeRunner]:
    from benchmark.command import make_command_runner

    return {"command": make_command_runner}


# By the first word of a runner's name.
RUNNER_GROUPS: dict[str, Callable[[], Mapping[str, MakeRunner]]] = {
    "aejax": _aejax_runners,
    "product": _aejax_runners,
    "path": _aejax_runners,
    "torch": _torch_runners,
    "keras": _keras_runners,
    "sklearn": _sklearn_runners,
    "command": _command_runners,
}


def load_runner(folder: Path, name: str, seeds: Sequence[int], threads: int) -> Runner:
    """Returns a runner for the job in a folder."""
    group = RUNNER_GROUPS[name.partition("-")[0]]
    if group is _aejax_runners:
        from aejax.cli import configure_cpu_devices

        configure_cpu_devices(len(seeds))
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "compiled")  # empty: nothing from an earlier run
    job = next(load(folder) for file, load in JOB_LOADERS.items() if (folder / file).exists())
    return group()[name](job, seeds, threads)


def serve(folder: Path, runner_name: str, seeds: Sequence[int], threads: int) -> None:
    """Answers requests until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)  # what a library prints does not mix with the answers
    runner = load_runner(folder, runner_name, seeds, threads)
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        epochs = json.loads(line).get("epochs")
        if epochs:
            before = process_cpu_seconds()
            try:
                answer = runner.run(epochs)
            except UnsupportedJobError as reason:
                answer = {"refused": str(reason)}
            answer["cpu_seconds"] = process_cpu_seconds() - before
        else:
            answer = {"peak_memory_bytes": peak_memory_bytes(), **runner.facts()}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4]))

"""One process of a contender: it reads a job, trains when told, and says how it went.

    python -m benchmark.worker FOLDER LIBRARY SEEDS THREADS

Started by `contenders.py`. It speaks lines of JSON: `{"ready": true}` when its models are built; for each
`{"epochs": N}` the answer of `Trainer.train`, or why it cannot (`refused`), and the processor seconds it took; for `{}`
its peak memory and facts. It ends with its input.
"""

import functools
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmark.command.runner import make_runner
from benchmark.command.workloads import load_command
from benchmark.logistic_path.job import load_path_job
from benchmark.training.job import Runner, UnsupportedJobError, load_training_job


def _aejax(folder: Path, seeds: Sequence[int], threads: int) -> Runner:
    from aejax.cli import configure_cpu_devices
    from benchmark.training.aejax_runner import make_runner

    configure_cpu_devices(len(seeds))
    return make_runner(load_training_job(folder), seeds, threads)


def _matmul(folder: Path, seeds: Sequence[int], threads: int) -> Runner:
    from benchmark.training.aejax_runner import make_matmul_runner

    return make_matmul_runner(load_training_job(folder), seeds, threads)


def _torch(folder: Path, seeds: Sequence[int], threads: int) -> Runner:
    from benchmark.training.torch_runner import make_runner

    return make_runner(load_training_job(folder), seeds, threads)


def _torch_compile(folder: Path, seeds: Sequence[int], threads: int) -> Runner:
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "compiled")  # nothing that an earlier run has left
    from benchmark.training.torch_runner import make_compiled_runner

    return make_compiled_runner(load_training_job(folder), seeds, threads)


def _keras(folder: Path, seeds: Sequence[int], threads: int) -> Runner:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow says at every start which instructions it found
    from benchmark.training.keras_runner import make_runner

    return make_runner(load_training_job(folder), seeds, threads)


def _sklearn_perceptron(folder: Path, seeds: Sequence[int], threads: int) -> Runner:
    from benchmark.training.sklearn_runner import make_runner

    return make_runner(load_training_job(folder), seeds, threads)


def _path(folder: Path, seeds: Sequence[int], threads: int, *, subsample: bool = False) -> Runner:
    from aejax.cli import configure_cpu_devices
    from benchmark.logistic_path.aejax_runner import make_runner

    configure_cpu_devices(len(seeds))
    return make_runner(load_path_job(folder), seeds, subsample=subsample)


def _sklearn(
    folder: Path, seeds: Sequence[int], threads: int, *, dtype: str = "float32", max_iter: int = 10_000
) -> Runner:
    from benchmark.logistic_path.sklearn_runner import make_runner

    return make_runner(load_path_job(folder), dtype, max_iter)


def _aejax_encode(folder: Path, seeds: Sequence[int], threads: int) -> Runner:
    from aejax.cli import configure_cpu_devices
    from benchmark.encoding.aejax_runner import make_runner

    configure_cpu_devices(len(seeds))
    return make_runner(load_training_job(folder), seeds, threads)


def _torch_encode(folder: Path, seeds: Sequence[int], threads: int) -> Runner:
    from benchmark.encoding.torch_runner import make_runner

    return make_runner(load_training_job(folder), seeds, threads)


def _keras_encode(folder: Path, seeds: Sequence[int], threads: int) -> Runner:
    from benchmark.encoding.keras_runner import make_runner

    return make_runner(load_training_job(folder), seeds, threads)


def _command(folder: Path, seeds: Sequence[int], threads: int) -> Runner:
    return make_runner(load_command(folder))


RUNNERS: dict[str, Callable[[Path, Sequence[int], int], Runner]] = {
    "aejax": _aejax,
    "product": _matmul,
    "torch": _torch,
    "torch-compile": _torch_compile,
    "keras-tensorflow": _keras,  # which of the two is for `KERAS_BACKEND` to say
    "keras-jax": _keras,
    "sklearn-perceptron": _sklearn_perceptron,
    "aejax-encode": _aejax_encode,
    "torch-encode": _torch_encode,
    "keras-tensorflow-encode": _keras_encode,
    "keras-jax-encode": _keras_encode,
    "command": _command,
    "path": _path,
    "path-drawn": functools.partial(_path, subsample=True),
    "sklearn": _sklearn,
    "sklearn-float64": functools.partial(_sklearn, dtype="float64"),
    "sklearn-100": functools.partial(_sklearn, max_iter=100),
}


def peak_memory_bytes() -> int:
    """Largest resident set of this process, in bytes.

    On Linux `getrusage` also counts what the parent held when it started this process, so the kernel's own mark for
    this program is read there.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def serve(folder: Path, runner_name: str, seeds: Sequence[int], threads: int) -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints does not mix with the answers
    trainer = RUNNERS[runner_name](folder, seeds, threads)
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        epochs = json.loads(line).get("epochs")
        if epochs:
            began = _cpu_seconds()
            try:
                answer = trainer.run(epochs)
            except UnsupportedJobError as reason:
                answer = {"refused": str(reason)}
            answer["cpu_seconds"] = _cpu_seconds() - began
        else:
            answer = {"peak_memory_bytes": peak_memory_bytes(), **trainer.facts()}
        print(json.dumps(answer), file=answers)


def _cpu_seconds() -> float:
    """What this process has worked, and those that it started and that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4]))

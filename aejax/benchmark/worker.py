"""One process of a contender: it reads a job, trains when told, and says how it went.

    python -m aejax.benchmark.worker FOLDER LIBRARY SEEDS THREADS

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

from aejax.benchmark.command.runner import make_runner
from aejax.benchmark.command.workloads import read_command
from aejax.benchmark.path.job import read_path_job
from aejax.benchmark.training.job import CannotTrainError, Trainer, read_job


def _aejax(folder: Path, seeds: Sequence[int], threads: int) -> Trainer:
    from aejax.benchmark.training.own import make_trainer
    from aejax.cli import use_cores

    use_cores(len(seeds))
    return make_trainer(read_job(folder), seeds, threads)


def _product(folder: Path, seeds: Sequence[int], threads: int) -> Trainer:
    from aejax.benchmark.training.own import make_product

    return make_product(read_job(folder), seeds, threads)


def _torch(folder: Path, seeds: Sequence[int], threads: int) -> Trainer:
    from aejax.benchmark.training.torch_peer import make_trainer

    return make_trainer(read_job(folder), seeds, threads)


def _torch_compile(folder: Path, seeds: Sequence[int], threads: int) -> Trainer:
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "compiled")  # nothing that an earlier run has left
    from aejax.benchmark.training.torch_peer import make_compiled_trainer

    return make_compiled_trainer(read_job(folder), seeds, threads)


def _keras(folder: Path, seeds: Sequence[int], threads: int) -> Trainer:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow says at every start which instructions it found
    from aejax.benchmark.training.keras_peer import make_trainer

    return make_trainer(read_job(folder), seeds, threads)


def _sklearn_perceptron(folder: Path, seeds: Sequence[int], threads: int) -> Trainer:
    from aejax.benchmark.training.sklearn_peer import make_trainer

    return make_trainer(read_job(folder), seeds, threads)


def _path(folder: Path, seeds: Sequence[int], threads: int, *, drawn: bool = False) -> Trainer:
    from aejax.benchmark.path.own import make_trainer
    from aejax.cli import use_cores

    use_cores(len(seeds))
    return make_trainer(read_path_job(folder), seeds, drawn=drawn)


def _sklearn(
    folder: Path, seeds: Sequence[int], threads: int, *, dtype: str = "float32", max_iter: int = 10_000
) -> Trainer:
    from aejax.benchmark.path.sklearn_peer import make_trainer

    return make_trainer(read_path_job(folder), dtype, max_iter)


def _aejax_encode(folder: Path, seeds: Sequence[int], threads: int) -> Trainer:
    from aejax.benchmark.encoding.own import make_encoder
    from aejax.cli import use_cores

    use_cores(len(seeds))
    return make_encoder(read_job(folder), seeds, threads)


def _torch_encode(folder: Path, seeds: Sequence[int], threads: int) -> Trainer:
    from aejax.benchmark.encoding.torch_peer import make_encoder

    return make_encoder(read_job(folder), seeds, threads)


def _keras_encode(folder: Path, seeds: Sequence[int], threads: int) -> Trainer:
    from aejax.benchmark.encoding.keras_peer import make_encoder

    return make_encoder(read_job(folder), seeds, threads)


def _command(folder: Path, seeds: Sequence[int], threads: int) -> Trainer:
    return make_runner(read_command(folder))


TRAINERS: dict[str, Callable[[Path, Sequence[int], int], Trainer]] = {
    "aejax": _aejax,
    "product": _product,
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
    "path-drawn": functools.partial(_path, drawn=True),
    "sklearn": _sklearn,
    "sklearn-float64": functools.partial(_sklearn, dtype="float64"),
    "sklearn-100": functools.partial(_sklearn, max_iter=100),
}


def peak_memory() -> int:
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


def serve(folder: Path, library: str, seeds: Sequence[int], threads: int) -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what a library prints does not mix with the answers
    trainer = TRAINERS[library](folder, seeds, threads)
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        epochs = json.loads(line).get("epochs")
        if epochs:
            began = _processor_seconds()
            try:
                answer = trainer.train(epochs)
            except CannotTrainError as reason:
                answer = {"refused": str(reason)}
            answer["cpu_seconds"] = _processor_seconds() - began
        else:
            answer = {"peak_memory_bytes": peak_memory(), **trainer.facts()}
        print(json.dumps(answer), file=answers)


def _processor_seconds() -> float:
    """What this process has worked, and those that it started and that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4]))

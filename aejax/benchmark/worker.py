"""One process of a contender: it reads a job, trains when told, and says how it went.

    python -m aejax.benchmark.worker FOLDER LIBRARY SEEDS THREADS

Started by `contenders.py`. It speaks lines of JSON: `{"ready": true}` when its models are built; for each
`{"epochs": N}` the answer of `Trainer.train` and the processor seconds it took; for `{}` its facts and peak memory.
It ends with its input.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from aejax.benchmark.job import Job, Trainer, read_job


def _aejax(job: Job, seeds: Sequence[int], threads: int) -> Trainer:
    from aejax.benchmark.own import make_trainer
    from aejax.cli import use_cores

    use_cores(len(seeds))
    return make_trainer(job, seeds, threads)


def _product(job: Job, seeds: Sequence[int], threads: int) -> Trainer:
    from aejax.benchmark.own import make_product

    return make_product(job, seeds, threads)


def _torch(job: Job, seeds: Sequence[int], threads: int) -> Trainer:
    from aejax.benchmark.torch_peer import make_trainer

    return make_trainer(job, seeds, threads)


TRAINERS: dict[str, Callable[[Job, Sequence[int], int], Trainer]] = {
    "aejax": _aejax,
    "product": _product,
    "torch": _torch,
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
    trainer = TRAINERS[library](read_job(folder), seeds, threads)
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        epochs = json.loads(line).get("epochs")
        if epochs:
            began = time.process_time()
            answer = trainer.train(epochs)
            answer["cpu_seconds"] = time.process_time() - began
        else:
            answer = {**trainer.facts(), "peak_memory_bytes": peak_memory()}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4]))

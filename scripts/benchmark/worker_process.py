"""The parent's side of a contender's processes."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aejax
from benchmark.contenders import Contender
from benchmark.memory import machine_cpu_seconds

# A worker imports `aejax` and `benchmark` from the same places as this process.
IMPORT_PATHS = (str(Path(__file__).resolve().parents[1]), str(Path(aejax.__file__).resolve().parents[1]))


class WorkerProcess:
    """A process of a contender."""

    def __init__(self, contender: Contender, seeds: Sequence[int], folder: Path) -> None:
        self._name = contender.name
        arguments = [str(folder), contender.runner, json.dumps(seeds), str(contender.threads)]
        path = os.pathsep.join(filter(None, [*IMPORT_PATHS, os.environ.get("PYTHONPATH")]))
        # Several JAX processes are alive at the same time: none may reserve most of an accelerator's memory.
        env = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ, "PYTHONPATH": path, **dict(contender.env_vars)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmark.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=env,
        )

    def send(self, request: dict[str, Any]) -> None:
        """Sends a request; `receive` waits for the answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")

    def receive(self) -> dict[str, Any]:
        """Returns the next answer.

        Raises:
            RuntimeError: the process has ended; its traceback is on standard error.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name}: its process ended with status {self.process.wait()}")
        return json.loads(line)

    def stop(self) -> None:
        """Ends the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        self.process.terminate()
        self.process.wait()


@contextlib.contextmanager
def start_workers(contender: Contender, folder: Path) -> Iterator[list[WorkerProcess]]:
    """Yields the contender's processes with their models built; they end with the block."""
    workers: list[WorkerProcess] = []
    try:
        workers += [WorkerProcess(contender, seeds, folder) for seeds in contender.seeds_per_process]
        for worker in workers:
            worker.receive()
        yield workers
    finally:
        for worker in workers:
            worker.stop()


class WorkerResponses(NamedTuple):
    """The answers of a contender's processes to one request."""

    seconds: float  # wall time until the last process had answered
    other_cores: float  # processor cores that other programs used in that time
    messages: list[dict[str, Any]]  # of each process


def request_all(workers: Sequence[WorkerProcess], request: dict[str, Any]) -> WorkerResponses:
    """Sends a request to every process of a contender at once and waits for all answers."""
    busy_before, began = machine_cpu_seconds(), time.perf_counter()
    for worker in workers:
        worker.send(request)
    answers = [worker.receive() for worker in workers]
    seconds, busy = time.perf_counter() - began, machine_cpu_seconds() - busy_before
    other = busy - sum(answer.get("cpu_seconds", 0.0) for answer in answers)
    return WorkerResponses(seconds, max(0.0, other / seconds), answers)

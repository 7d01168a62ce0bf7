"""A contender's processes, and the line to them."""

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

# A worker imports `aejax` and `benchmark` from where this process has them.
IMPORT_PATHS = (str(Path(__file__).resolve().parents[1]), str(Path(aejax.__file__).resolve().parents[1]))


class WorkerProcess:
    """The parent's end of one process."""

    def __init__(self, contender: Contender, seeds: Sequence[int], folder: Path) -> None:
        self._name = contender.name
        arguments = [str(folder), contender.runner, json.dumps(seeds), str(contender.threads)]
        path = os.pathsep.join(filter(None, [*IMPORT_PATHS, os.environ.get("PYTHONPATH")]))
        # Several JAX processes wait at the same time: none may take most of an accelerator's memory in advance.
        environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ, "PYTHONPATH": path}
        environment |= dict(contender.env_vars)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmark.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=environment,
        )

    def send(self, request: dict[str, Any]) -> None:
        """Send a question; `answer` waits for what it says."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request) + "\n")

    def receive(self) -> dict[str, Any]:
        """The next line of the process.

        Raises:
            RuntimeError: it has ended; its own traceback is on standard error.
        """
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._name}: its process ended with status {self.process.wait()}")
        return json.loads(line)

    def stop(self) -> None:
        """End the process."""
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()
        self.process.terminate()
        self.process.wait()


@contextlib.contextmanager
def start_workers(contender: Contender, folder: Path) -> Iterator[list[WorkerProcess]]:
    """The contender's processes, ready to train; they end with the block."""
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
    """What a contender's processes said, and what it took."""

    seconds: float  # wall time until the last process had answered
    other_cores: float | None  # processor cores that other programs used meanwhile; None where that is not known
    messages: list[dict[str, Any]]  # of each process


def request_all(workers: Sequence[WorkerProcess], request: dict[str, Any]) -> WorkerResponses:
    """Ask every process of a contender at once and wait for all."""
    busy, began = _machine_cpu_seconds(), time.perf_counter()
    for worker in workers:
        worker.send(request)
    said = [worker.receive() for worker in workers]
    seconds, busy_after = time.perf_counter() - began, _machine_cpu_seconds()
    if busy is None or busy_after is None:
        return WorkerResponses(seconds, None, said)
    own = sum(answer.get("cpu_seconds", 0.0) for answer in said)
    return WorkerResponses(seconds, max(0.0, (busy_after - busy - own) / seconds), said)


def _machine_cpu_seconds() -> float | None:
    """Processor seconds that this machine has worked since it started; known on Linux only."""
    try:
        fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")

"""Who runs, each in processes of its own, and the line to them."""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import aejax
from aejax.benchmark.workloads import check_names
from aejax.errors import require


class Contender(NamedTuple):
    """One way to train all of some seeds."""

    name: str
    library: str  # of `worker.TRAINERS`
    shares: tuple[tuple[int, ...], ...]  # the seeds of each process
    threads: int  # that each process may use
    environment: tuple[tuple[str, str], ...] = ()  # variables that its processes start with

    @property
    def seeds(self) -> int:
        """Seeds over all processes."""
        return sum(map(len, self.shares))


def none(*_: int) -> list[Contender]:
    """Those of a library that does not do such work."""
    return []


class Peer(NamedTuple):
    """Another library, and the settings in which it is tried."""

    package: str  # what is imported
    install: str  # how to get it
    contenders: Callable[[int, int], list[Contender]]  # that train, of (seeds, cores)
    fits: Callable[[int], list[Contender]] = none  # that fit one logistic regression, of (cores)
    distribution: str | None = None  # what is installed, where it is not called as what is imported


def own_contenders(seeds: int, cores: int) -> list[Contender]:
    """All seeds at once, and one seed alone."""
    counts = dict.fromkeys((seeds, 1))
    return [Contender(f"aejax, {plural(n, 'seed')}", "aejax", (tuple(range(n)),), cores) for n in counts]


def torch_contenders(seeds: int, cores: int) -> list[Contender]:
    """Seed after seed with all threads, which spin long or briefly for each other; and a process per core.

    Where another program wants a core, threads that spin for a millisecond at each barrier, GNU OpenMP's default,
    slowed training by up to 15 times; on an idle machine they are the fastest.
    """
    everything = (tuple(range(seeds)),)
    all_threads = f"torch, {plural(cores, 'thread')}"
    found = [Contender(all_threads, "torch", everything, cores)]
    if cores > 1:
        briefly = (("GOMP_SPINCOUNT", "1000"),)
        found.append(Contender(f"{all_threads}, low spin", "torch", everything, cores, briefly))
    if (processes := min(cores, seeds)) > 1:
        shares = tuple(tuple(range(first, seeds, processes)) for first in range(processes))
        found.append(Contender(f"torch, {processes} x 1 thread", "torch", shares, 1))
    return found


def sklearn_contenders(cores: int) -> list[Contender]:
    """One `LogisticRegression(C=1)`: left alone until its own tolerance is met, in both precisions, and as it comes.

    As it comes it ends after 100 iterations, converged or not.
    """
    settings = {"float32": "sklearn", "float64": "sklearn-float64", "float32, max_iter 100": "sklearn-100"}
    return [Contender(f"sklearn, {name}", library, ((0,),), cores) for name, library in settings.items()]


PEERS: dict[str, Peer] = {
    "torch": Peer("torch", 'pip install -e ".[peers]"', torch_contenders),
    "sklearn": Peer("sklearn", "pip install -e .", none, sklearn_contenders, "scikit-learn"),
}

PRODUCT = Contender("matrix product", "product", ((0,),), 0)


def plural(count: int, noun: str) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def check_peers(peers: Sequence[str]) -> None:
    """Refuse peers that are unknown or not installed, without importing them.

    Raises:
        InputError: with the near names, or the line that installs it.
    """
    check_names("--peers", peers, PEERS)
    for name in peers:
        found = importlib.util.find_spec(PEERS[name].package) is not None
        require(found, f"--peers {name}: is not installed; {PEERS[name].install}, or leave it out")


class Worker:
    """The parent's end of one process."""

    def __init__(self, contender: Contender, seeds: Sequence[int], folder: Path) -> None:
        self._name = contender.name
        arguments = [str(folder), contender.library, json.dumps(seeds), str(contender.threads)]
        above = str(Path(aejax.__file__).parents[1])
        path = os.pathsep.join(filter(None, [above, os.environ.get("PYTHONPATH")]))
        # Several JAX processes wait at the same time: none may take most of an accelerator's memory in advance.
        environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", **os.environ, "PYTHONPATH": path}
        environment |= dict(contender.environment)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "aejax.benchmark.worker", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=environment,
        )

    def ask(self, question: dict[str, Any]) -> None:
        """Send a question; `answer` waits for what it says."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(question) + "\n")

    def answer(self) -> dict[str, Any]:
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
def started(contender: Contender, folder: Path) -> Iterator[list[Worker]]:
    """The contender's processes, ready to train; they end with the block."""
    workers: list[Worker] = []
    try:
        workers += [Worker(contender, seeds, folder) for seeds in contender.shares]
        for worker in workers:
            worker.answer()
        yield workers
    finally:
        for worker in workers:
            worker.stop()


class Answers(NamedTuple):
    """What a contender's processes said, and what it took."""

    seconds: float  # wall time until the last process had answered
    others: float | None  # processor cores that other programs used meanwhile; None where that is not known
    said: list[dict[str, Any]]  # of each process


def ask_all(workers: Sequence[Worker], question: dict[str, Any]) -> Answers:
    """Ask every process of a contender at once and wait for all."""
    busy, began = _busy_seconds(), time.perf_counter()
    for worker in workers:
        worker.ask(question)
    said = [worker.answer() for worker in workers]
    seconds, busy_after = time.perf_counter() - began, _busy_seconds()
    if busy is None or busy_after is None:
        return Answers(seconds, None, said)
    own = sum(answer.get("cpu_seconds", 0.0) for answer in said)
    return Answers(seconds, max(0.0, (busy_after - busy - own) / seconds), said)


def _busy_seconds() -> float | None:
    """Processor seconds that this machine has worked since it started; known on Linux only."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")

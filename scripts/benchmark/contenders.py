"""Who runs: a library in one setting, with its share of the seeds for each process."""

from typing import Any, NamedTuple


class Contender(NamedTuple):
    """One way to do a workload's work for some seeds."""

    name: str
    runner: str  # of `worker.TRAINERS`: `peer` or `peer-variant`
    seeds_per_process: tuple[tuple[int, ...], ...]  # the seeds of each process
    threads: int  # that each process may use
    env_vars: tuple[tuple[str, str], ...] = ()  # variables that its processes start with
    note: str = ""  # in what its work is not this project's

    @property
    def seeds(self) -> int:
        """Seeds over all processes."""
        return sum(map(len, self.seeds_per_process))

    @property
    def peer(self) -> str:
        """Whose it is: `aejax`, or a name of `peers.PEERS`."""
        return "aejax" if self.runner in AEJAX_RUNNERS else self.runner.partition("-")[0]

    def to_dict(self) -> dict[str, Any]:
        """What the results say of it, whatever its work."""
        return {
            "name": self.name,
            "seeds": self.seeds,
            "processes": len(self.seeds_per_process),
            "threads": self.threads,
        }


AEJAX_RUNNERS = (
    "aejax",
    "path",
    "path-drawn",
    "aejax-encode",
    "command",
)  # this project's entries of `worker.TRAINERS`


def pluralize(count: int, noun: str) -> str:
    """`1 seed`, `2 seeds`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def aejax_contenders(seeds: int, cores: int, runner: str = "aejax") -> list[Contender]:
    """All seeds at once, and one seed alone."""
    counts = dict.fromkeys((seeds, 1))
    return [Contender(f"aejax, {pluralize(n, 'seed')}", runner, (tuple(range(n)),), cores) for n in counts]


def multithreaded_contender(name: str, runner: str, seeds: int, cores: int, **changes: Any) -> Contender:
    """Seed after seed in one process. One seed more takes as long again, so no more are trained than there are cores.

    `name` is completed by the threads.
    """
    share = tuple(range(min(seeds, cores)))
    return Contender(f"{name}, {pluralize(cores, 'thread')}", runner, (share,), cores)._replace(**changes)


def process_per_core_contenders(name: str, runner: str, seeds: int, cores: int, **changes: Any) -> list[Contender]:
    """A seed for each core, in a process with one thread; nothing where that is one process."""
    processes = min(seeds, cores)
    if processes == 1:
        return []
    shares = tuple((seed,) for seed in range(processes))
    return [Contender(f"{name}, {processes} x 1 thread", runner, shares, 1)._replace(**changes)]

"""Contenders: a library in one setting, with its seeds divided over processes."""

from typing import Any, NamedTuple


class Contender(NamedTuple):
    """One way to run a workload for some seeds."""

    name: str
    peer: str  # `aejax`, or a name in `peers.PEERS`
    runner: str  # a name in `worker.RUNNER_GROUPS`
    seeds_per_process: tuple[tuple[int, ...], ...]
    threads: int  # of each process
    env_vars: tuple[tuple[str, str], ...] = ()  # with which its processes start
    note: str = ""  # how its work differs from that of aejax

    @property
    def seeds(self) -> int:
        """Number of seeds over all processes."""
        return sum(map(len, self.seeds_per_process))

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields of the results that every kind of workload has."""
        return {
            "name": self.name,
            "seeds": self.seeds,
            "processes": len(self.seeds_per_process),
            "threads": self.threads,
        }


def pluralize(count: int, noun: str) -> str:
    """Returns `1 seed`, `2 seeds`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def aejax_contenders(seeds: int, cores: int, runner: str = "aejax") -> list[Contender]:
    """Returns aejax with all seeds at once, and with one seed."""
    counts = dict.fromkeys((seeds, 1))
    return [Contender(f"aejax, {pluralize(n, 'seed')}", "aejax", runner, (tuple(range(n)),), cores) for n in counts]


def multithreaded_contender(
    name: str, peer: str, runner: str, seeds: int, cores: int, env_vars: tuple[tuple[str, str], ...] = ()
) -> Contender:
    """Returns one process that trains one seed after the other with all threads.

    Each further seed takes the same time again, so it trains at most as many seeds as there are cores. The number of
    threads is appended to `name`.
    """
    own_seeds = tuple(range(min(seeds, cores)))
    return Contender(f"{name}, {pluralize(cores, 'thread')}", peer, runner, (own_seeds,), cores, env_vars)


def process_per_core_contenders(
    name: str, peer: str, runner: str, seeds: int, cores: int, env_vars: tuple[tuple[str, str], ...] = ()
) -> list[Contender]:
    """Returns a process for each core, with one seed and one thread each; nothing if that is a single process."""
    processes = min(seeds, cores)
    if processes == 1:
        return []
    shares = tuple((seed,) for seed in range(processes))
    return [Contender(f"{name}, {processes} x 1 thread", peer, runner, shares, 1, env_vars)]

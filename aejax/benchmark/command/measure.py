"""A command's wall seconds and peak memory, from nothing to results on the disk."""

from collections.abc import Sequence
from typing import Any

from aejax.benchmark.command.workloads import Command
from aejax.benchmark.contenders import Contender
from aejax.benchmark.turns import Effort, Entrant, Say, spread, take_turns
from aejax.errors import require
from aejax.run.environment import usable_cores


def measure_command(
    name: str, workload: Command, command: Command, peers: Sequence[str], effort: Effort, say: Say
) -> dict[str, Any]:
    """One entry of `workloads`; nobody else takes part.

    Raises:
        InputError: the command failed.
    """
    cores, shown = usable_cores(), " ".join(["python", *command.words])
    one = Contender(shown, "command", ((0,),), cores)
    repeats = min(effort.repeats, command.repeats or effort.repeats)
    (timing,) = take_turns(name, [Entrant(one, command)], repeats, say, warm_up=False)
    require(timing.refused is None, f"--workload {name}: {shown} failed: {timing.refused}")
    described = {
        "name": one.name,
        "library": one.peer,
        "seconds": spread(timing.wall),
        "peak_memory_bytes": timing.facts[0]["peak_memory_of_the_command"],
        "cores_used_by_others": timing.others,
        "compile_seconds": None,
    }
    return {
        "name": name,
        "kind": "command",
        "environment": timing.facts[0]["environment"],
        "contenders": [described],
        "ratios": [],
    }

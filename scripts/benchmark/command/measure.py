"""A command's wall seconds and peak memory, from nothing to results on the disk."""

from collections.abc import Sequence
from typing import Any

from aejax.errors import require
from aejax.experiments.environment import usable_cores
from benchmark.command.workloads import CommandWorkload
from benchmark.contenders import Contender
from benchmark.interleaved import Log, TimedTask, TimingBudget, summarize, time_interleaved


def measure_command(
    name: str, workload: CommandWorkload, command: CommandWorkload, peers: Sequence[str], budget: TimingBudget, log: Log
) -> dict[str, Any]:
    """One entry of `workloads`; nobody else takes part.

    Raises:
        InputError: the command failed.
    """
    cores, shown = usable_cores(), " ".join(["python", *command.words])
    one = Contender(shown, "command", ((0,),), cores)
    repeats = min(budget.repeats, command.repeats or budget.repeats)
    (timing,) = time_interleaved(name, [TimedTask(one, command)], repeats, log, warm_up=False)
    require(timing.unsupported_reason is None, f"--workload {name}: {shown} failed: {timing.unsupported_reason}")
    described = {
        "name": one.name,
        "library": one.peer,
        "seconds": summarize(timing.wall_seconds),
        "peak_memory_bytes": timing.facts[0]["peak_memory_of_the_command"],
        "cores_used_by_others": timing.other_cores,
        "compile_seconds": None,
    }
    return {
        "name": name,
        "kind": "command",
        "environment": timing.facts[0]["environment"],
        "contenders": [described],
        "ratios": [],
    }

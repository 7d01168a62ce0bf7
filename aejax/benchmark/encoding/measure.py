"""Every contender encodes the same rows with encoders of the same widths."""

from collections.abc import Sequence
from typing import Any

from aejax.benchmark.contenders import Contender, own_contenders
from aejax.benchmark.encoding.workloads import EncodingWorkload
from aejax.benchmark.peers import PEERS
from aejax.benchmark.training.job import Job
from aejax.benchmark.turns import (
    Effort,
    Entrant,
    Say,
    Timing,
    beside_peers,
    peak_memory,
    ratios,
    spread,
    take_turns,
)
from aejax.run.environment import usable_cores


def measure_encoding(
    name: str, workload: EncodingWorkload, job: Job, peers: Sequence[str], effort: Effort, say: Say
) -> dict[str, Any]:
    """One entry of `workloads`: every contender at all rows, interleaved."""
    cores = usable_cores()
    others = [contender for peer in peers for contender in PEERS[peer].encodes(effort.seeds, cores)]
    contenders = [*own_contenders(effort.seeds, cores, "aejax-encode"), *others]
    entrants = [Entrant(one, job, workload.rounds) for one in contenders]
    timings = take_turns(name, entrants, effort.repeats, say)
    described = [
        describe(one, timing, workload.rounds, len(job.rows)) for one, timing in zip(contenders, timings, strict=True)
    ]
    return {
        "name": name,
        "kind": "encoding",
        "dataset": {"name": job.dataset.name, "sha256": job.dataset.sha256, "n_train": len(job.rows)},
        "features": job.dataset.inputs[0].size,
        "code": timings[0].last[0]["codes"][1],
        "rounds": workload.rounds,
        "environment": timings[0].facts[0]["environment"],
        "contenders": described,
        "ratios": ratios(beside_peers(described), "seconds_per_round_and_seed"),
    }


def describe(one: Contender, timing: Timing, rounds: int, rows: int) -> dict[str, Any]:
    """One entry of `contenders`."""
    seconds = spread([wall / rounds / one.seeds for wall in timing.wall])
    return {
        **one.described(),
        "library": one.peer,
        "worker": one.library,
        "variables": dict(one.environment),
        "seconds_per_round_and_seed": seconds,
        "images_per_second": rows / seconds["median"],
        "codes": timing.last[0]["codes"],
        "cores_used_by_others": timing.others,
        "peak_memory_bytes": peak_memory(timing),
        "compile_seconds": timing.facts[0]["compile_seconds"],
    }

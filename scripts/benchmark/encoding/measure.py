"""Every contender encodes the same rows with encoders of the same widths."""

from collections.abc import Sequence
from typing import Any

from aejax.experiments.environment import usable_cores
from benchmark.contenders import Contender, aejax_contenders
from benchmark.encoding.workloads import EncodingWorkload
from benchmark.interleaved import (
    Log,
    TimedTask,
    Timing,
    TimingBudget,
    pair_with_peers,
    pairwise_ratios,
    summarize,
    time_interleaved,
    total_peak_memory,
)
from benchmark.peers import PEERS
from benchmark.training.job import TrainingJob


def measure_encoding(
    name: str, workload: EncodingWorkload, job: TrainingJob, peers: Sequence[str], budget: TimingBudget, log: Log
) -> dict[str, Any]:
    """One entry of `workloads`: every contender at all rows, interleaved."""
    cores = usable_cores()
    others = [contender for peer in peers for contender in PEERS[peer].encoding_contenders(budget.seeds, cores)]
    contenders = [*aejax_contenders(budget.seeds, cores, "aejax-encode"), *others]
    entrants = [TimedTask(one, job, workload.rounds) for one in contenders]
    timings = time_interleaved(name, entrants, budget.repeats, log)
    described = [
        contender_to_dict(one, timing, workload.rounds, len(job.rows))
        for one, timing in zip(contenders, timings, strict=True)
    ]
    return {
        "name": name,
        "kind": "encoding",
        "dataset": {"name": job.dataset.name, "sha256": job.dataset.sha256, "n_train": len(job.rows)},
        "features": job.dataset.inputs[0].size,
        "code": timings[0].last_messages[0]["codes"][1],
        "rounds": workload.rounds,
        "environment": timings[0].facts[0]["environment"],
        "contenders": described,
        "ratios": pairwise_ratios(pair_with_peers(described), "seconds_per_round_and_seed"),
    }


def contender_to_dict(one: Contender, timing: Timing, rounds: int, rows: int) -> dict[str, Any]:
    """One entry of `contenders`."""
    seconds = summarize([wall / rounds / one.seeds for wall in timing.wall_seconds])
    return {
        **one.to_dict(),
        "library": one.peer,
        "worker": one.runner,
        "variables": dict(one.env_vars),
        "seconds_per_round_and_seed": seconds,
        "images_per_second": rows / seconds["median"],
        "codes": timing.last_messages[0]["codes"],
        "cores_used_by_others": timing.other_cores,
        "peak_memory_bytes": total_peak_memory(timing),
        "compile_seconds": timing.facts[0]["compile_seconds"],
    }

"""All points of a curve, timed in turn: this project, and PyTorch's eager settings where another one can change."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aejax.benchmark.contenders import Contender, own_contenders
from aejax.benchmark.curves.points import Curve, Point
from aejax.benchmark.peers import torch_contenders
from aejax.benchmark.training.workloads import prepare_job
from aejax.benchmark.turns import Effort, Entrant, Say, Timing, spread, take_turns
from aejax.run.environment import usable_cores

ON_CURVES = "torch"  # the peer that has something to do there


def contenders_at(point: Point, peers: Sequence[str], effort: Effort, cores: int) -> list[Contender]:
    """Who is timed there. PyTorch trains seed after seed, so with more seeds than cores nothing is new."""
    seeds = point.seeds or effort.seeds
    found = own_contenders(seeds, cores)[:1]
    if ON_CURVES not in peers or (point.seeds is not None and point.seeds > cores):
        return found
    settings = torch_contenders(point.workload.config, seeds, cores)
    return found + [one for one in settings if one.library == "torch"]  # eager: compiling each point takes too long


def measure_curve(
    name: str, curve: Curve, peers: Sequence[str], effort: Effort, data_dir: Path | None, say: Say
) -> dict[str, Any]:
    """One entry of `curves`: every contender at every point, interleaved."""
    cores = usable_cores()
    at: list[tuple[Point, Entrant]] = []
    examples: dict[float, int] = {}
    for point in curve.points:
        job = prepare_job(point.workload, data_dir)
        examples[point.x] = len(job.rows)
        for one in contenders_at(point, peers, effort, cores):
            at.append((point, Entrant(one, job, point.workload.epochs, f"{point.x:g}")))
    timings = take_turns(name, [entrant for _, entrant in at], effort.repeats, say)
    timed = list(zip(at, timings, strict=True))
    return {
        "name": name,
        "workload": "deep",
        "label": curve.label,
        "environment": timings[0].facts[0]["environment"],
        "points": [
            {
                "x": point.x,
                "examples": examples[point.x],
                "batch_size": point.workload.config.train.batch_size,
                "hidden": list(point.workload.config.model.hidden),
                "epochs_per_repeat": point.workload.epochs,
                "contenders": [_described(entrant, timing) for (own, entrant), timing in timed if own is point],
            }
            for point in curve.points
        ],
    }


def _described(entrant: Entrant, timing: Timing) -> dict[str, Any]:
    one = entrant.contender
    return {
        **one.described(),
        "library": one.library,
        "peer": one.peer,
        "seconds_per_epoch_and_seed": spread([wall / entrant.epochs / one.seeds for wall in timing.wall]),
        "cores_used_by_others": timing.others,
    }

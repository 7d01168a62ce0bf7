"""All points of a curve, timed in turn: this project, and PyTorch's eager settings where another one can change."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aejax.experiments.environment import usable_cores
from benchmark.contenders import Contender, aejax_contenders
from benchmark.curves.points import Curve, CurvePoint
from benchmark.interleaved import Log, TimedTask, Timing, TimingBudget, summarize, time_interleaved
from benchmark.peers import torch_training_contenders
from benchmark.training.workloads import prepare_training_job

CURVE_PEER = "torch"  # the peer that has something to do there


def contenders_at_point(point: CurvePoint, peers: Sequence[str], budget: TimingBudget, cores: int) -> list[Contender]:
    """Who is timed there. PyTorch trains seed after seed, so with more seeds than cores nothing is new."""
    seeds = point.seeds or budget.seeds
    found = aejax_contenders(seeds, cores)[:1]
    if CURVE_PEER not in peers or (point.seeds is not None and point.seeds > cores):
        return found
    settings = torch_training_contenders(point.workload.config, seeds, cores)
    return found + [one for one in settings if one.runner == "torch"]  # eager: compiling each point takes too long


def measure_curve(
    name: str, curve: Curve, peers: Sequence[str], budget: TimingBudget, data_dir: Path | None, log: Log
) -> dict[str, Any]:
    """One entry of `curves`: every contender at every point, interleaved."""
    cores = usable_cores()
    at: list[tuple[CurvePoint, TimedTask]] = []
    examples: dict[float, int] = {}
    for point in curve.points:
        job = prepare_training_job(point.workload, data_dir)
        examples[point.x] = len(job.rows)
        for one in contenders_at_point(point, peers, budget, cores):
            at.append((point, TimedTask(one, job, point.workload.epochs, f"{point.x:g}")))
    timings = time_interleaved(name, [entrant for _, entrant in at], budget.repeats, log)
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
                "contenders": [_contender_to_dict(entrant, timing) for (own, entrant), timing in timed if own is point],
            }
            for point in curve.points
        ],
    }


def _contender_to_dict(entrant: TimedTask, timing: Timing) -> dict[str, Any]:
    one = entrant.contender
    return {
        **one.to_dict(),
        "library": one.runner,
        "peer": one.peer,
        "seconds_per_epoch_and_seed": summarize([wall / entrant.epochs / one.seeds for wall in timing.wall_seconds]),
        "cores_used_by_others": timing.other_cores,
    }

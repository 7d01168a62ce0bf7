"""Curves: the deep recipe's time against one quantity, for aejax and the eager settings of PyTorch."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aejax.config import PretrainConfig
from aejax.report.tables import format_markdown_table
from benchmark.contenders import Contender, aejax_contenders
from benchmark.entries import Entry, format_spread, seconds_per_unit
from benchmark.interleaved import Log, TimedTask, Timing, TimingBudget, time_interleaved
from benchmark.peers import torch_training_contenders
from benchmark.training import SECONDS_KEY
from benchmark.training_job import TrainingJob
from benchmark.workloads import TRAINING_WORKLOADS, TrainingWorkload, prepare_training_job

CURVE_PEER = "torch"  # the only peer on curves
BATCH_SIZE = 256
DEEP_CONFIG = TRAINING_WORKLOADS["deep"].config
NOTES = (
    "Curves: the deep recipe with one quantity varied, and with the number of examples that is given. All points are "
    "interleaved. PyTorch: the fastest of its eager settings at each point (all threads, a process per core); it "
    "trains one seed after the other, so each seed beyond the number of cores takes the same time again and is not "
    "timed."
)


class CurvePoint(NamedTuple):
    """One point of a curve; one repetition of it should take seconds."""

    x: float
    workload: TrainingWorkload
    seeds: int | None = None  # trained at once by aejax; None: the benchmark's number


class Curve(NamedTuple):
    """One quantity that is varied while all others stay the same."""

    label: str  # of the axis
    points: tuple[CurvePoint, ...]


def _seeds_curve() -> Curve:
    def point(count: int) -> CurvePoint:
        return CurvePoint(count, TrainingWorkload(DEEP_CONFIG, max(1, 40 // count), 10 * BATCH_SIZE), count)

    return Curve("seeds trained at once", tuple(point(2**power) for power in range(9)))


def _batch_size_curve() -> Curve:
    def point(size: int) -> CurvePoint:
        config = dataclasses.replace(DEEP_CONFIG, train=dataclasses.replace(DEEP_CONFIG.train, batch_size=size))
        return CurvePoint(size, TrainingWorkload(config, 2, 16_384))

    return Curve("examples in a batch", tuple(map(point, (16, 64, 256, 1024, 4096))))


def _widen(config: PretrainConfig, factor: float) -> PretrainConfig:
    assert config.model.decoder_hidden is not None
    hidden, decoder = (
        tuple(round(factor * width) for width in widths)
        for widths in (config.model.hidden, config.model.decoder_hidden)
    )
    return dataclasses.replace(config, model=dataclasses.replace(config.model, hidden=hidden, decoder_hidden=decoder))


def _width_curve() -> Curve:
    factors = (0.25, 0.5, 1.0, 2.0, 4.0)
    points = (CurvePoint(factor, TrainingWorkload(_widen(DEEP_CONFIG, factor), 2, 16_384)) for factor in factors)
    return Curve("hidden widths, times 128-64-32", tuple(points))


def _examples_curve() -> Curve:
    counts = (1_000, 3_000, 10_000, 30_000, 60_000)
    points = (CurvePoint(count, TrainingWorkload(DEEP_CONFIG, max(1, 15_000 // count), count)) for count in counts)
    return Curve("training examples", tuple(points))


CURVES: dict[str, Callable[[], Curve]] = {
    "seeds": _seeds_curve,
    "batch": _batch_size_curve,
    "width": _width_curve,
    "examples": _examples_curve,
}


def contenders_at_point(
    point: CurvePoint, job: TrainingJob, peers: Sequence[str], budget: TimingBudget
) -> list[Contender]:
    """Returns the contenders at a point. PyTorch is left out where it would only repeat more of the same seeds."""
    seeds = point.seeds or budget.seeds
    contenders = aejax_contenders(seeds, budget.cores)[:1]
    if CURVE_PEER not in peers or (point.seeds is not None and point.seeds > budget.cores):
        return contenders
    settings = torch_training_contenders(job, seeds, budget.cores)
    return contenders + [one for one in settings if one.runner == "torch"]  # compiling each point takes too long


def measure_curve(
    name: str, curve: Curve, peers: Sequence[str], budget: TimingBudget, data_dir: Path | None, log: Log
) -> dict[str, Any]:
    """Times every contender at every point, interleaved; returns an entry of `curves`."""
    jobs = [prepare_training_job(point.workload, data_dir) for point in curve.points]
    tasks = [
        [
            TimedTask(one, job, point.workload.epochs, f"{point.x:g}")
            for one in contenders_at_point(point, job, peers, budget)
        ]
        for point, job in zip(curve.points, jobs, strict=True)
    ]
    timings = time_interleaved(name, [task for at_point in tasks for task in at_point], budget.repeats, log)
    remaining = iter(timings)
    points = [
        {
            "x": point.x,
            "examples": len(job.rows),
            "batch_size": point.workload.config.train.batch_size,
            "hidden": list(point.workload.config.model.hidden),
            "epochs_per_repeat": point.workload.epochs,
            "contenders": [_contender_to_dict(task, next(remaining)) for task in at_point],
        }
        for point, job, at_point in zip(curve.points, jobs, tasks, strict=True)
    ]
    environment = timings[0].facts[0]["environment"]
    return {"name": name, "workload": "deep", "label": curve.label, "environment": environment, "points": points}


def _contender_to_dict(task: TimedTask, timing: Timing) -> dict[str, Any]:
    one = task.contender
    return {
        **one.to_dict(),
        "library": one.runner,
        "peer": one.peer,
        SECONDS_KEY: seconds_per_unit(one, timing, task.epochs),
        "cores_used_by_others": timing.other_cores,
    }


class CurveLine(NamedTuple):
    """A library's fastest setting at each point where it was timed."""

    peer: str
    x: list[float]
    fastest: list[Entry]


def curve_lines(curve: Entry) -> list[CurveLine]:
    """Returns the line of aejax, and that of PyTorch if it took part."""
    lines = []
    for peer in ("aejax", CURVE_PEER):
        at = [(point["x"], [one for one in point["contenders"] if one["peer"] == peer]) for point in curve["points"]]
        timed = [(x, min(there, key=lambda one: one[SECONDS_KEY]["median"])) for x, there in at if there]
        if timed:
            lines.append(CurveLine(peer, [x for x, _ in timed], [one for _, one in timed]))
    return lines


def curve_table(curve: Entry) -> str:
    """Returns heading and table: milliseconds per epoch and seed at each point."""
    headings = [curve["label"], "examples", "aejax, ms per epoch and seed", "range", "PyTorch, ms", "its setting"]
    by_peer = {line.peer: dict(zip(line.x, line.fastest, strict=True)) for line in curve_lines(curve)}
    rows = []
    for point in curve["points"]:
        ours, other = by_peer["aejax"][point["x"]], by_peer.get(CURVE_PEER, {}).get(point["x"])
        other_cells = ["", ""] if other is None else [f"{1e3 * other[SECONDS_KEY]['median']:.3g}", other["name"]]
        rows.append([f"{point['x']:g}", f"{point['examples']:,}", *format_spread(ours[SECONDS_KEY], 1e3), *other_cells])
    return f"### Time against {curve['label']}\n\n{format_markdown_table(headings, 'rrrrrl', rows)}"

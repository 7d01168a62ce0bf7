"""Curves: the deep recipe's time against one quantity, for aejax and the eager settings of PyTorch."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aejax.config import PretrainConfig
from benchmark.measure import KINDS, environment_of
from benchmark.peers import aejax_contenders, torch_training_contenders
from benchmark.timing import Contender, Entry, Log, TimedTask, TimingBudget, time_interleaved
from benchmark.training_job import TrainingJob
from benchmark.workloads import DEEP, TrainingWorkload

CURVE_PEER = "torch"  # the only peer on curves
SECONDS_KEY = KINDS["training"].seconds_key


class CurvePoint(NamedTuple):
    """One point of a curve; one repetition of it should take seconds."""

    x: float
    workload: TrainingWorkload
    seeds: int | None = None  # trained at once by aejax; None: the benchmark's number


class Curve(NamedTuple):
    """One quantity that is varied while all others stay the same."""

    label: str  # of the axis
    values: tuple[float, ...]
    make_point: Callable[[Any], CurvePoint]

    @property
    def points(self) -> list[CurvePoint]:
        """The point of each value."""
        return [self.make_point(value) for value in self.values]


def _with_batch_size(size: int) -> CurvePoint:
    config = dataclasses.replace(DEEP, train=dataclasses.replace(DEEP.train, batch_size=size))
    return CurvePoint(size, TrainingWorkload(config, 2, 16_384))


def _with_widths(factor: float) -> CurvePoint:
    model = DEEP.model
    assert model.decoder_hidden is not None
    hidden, decoder = (tuple(round(factor * width) for width in one) for one in (model.hidden, model.decoder_hidden))
    config: PretrainConfig = dataclasses.replace(
        DEEP, model=dataclasses.replace(model, hidden=hidden, decoder_hidden=decoder)
    )
    return CurvePoint(factor, TrainingWorkload(config, 2, 16_384))


CURVES: dict[str, Curve] = {
    "seeds": Curve(
        "seeds trained at once",
        tuple(2**power for power in range(9)),
        lambda n: CurvePoint(n, TrainingWorkload(DEEP, max(1, 40 // n), 10 * DEEP.train.batch_size), n),
    ),
    "batch": Curve("examples in a batch", (16, 64, 256, 1024, 4096), _with_batch_size),
    "width": Curve("hidden widths, times 128-64-32", (0.25, 0.5, 1.0, 2.0, 4.0), _with_widths),
    "examples": Curve(
        "training examples",
        (1_000, 3_000, 10_000, 30_000, 60_000),
        lambda n: CurvePoint(n, TrainingWorkload(DEEP, max(1, 15_000 // n), n)),
    ),
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
    return contenders + [one for one in settings if not one.options]  # compiling each point takes too long


def measure_curve(
    name: str, curve: Curve, peers: Sequence[str], budget: TimingBudget, data_dir: Path | None, log: Log
) -> dict[str, Any]:
    """Times every contender at every point, interleaved; returns an entry of `curves`."""
    points = {f"{point.x:g}": (point, point.workload.prepare(data_dir)) for point in curve.points}
    tasks = [
        TimedTask(one, "training", job, point.workload.units, label)
        for label, (point, job) in points.items()
        for one in contenders_at_point(point, job, peers, budget)
    ]
    timings = time_interleaved(name, tasks, budget.repeats, log)

    def records(label: str) -> list[dict[str, Any]]:
        at_point = [timing for timing in timings if timing.task.label == label]
        return [one.to_record(SECONDS_KEY, one.task.units * one.task.contender.seeds) for one in at_point]

    entries = [
        {
            "x": point.x,
            "examples": len(job.rows),
            "batch_size": point.workload.config.train.batch_size,
            "hidden": list(point.workload.config.model.hidden),
            "epochs_per_repeat": point.workload.units,
            "contenders": records(label),
        }
        for label, (point, job) in points.items()
    ]
    return {
        "name": name,
        "workload": "deep",
        "label": curve.label,
        "environment": environment_of(timings),
        "points": entries,
    }


class CurveLine(NamedTuple):
    """A library's fastest setting at each point where it was timed."""

    peer: str
    fastest: dict[float, Entry]  # by x


def library_of(record: Entry) -> str:
    """Returns the library of a contender; schema 1 before December 2026 had it in another field."""
    return record.get("peer", record["library"])


def curve_lines(curve: Entry) -> list[CurveLine]:
    """Returns the line of aejax, and that of PyTorch if it took part."""
    lines = []
    for peer in ("aejax", CURVE_PEER):
        at = {point["x"]: [one for one in point["contenders"] if library_of(one) == peer] for point in curve["points"]}
        fastest = {x: min(there, key=lambda one: one[SECONDS_KEY]["median"]) for x, there in at.items() if there}
        lines += [CurveLine(peer, fastest)] if fastest else []
    return lines

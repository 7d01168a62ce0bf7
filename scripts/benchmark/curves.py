"""Curves: the deep recipe's time against one quantity, for aejax and the eager settings of PyTorch."""

import dataclasses
from typing import Any, NamedTuple

from benchmark.args import Args
from benchmark.measure import KINDS, environment_of
from benchmark.peers import aejax_contenders, torch_training_contenders
from benchmark.timing import Contender, Entry, Log, TimedTask, time_interleaved
from benchmark.training_job import TrainingJob
from benchmark.workloads import DEEP, TrainingWorkload

CURVE_PEER = "torch"  # the only peer on curves
SECONDS_KEY = KINDS["training"].seconds_key


class Curve(NamedTuple):
    """One quantity that is varied while all others stay the same."""

    label: str  # of the axis
    points: dict[float, TrainingWorkload]  # by the quantity; one repetition of each should take seconds


def _with_batch_size(size: int) -> TrainingWorkload:
    config = dataclasses.replace(DEEP, train=dataclasses.replace(DEEP.train, batch_size=size))
    return TrainingWorkload(config, 2, 16_384)


def _with_widths(factor: float) -> TrainingWorkload:
    hidden, decoder = (
        tuple(round(factor * width) for width in widths or ())
        for widths in (DEEP.model.hidden, DEEP.model.decoder_hidden)
    )
    model = dataclasses.replace(DEEP.model, hidden=hidden, decoder_hidden=decoder)
    return TrainingWorkload(dataclasses.replace(DEEP, model=model), 2, 16_384)


def _with_seeds(count: int) -> TrainingWorkload:
    return TrainingWorkload(DEEP, max(1, 40 // count), 10 * DEEP.train.batch_size, seeds=count)


def _with_examples(count: int) -> TrainingWorkload:
    return TrainingWorkload(DEEP, max(1, 15_000 // count), count)


EXAMPLES = (1_000, 3_000, 10_000, 30_000, 60_000)
CURVES: dict[str, Curve] = {
    "seeds": Curve("seeds trained at once", {2**power: _with_seeds(2**power) for power in range(9)}),
    "batch": Curve("examples in a batch", {4**power: _with_batch_size(4**power) for power in range(2, 7)}),
    "width": Curve("hidden widths, times 128-64-32", {2.0**power: _with_widths(2.0**power) for power in range(-2, 3)}),
    "examples": Curve("training examples", {count: _with_examples(count) for count in EXAMPLES}),
}


def contenders_at_point(workload: TrainingWorkload, job: TrainingJob, args: Args) -> list[Contender]:
    """Returns the contenders at a point. PyTorch is left out where it would only repeat more of the same seeds."""
    seeds = workload.seeds or args.seeds
    contenders = aejax_contenders(seeds, args.cores)[:1]
    if CURVE_PEER not in args.peers or (workload.seeds is not None and workload.seeds > args.cores):
        return contenders
    settings = torch_training_contenders(job, seeds, args.cores)
    return contenders + [one for one in settings if not one.options]  # compiling each point takes too long


def measure_curve(name: str, curve: Curve, args: Args, log: Log) -> dict[str, Any]:
    """Times every contender at every point, interleaved; returns an entry of `curves`."""
    jobs = {x: workload.prepare(args.data_dir) for x, workload in curve.points.items()}
    tasks = [
        TimedTask(one, "training", jobs[x], workload.units, f"{x:g}")
        for x, workload in curve.points.items()
        for one in contenders_at_point(workload, jobs[x], args)
    ]
    timings = time_interleaved(name, tasks, args.repeats, log)

    def records(x: float) -> list[dict[str, Any]]:
        at_point = [timing for timing in timings if timing.task.label == f"{x:g}"]
        return [one.to_record(SECONDS_KEY, one.task.units * one.task.contender.seeds) for one in at_point]

    points = [
        {
            "x": x,
            "examples": len(jobs[x].rows),
            "batch_size": workload.config.train.batch_size,
            "hidden": list(workload.config.model.hidden),
            "epochs_per_repeat": workload.units,
            "contenders": records(x),
        }
        for x, workload in curve.points.items()
    ]
    return {
        "name": name,
        "workload": "deep",
        "label": curve.label,
        "environment": environment_of(timings),
        "points": points,
    }


def curve_lines(curve: Entry) -> dict[str, dict[float, Entry]]:
    """Returns, by library, the fastest setting at each point where it was timed: of aejax, and of PyTorch if it was."""
    lines: dict[str, dict[float, Entry]] = {}
    for library in ("aejax", CURVE_PEER):
        for point in curve["points"]:
            settings = [one for one in point["contenders"] if one["library"] == library]
            if settings:
                fastest = min(settings, key=lambda one: one[SECONDS_KEY]["median"])
                lines.setdefault(library, {})[point["x"]] = fastest
    return lines

"""Times one workload with all contenders; returns its entry in `results.json`."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aejax.config import to_dict
from aejax.errors import require
from aejax.probes.logistic_probe import CONVERGENCE_TOLERANCE
from benchmark.aejax_runner import MATMUL_FLOPS
from benchmark.architecture import flops_per_example
from benchmark.args import Args
from benchmark.path_job import PathJob
from benchmark.peers import aejax_contenders, peer_contenders, pluralize
from benchmark.timing import (
    Contender,
    Entry,
    Log,
    TimedTask,
    Timing,
    summarize,
    summarize_ratio,
    time_interleaved,
)
from benchmark.training_job import TrainingJob
from benchmark.workloads import CommandWorkload, PathWorkload, Workload

MATMUL_CONTENDER = Contender("matrix product", "aejax", ((0,),), 0)
BEFORE = "the same, before"  # name of a command's contender in another checkout
MATMULS_PER_REPEAT = 10  # matrix products in one repetition
SUBSAMPLED = (("subsample", True),)  # option of a path: each seed draws its own rows
Record = dict[str, Any]


class Kind(NamedTuple):
    """How the measurements of one kind of workload become an entry of `results.json`."""

    seconds_key: str
    describe: Callable[[Any, list[Timing]], Record]
    """What an entry says of its job."""
    extend: Callable[[Record, Timing, Record], Record]
    """What a contender's record says beyond its resources, from that record, its timing and the entry."""
    per_seed: bool = True  # seconds are divided by seeds and units of work
    warm_up: bool = True


def measure(name: str, workload: Workload, job: Any, args: Args, log: Log) -> dict[str, Any]:
    """Times every contender on a job, interleaved; returns an entry of `workloads`.

    Raises:
        InputError: a command failed.
    """
    kind, units, repeats = KINDS[workload.kind], workload.units, args.repeats
    if workload.kind == "training":
        units = args.epochs or units
    if isinstance(workload, CommandWorkload):
        repeats = min(repeats, workload.repeats or repeats)
    contenders = own_contenders(workload, job, args)
    contenders += peer_contenders(args.peers, workload.kind, job, args.seeds, args.cores)
    tasks = [TimedTask(one, workload.kind, job, units) for one in contenders]
    if workload.kind == "training":
        tasks.append(TimedTask(MATMUL_CONTENDER, "matmul", job, MATMULS_PER_REPEAT))
    timings = time_interleaved(name, tasks, repeats, log, warm_up=kind.warm_up)
    return make_entry(name, kind, job, timings, units)


def make_entry(name: str, kind: Kind, job: Any, timings: list[Timing], units: int) -> dict[str, Any]:
    """Returns the entry of a workload from its measurements.

    Raises:
        InputError: no contender could do it.
    """
    done = [timing for timing in timings if timing.unsupported_reason is None]
    require(done, f"--workload {name}: {timings[0].task.contender.name} failed: {timings[0].unsupported_reason}")
    kind_name = timings[0].task.kind
    entry = {"name": name, "kind": kind_name, **kind.describe(job, done), "environment": environment_of(done)}
    records = []
    for timing in done:
        if timing.task.kind == kind_name:
            record = timing.to_record(kind.seconds_key, units * timing.task.contender.seeds if kind.per_seed else 1)
            records.append(record | kind.extend(record, timing, entry))
    refused = [
        {"name": one.task.contender.name, "reason": one.unsupported_reason} for one in timings if one.unsupported_reason
    ]
    return entry | {"contenders": records, "ratios": _ratios(records, kind.seconds_key), "refused": refused}


def environment_of(timings: Sequence[Timing]) -> dict[str, Any]:
    """Returns the environment of the first contender, without the command of its process."""
    return {key: value for key, value in timings[0].facts[0]["environment"].items() if key != "command"}


def own_contenders(workload: Workload, job: Any, args: Args) -> list[Contender]:
    """Returns the contenders of aejax."""
    if isinstance(workload, CommandWorkload):
        return _command_contenders(workload, args)
    if isinstance(workload, PathWorkload):
        path = Contender("aejax, path", "aejax", ((0,),), args.cores)
        subsampled = [
            path._replace(
                name=f"{path.name}, {pluralize(n, 'seed')}", seeds_per_process=(tuple(range(n)),), options=SUBSAMPLED
            )
            for n in workload.seed_counts
        ]
        return [path, *subsampled]
    return aejax_contenders(args.seeds, args.cores)


def _command_contenders(workload: CommandWorkload, args: Args) -> list[Contender]:
    """Returns the command, and the same in the checkout that it is compared with."""
    options = (("mode", workload.mode),)
    name = " ".join(["python", *workload.words])  # without the folder of the data, which says nothing elsewhere
    now = Contender(name, "command", ((0,),), args.cores, options=options)
    if args.before is None or not workload.compared:
        return [now]
    before = now._replace(name=BEFORE, options=(*options, ("checkout", str(args.before.absolute()))))
    return [now, before]


def _ratios(records: Sequence[Entry], seconds_key: str) -> list[Record]:
    """Returns the time of each contender of aejax relative to each peer, and of subsampled paths to the smallest."""
    subsampled = [one for one in records if one["options"] == dict(SUBSAMPLED)]
    ours = [one for one in records if one["library"] == "aejax" and one not in subsampled]
    pairs = [(one, other) for one in ours for other in records if other["library"] not in ("aejax", "command")]
    pairs += [(one, subsampled[0]) for one in subsampled[1:]]
    pairs += [(records[0], one) for one in records[1:] if one["name"] == BEFORE]
    return [
        {"contender": one["name"], "peer": other["name"], **summarize_ratio(one[seconds_key], other[seconds_key])}
        for one, other in pairs
    ]


def _dataset_record(job: TrainingJob) -> Record:
    dataset = {"name": job.dataset.name, "sha256": job.dataset.sha256, "n_train": len(job.rows)}
    return {"dataset": dataset, "features": job.dataset.inputs[0].size}


def _describe_training(job: TrainingJob, timings: list[Timing]) -> Record:
    *contenders, matmul = timings
    rates = [MATMULS_PER_REPEAT * MATMUL_FLOPS / seconds / 1e9 for seconds in matmul.wall_seconds]
    steps, batch = contenders[0].answers[0]["steps"], min(job.config.train.batch_size, len(job.rows))
    epochs, repeats = contenders[0].task.units, len(contenders[0].wall_seconds)
    return _dataset_record(job) | {
        "config": to_dict(job.config),
        "batch_size": batch,
        "steps_per_epoch": steps,
        "epochs_per_repeat": epochs,
        "epochs": epochs * (1 + repeats),
        "gflop_per_epoch_and_seed": flops_per_example(job.config, job.dataset.example_shape) * steps * batch / 1e9,
        "product_gflop_per_second": summarize(rates),
    }


def _extend_training(record: Record, timing: Timing, entry: Record) -> Record:
    answers = zip(timing.task.contender.seeds_per_process, timing.answers, strict=True)
    by_seed = {seed: loss for seeds, one in answers for seed, loss in zip(seeds, one["loss"], strict=True)}
    losses = [by_seed[seed] for seed in sorted(by_seed)]
    (steps,) = {answer["steps"] for answer in timing.answers}
    rate = entry["gflop_per_epoch_and_seed"] / record[KINDS["training"].seconds_key]["median"]
    return {
        "steps_per_epoch": steps,
        "train_loss": {"per_seed": losses, "mean": statistics.mean(losses)},
        "gflop_per_second": rate,
        "share_of_product": rate / entry["product_gflop_per_second"]["median"],
    }


def _describe_encoding(job: TrainingJob, timings: list[Timing]) -> Record:
    return _dataset_record(job) | {"code": timings[0].answers[0]["codes"][1], "rounds": timings[0].task.units}


def _extend_encoding(record: Record, timing: Timing, entry: Record) -> Record:
    seconds = record[KINDS["encoding"].seconds_key]["median"]
    return {"images_per_second": entry["dataset"]["n_train"] / seconds, "codes": timing.answers[0]["codes"]}


def _describe_path(job: PathJob, timings: list[Timing]) -> Record:
    return {
        "dataset": {"name": job.name, "sha256": job.sha256, "n_train": len(job.labels)},
        "features": job.features.shape[1],
        "classes": job.classes,
        "strengths": job.strengths.tolist(),
        "tolerance": job.tolerance,
        "peers_strength": 1 / len(job.labels),
    }


def _extend_path(record: Record, timing: Timing, entry: Record) -> Record:
    points = [point for seed in record["points"] for point in seed]
    gradient, gap = (max(point[key] for point in points) for key in ("gradient_norm", "gap"))
    return {
        "fits": len(points),
        "worst_gradient_norm": gradient,
        "worst_gap": gap,
        "certified": max(gradient, gap) <= CONVERGENCE_TOLERANCE,
    }


def _describe_command(words: tuple[str, ...], timings: list[Timing]) -> Record:
    return {"mode": dict(timings[0].task.contender.options)["mode"]}


def _extend_command(record: Record, timing: Timing, entry: Record) -> Record:
    return {"options": {}}  # a checkout's place says nothing elsewhere; its commit is in the record


KINDS: Mapping[str, Kind] = {
    "training": Kind("seconds_per_epoch_and_seed", _describe_training, _extend_training),
    "encoding": Kind("seconds_per_round_and_seed", _describe_encoding, _extend_encoding),
    "path": Kind("seconds", _describe_path, _extend_path, per_seed=False, warm_up=False),
    "command": Kind("seconds", _describe_command, _extend_command, per_seed=False, warm_up=False),
}

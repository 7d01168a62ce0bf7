"""Contenders timed in turn, A B C A B C, so that a noisy machine is noisy to all of them."""

import contextlib
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aejax.benchmark.contenders import PEERS, PRODUCT, Answers, Contender, Worker, ask_all, own_contenders, started
from aejax.benchmark.job import Job
from aejax.benchmark.own import PRODUCT_FLOPS
from aejax.benchmark.workloads import flops_per_example, layer_products
from aejax.config import to_dict
from aejax.run.environment import usable_cores

PRODUCTS = 10  # matrix products in one repetition

Say = Callable[[str], None]


class Effort(NamedTuple):
    """How much is timed."""

    seeds: int
    epochs: int  # in one repetition; as many go first, untimed
    repeats: int


class Timing(NamedTuple):
    """What one contender did."""

    wall: list[float]  # seconds of each repetition: all seeds, all its epochs
    last: list[dict[str, Any]]  # what each process said of the last repetition
    facts: list[dict[str, Any]]  # of each process, at the end
    others: list[float | None]  # of each repetition: processor cores that other programs used meanwhile


def measure(name: str, job: Job, peers: Sequence[str], effort: Effort, say: Say) -> dict[str, Any]:
    """One entry of `workloads`: every contender on one job, interleaved."""
    cores = usable_cores()
    others = [contender for peer in peers for contender in PEERS[peer].contenders(effort.seeds, cores)]
    contenders = [*own_contenders(effort.seeds, cores), *others]
    timings = time_all(name, job, [*contenders, PRODUCT], effort, say)
    rates = [PRODUCTS * PRODUCT_FLOPS / seconds / 1e9 for seconds in timings[PRODUCT.name].wall]
    own = timings[contenders[0].name]
    steps, batch = own.last[0]["steps"], min(job.config.train.batch_size, len(job.rows))
    gflop = flops_per_example(layer_products(job.config, job.dataset.shape)) * steps * batch / 1e9
    described = [describe(one, timings[one.name], effort, gflop, statistics.median(rates)) for one in contenders]
    return {
        "name": name,
        "dataset": {"name": job.dataset.name, "sha256": job.dataset.sha256, "n_train": len(job.rows)},
        "features": job.dataset.inputs[0].size,
        "config": to_dict(job.config),
        "batch_size": batch,
        "steps_per_epoch": steps,
        "epochs_per_repeat": effort.epochs,
        "epochs": effort.epochs * (1 + effort.repeats),
        "gflop_per_epoch_and_seed": gflop,
        "product_gflop_per_second": spread(rates),
        "environment": own.facts[0]["environment"],
        "contenders": described,
        "ratios": ratios(described),
    }


def time_all(name: str, job: Job, contenders: Sequence[Contender], effort: Effort, say: Say) -> dict[str, Timing]:
    """Start everyone, give each an untimed repetition, then time the repetitions in turn."""
    runs: dict[str, list[Answers]] = {one.name: [] for one in contenders}
    workers: dict[str, list[Worker]] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aejax-benchmark-")))
        job.save(folder)
        for one in contenders:
            workers[one.name] = stack.enter_context(started(one, folder))
            seconds = ask_all(workers[one.name], _portion(one, effort)).seconds
            say(f"{name}: {one.name}: ready after {seconds:.1f} s of warm-up")
        for repeat in range(effort.repeats):
            for one in contenders:
                runs[one.name].append(ask_all(workers[one.name], _portion(one, effort)))
                seconds = runs[one.name][-1].seconds
                each = "" if one is PRODUCT else f", {_each(seconds, one, effort):.3g} s per epoch and seed"
                say(f"{name}: repetition {repeat + 1} of {effort.repeats}: {one.name}: {seconds:.2f} s{each}")
        facts = {one.name: ask_all(workers[one.name], {}).said for one in contenders}
    return {
        name: Timing([run.seconds for run in of], of[-1].said, facts[name], [run.others for run in of])
        for name, of in runs.items()
    }


def _portion(one: Contender, effort: Effort) -> dict[str, int]:
    return {"epochs": PRODUCTS if one is PRODUCT else effort.epochs}


def _each(seconds: float, one: Contender, effort: Effort) -> float:
    """Seconds per epoch and seed."""
    return seconds / effort.epochs / one.seeds


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, extremes, and all."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "each": list(values)}


def describe(one: Contender, timing: Timing, effort: Effort, gflop: float, product: float) -> dict[str, Any]:
    """One entry of `contenders`; `gflop` per epoch and seed, `product` the machine's GFLOP per second."""
    seconds = spread([_each(wall, one, effort) for wall in timing.wall])
    by_seed = {
        seed: loss
        for share, said in zip(one.shares, timing.last, strict=True)
        for seed, loss in zip(share, said["loss"], strict=True)
    }
    rate = gflop / seconds["median"]
    (steps,) = {said["steps"] for said in timing.last}
    losses = [by_seed[seed] for seed in sorted(by_seed)]
    facts = {key: value for key, value in timing.facts[0].items() if key not in ("environment", "peak_memory_bytes")}
    return {
        "name": one.name,
        "library": one.library,
        "seeds": one.seeds,
        "processes": len(one.shares),
        "threads": one.threads,
        "variables": dict(one.environment),
        "seconds_per_epoch_and_seed": seconds,
        "gflop_per_second": rate,
        "share_of_product": rate / product,
        "steps_per_epoch": steps,
        "train_loss": {"per_seed": losses, "mean": statistics.mean(losses)},
        "cores_used_by_others": timing.others,
        "peak_memory_bytes": sum(facts["peak_memory_bytes"] for facts in timing.facts),
        "compile_seconds": None,
        **facts,
    }


def ratios(described: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """This project's seconds per epoch and seed over each peer's: of each repetition, and their median."""
    found = []
    for own in (one for one in described if one["library"] == "aejax"):
        for peer in (one for one in described if one["library"] != "aejax"):
            pairs = zip(
                own["seconds_per_epoch_and_seed"]["each"], peer["seconds_per_epoch_and_seed"]["each"], strict=True
            )
            found.append({"contender": own["name"], "peer": peer["name"], **spread([a / b for a, b in pairs])})
    return found

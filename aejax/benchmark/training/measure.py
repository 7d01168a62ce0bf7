"""Every contender trains the same models on the same rows, and what each took is written down."""

import statistics
from collections.abc import Sequence
from typing import Any

from aejax.benchmark.contenders import Contender, own_contenders
from aejax.benchmark.peers import PEERS
from aejax.benchmark.training.job import Job
from aejax.benchmark.training.own import PRODUCT_FLOPS
from aejax.benchmark.training.products import flops_per_example, layer_products
from aejax.benchmark.training.workloads import Workload
from aejax.benchmark.turns import (
    Effort,
    Entrant,
    Say,
    Timing,
    beside_peers,
    peak_memory,
    ratios,
    refusals,
    spread,
    take_turns,
    taking_part,
)
from aejax.config import to_dict
from aejax.run.environment import usable_cores

PRODUCT = Contender("matrix product", "product", ((0,),), 0)
PRODUCTS = 10  # matrix products in one repetition


def measure(name: str, workload: Workload, job: Job, peers: Sequence[str], effort: Effort, say: Say) -> dict[str, Any]:
    """One entry of `workloads`: every contender on one job, interleaved."""
    cores, epochs = usable_cores(), effort.epochs or workload.epochs
    others = [contender for peer in peers for contender in PEERS[peer].trains(job.config, effort.seeds, cores)]
    contenders = [*own_contenders(effort.seeds, cores), *others]
    entrants = [*(Entrant(one, job, epochs) for one in contenders), Entrant(PRODUCT, job, PRODUCTS)]
    own, *rest, product = take_turns(name, entrants, effort.repeats, say)
    timings = [own, *rest]
    rates = [PRODUCTS * PRODUCT_FLOPS / seconds / 1e9 for seconds in product.wall]
    steps, batch = own.last[0]["steps"], min(job.config.train.batch_size, len(job.rows))
    gflop = flops_per_example(layer_products(job.config, job.dataset.shape)) * steps * batch / 1e9
    found = taking_part(contenders, timings)
    described = [describe(one, timing, epochs, gflop, statistics.median(rates)) for one, timing in found]
    return {
        "name": name,
        "dataset": {"name": job.dataset.name, "sha256": job.dataset.sha256, "n_train": len(job.rows)},
        "features": job.dataset.inputs[0].size,
        "config": to_dict(job.config),
        "batch_size": batch,
        "steps_per_epoch": steps,
        "epochs_per_repeat": epochs,
        "epochs": epochs * (1 + effort.repeats),
        "gflop_per_epoch_and_seed": gflop,
        "product_gflop_per_second": spread(rates),
        "environment": own.facts[0]["environment"],
        "contenders": described,
        "ratios": ratios(beside_peers(described), "seconds_per_epoch_and_seed"),
        "refused": refusals(contenders, timings),
    }


def describe(one: Contender, timing: Timing, epochs: int, gflop: float, product: float) -> dict[str, Any]:
    """One entry of `contenders`; `gflop` per epoch and seed, `product` the machine's GFLOP per second."""
    seconds = spread([wall / epochs / one.seeds for wall in timing.wall])
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
        **one.described(),
        "library": one.library,
        "peer": one.peer,
        "variables": dict(one.environment),
        "note": one.note,
        "seconds_per_epoch_and_seed": seconds,
        "gflop_per_second": rate,
        "share_of_product": rate / product,
        "steps_per_epoch": steps,
        "train_loss": {"per_seed": losses, "mean": statistics.mean(losses)},
        "cores_used_by_others": timing.others,
        "peak_memory_bytes": peak_memory(timing),
        "compile_seconds": None,
        **facts,
    }

"""Every contender trains the same models on the same rows, and what each took is written down."""

import statistics
from collections.abc import Sequence
from typing import Any

from aejax.config import to_dict
from aejax.experiments.environment import usable_cores
from benchmark.contenders import Contender, aejax_contenders
from benchmark.interleaved import (
    Log,
    TimedTask,
    Timing,
    TimingBudget,
    pair_with_peers,
    pairwise_ratios,
    summarize,
    supported_contenders,
    time_interleaved,
    total_peak_memory,
    unsupported_contenders,
)
from benchmark.peers import PEERS
from benchmark.training.aejax_runner import MATMUL_FLOPS
from benchmark.training.flops import flops_per_example, layer_multiplications
from benchmark.training.job import TrainingJob
from benchmark.training.workloads import TrainingWorkload

MATMUL_CONTENDER = Contender("matrix product", "product", ((0,),), 0)
MATMULS_PER_REPEAT = 10  # matrix products in one repetition


def measure_training(
    name: str, workload: TrainingWorkload, job: TrainingJob, peers: Sequence[str], budget: TimingBudget, log: Log
) -> dict[str, Any]:
    """One entry of `workloads`: every contender on one job, interleaved."""
    cores, epochs = usable_cores(), budget.epochs or workload.epochs
    others = [
        contender for peer in peers for contender in PEERS[peer].training_contenders(job.config, budget.seeds, cores)
    ]
    contenders = [*aejax_contenders(budget.seeds, cores), *others]
    entrants = [
        *(TimedTask(one, job, epochs) for one in contenders),
        TimedTask(MATMUL_CONTENDER, job, MATMULS_PER_REPEAT),
    ]
    own, *rest, product = time_interleaved(name, entrants, budget.repeats, log)
    timings = [own, *rest]
    rates = [MATMULS_PER_REPEAT * MATMUL_FLOPS / seconds / 1e9 for seconds in product.wall_seconds]
    steps, batch = own.last_messages[0]["steps"], min(job.config.train.batch_size, len(job.rows))
    gflop = flops_per_example(layer_multiplications(job.config, job.dataset.example_shape)) * steps * batch / 1e9
    found = supported_contenders(contenders, timings)
    described = [contender_to_dict(one, timing, epochs, gflop, statistics.median(rates)) for one, timing in found]
    return {
        "name": name,
        "dataset": {"name": job.dataset.name, "sha256": job.dataset.sha256, "n_train": len(job.rows)},
        "features": job.dataset.inputs[0].size,
        "config": to_dict(job.config),
        "batch_size": batch,
        "steps_per_epoch": steps,
        "epochs_per_repeat": epochs,
        "epochs": epochs * (1 + budget.repeats),
        "gflop_per_epoch_and_seed": gflop,
        "product_gflop_per_second": summarize(rates),
        "environment": own.facts[0]["environment"],
        "contenders": described,
        "ratios": pairwise_ratios(pair_with_peers(described), "seconds_per_epoch_and_seed"),
        "refused": unsupported_contenders(contenders, timings),
    }


def contender_to_dict(
    one: Contender, timing: Timing, epochs: int, gflop_per_epoch: float, matmul_gflop_per_second: float
) -> dict[str, Any]:
    """One entry of `contenders`; `gflop` per epoch and seed, `product` the machine's GFLOP per second."""
    seconds = summarize([wall / epochs / one.seeds for wall in timing.wall_seconds])
    by_seed = {
        seed: loss
        for share, said in zip(one.seeds_per_process, timing.last_messages, strict=True)
        for seed, loss in zip(share, said["loss"], strict=True)
    }
    rate = gflop_per_epoch / seconds["median"]
    (steps,) = {said["steps"] for said in timing.last_messages}
    losses = [by_seed[seed] for seed in sorted(by_seed)]
    facts = {key: value for key, value in timing.facts[0].items() if key not in ("environment", "peak_memory_bytes")}
    return {
        **one.to_dict(),
        "library": one.runner,
        "peer": one.peer,
        "variables": dict(one.env_vars),
        "note": one.note,
        "seconds_per_epoch_and_seed": seconds,
        "gflop_per_second": rate,
        "share_of_product": rate / matmul_gflop_per_second,
        "steps_per_epoch": steps,
        "train_loss": {"per_seed": losses, "mean": statistics.mean(losses)},
        "cores_used_by_others": timing.other_cores,
        "peak_memory_bytes": total_peak_memory(timing),
        "compile_seconds": None,
        **facts,
    }

"""Training: every contender trains the same models on the same rows."""

import statistics
from collections.abc import Sequence
from typing import Any

from aejax.config import to_dict
from benchmark.aejax_runner import MATMUL_FLOPS
from benchmark.contenders import Contender, aejax_contenders
from benchmark.entries import (
    Entry,
    format_memory,
    format_other_cores,
    format_spread,
    pair_with_peers,
    pairwise_ratios,
    resources_to_dict,
    seconds_per_unit,
    summarize,
)
from benchmark.flops import flops_per_example, layer_multiplications
from benchmark.interleaved import Log, TimedTask, Timing, TimingBudget, time_interleaved
from benchmark.peers import peer_contenders
from benchmark.training_job import TrainingJob
from benchmark.workloads import TrainingWorkload

MATMUL_CONTENDER = Contender("matrix product", "aejax", "product", ((0,),), 0)
MATMULS_PER_REPEAT = 10  # matrix products in one repetition
SECONDS_KEY = "seconds_per_epoch_and_seed"
COLUMN_NAMES = (
    "contender",
    "s per epoch and seed",
    "range",
    "GFLOP/s",
    "of product",
    "train loss",
    "peak MB",
    "compile s",
    "others",
)
NOTES = (
    "Seconds are wall time per epoch and seed: median and range of the repetitions, interleaved with those of all "
    "other contenders. Peers train one seed after the other, so that each further seed takes the same time again, and "
    "get at most as many seeds as there are cores. Training alone: no side computes a validation loss; shuffling and "
    "fetching the losses are included. GFLOP counts matrix products, per example six times the multiplications of all "
    "layers minus twice the first layer's: outputs, weight gradients, and input gradients, which the first layer does "
    "not need. Of product: the share of the rate at which JAX multiplies two large float32 matrices in the same "
    "repetitions. Train loss: mean over the last epoch and all seeds, after equal epochs of equal steps. Peak memory: "
    "the largest resident set, summed over a contender's processes. Compile: the programs in the order they run "
    "(start, optimizer, epochs), once per run; for compiled PyTorch the first step of each model, for Keras how much "
    "longer its first repetition takes than its fastest. Others: processor cores that other programs used, in the "
    "worst repetition; if it is well above 0, repeat the run on an idle machine."
)


def measure_training(
    name: str, workload: TrainingWorkload, job: TrainingJob, peers: Sequence[str], budget: TimingBudget, log: Log
) -> dict[str, Any]:
    """Times every contender and a matrix product, interleaved; returns an entry of `workloads`."""
    epochs = budget.epochs or workload.epochs
    others = peer_contenders(peers, "training", job, budget.seeds, budget.cores)
    contenders = [*aejax_contenders(budget.seeds, budget.cores), *others]
    tasks = [*(TimedTask(one, job, epochs) for one in contenders), TimedTask(MATMUL_CONTENDER, job, MATMULS_PER_REPEAT)]
    *timings, matmul = time_interleaved(name, tasks, budget.repeats, log)
    rates = [MATMULS_PER_REPEAT * MATMUL_FLOPS / seconds / 1e9 for seconds in matmul.wall_seconds]
    steps, batch = timings[0].last_messages[0]["steps"], min(job.config.train.batch_size, len(job.rows))
    gflop = flops_per_example(layer_multiplications(job.config, job.dataset.example_shape)) * steps * batch / 1e9
    timed = list(zip(contenders, timings, strict=True))
    entries = [
        _contender_to_dict(one, timing, epochs) | _rate_to_dict(one, timing, epochs, gflop, statistics.median(rates))
        for one, timing in timed
        if timing.unsupported_reason is None
    ]
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
        "environment": timings[0].facts[0]["environment"],
        "contenders": entries,
        "ratios": pairwise_ratios(pair_with_peers(entries), SECONDS_KEY),
        "refused": [
            {"name": one.name, "reason": timing.unsupported_reason}
            for one, timing in timed
            if timing.unsupported_reason
        ],
    }


def _contender_to_dict(one: Contender, timing: Timing, epochs: int) -> dict[str, Any]:
    loss_by_seed = {
        seed: loss
        for seeds, message in zip(one.seeds_per_process, timing.last_messages, strict=True)
        for seed, loss in zip(seeds, message["loss"], strict=True)
    }
    losses = [loss_by_seed[seed] for seed in sorted(loss_by_seed)]
    (steps,) = {message["steps"] for message in timing.last_messages}
    facts = {key: value for key, value in timing.facts[0].items() if key not in ("environment", "peak_memory_bytes")}
    return {
        **one.to_dict(),
        "library": one.runner,
        "peer": one.peer,
        "variables": dict(one.env_vars),
        "note": one.note,
        SECONDS_KEY: seconds_per_unit(one, timing, epochs),
        "steps_per_epoch": steps,
        "train_loss": {"per_seed": losses, "mean": statistics.mean(losses)},
        **resources_to_dict(timing),
        "compile_seconds": None,
        **facts,
    }


def _rate_to_dict(
    one: Contender, timing: Timing, epochs: int, gflop_per_epoch: float, matmul_rate: float
) -> dict[str, Any]:
    rate = gflop_per_epoch / seconds_per_unit(one, timing, epochs)["median"]
    return {"gflop_per_second": rate, "share_of_product": rate / matmul_rate}


def format_title(workload: Entry) -> str:
    """Returns the heading of the table."""
    data, rate = workload["dataset"], workload["product_gflop_per_second"]["median"]
    return (
        f"{workload['name']}: {data['name']}, {data['n_train']} x {workload['features']}, "
        f"{workload['steps_per_epoch']} steps of {workload['batch_size']}; "
        f"{workload['gflop_per_epoch_and_seed']:.3g} GFLOP per epoch and seed; "
        f"losses after {workload['epochs']} epochs; product {rate:.0f} GFLOP/s"
    )


def format_cells(contender: Entry) -> list[str]:
    """Returns the row under `COLUMN_NAMES`."""
    compile_seconds = contender["compile_seconds"]
    return [
        contender["name"],
        *format_spread(contender[SECONDS_KEY]),
        f"{contender['gflop_per_second']:.3g}",
        f"{contender['share_of_product']:.0%}",
        f"{contender['train_loss']['mean']:.4g}",
        format_memory(contender),
        "+".join(f"{value:.2f}" for value in compile_seconds.values()) if compile_seconds else "",
        format_other_cores(contender),
    ]

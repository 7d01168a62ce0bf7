"""Encoding: every contender takes the same rows through untrained encoders of the same widths."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aejax.config import PretrainConfig
from aejax.recipes import get_recipe
from benchmark.contenders import Contender, aejax_contenders
from benchmark.entries import (
    Entry,
    format_compile_seconds,
    format_memory,
    format_other_cores,
    format_spread,
    pair_with_peers,
    pairwise_ratios,
    resources_to_dict,
    seconds_per_unit,
)
from benchmark.interleaved import Log, TimedTask, Timing, TimingBudget, time_interleaved
from benchmark.peers import peer_contenders
from benchmark.training_job import TrainingJob
from benchmark.workloads import TrainingWorkload, prepare_training_job

COLUMN_NAMES = ("contender", "ms per round and seed", "range", "images/s", "peak MB", "compile s", "others")
NOTES = (
    "Encoding: wall time until the codes of all rows are on the host, per round and seed, with untrained encoders. "
    "aejax reads the stored bytes and scales them inside; the peers read scaled float32, which is in memory before the "
    "clock starts."
)
SECONDS_KEY = "seconds_per_round_and_seed"


class EncodingWorkload(NamedTuple):
    """The recipe of an encoder, whose training rows are encoded."""

    config: PretrainConfig
    rounds: int = 1  # through all rows in one repetition


ENCODING_WORKLOADS: dict[str, EncodingWorkload] = {"encode": EncodingWorkload(get_recipe("tutorial-deep"), rounds=4)}


def prepare_encoding_job(workload: EncodingWorkload, data_dir: Path | None) -> TrainingJob:
    """Loads the data, and fixes rows and scaling for every contender. Raises InputError if there are no data."""
    return prepare_training_job(TrainingWorkload(workload.config), data_dir)


def measure_encoding(
    name: str, workload: EncodingWorkload, job: TrainingJob, peers: Sequence[str], budget: TimingBudget, log: Log
) -> dict[str, Any]:
    """Times every contender on all rows, interleaved; returns an entry of `workloads`."""
    ours = aejax_contenders(budget.seeds, budget.cores, "aejax-encode")
    contenders = [*ours, *peer_contenders(peers, "encoding", job, budget.seeds, budget.cores)]
    tasks = [TimedTask(one, job, workload.rounds) for one in contenders]
    timings = time_interleaved(name, tasks, budget.repeats, log)
    timed = zip(contenders, timings, strict=True)
    entries = [_contender_to_dict(one, timing, workload.rounds, len(job.rows)) for one, timing in timed]
    return {
        "name": name,
        "kind": "encoding",
        "dataset": {"name": job.dataset.name, "sha256": job.dataset.sha256, "n_train": len(job.rows)},
        "features": job.dataset.inputs[0].size,
        "code": timings[0].last_messages[0]["codes"][1],
        "rounds": workload.rounds,
        "environment": timings[0].facts[0]["environment"],
        "contenders": entries,
        "ratios": pairwise_ratios(pair_with_peers(entries), SECONDS_KEY),
    }


def _contender_to_dict(one: Contender, timing: Timing, rounds: int, rows: int) -> dict[str, Any]:
    seconds = seconds_per_unit(one, timing, rounds)
    return {
        **one.to_dict(),
        "library": one.peer,
        "worker": one.runner,
        "variables": dict(one.env_vars),
        SECONDS_KEY: seconds,
        "images_per_second": rows / seconds["median"],
        "codes": timing.last_messages[0]["codes"],
        **resources_to_dict(timing),
        "compile_seconds": timing.facts[0]["compile_seconds"],
    }


def format_title(workload: Entry) -> str:
    """Returns the heading of the table."""
    data = workload["dataset"]
    return f"{workload['name']}: {data['name']}, {data['n_train']} x {workload['features']} to {workload['code']}"


def format_cells(contender: Entry) -> list[str]:
    """Returns the row under `COLUMN_NAMES`."""
    return [
        contender["name"],
        *format_spread(contender[SECONDS_KEY], 1e3),
        f"{contender['images_per_second']:.3g}",
        format_memory(contender),
        format_compile_seconds(contender),
        format_other_cores(contender),
    ]

"""The probe's path of strengths compared with one fit of a peer, and several seeds compared with one."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Shaped
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from aejax.config import DataConfig, SplitConfig
from aejax.data.registry import load_dataset
from aejax.data.splits import make_split
from aejax.probe.logistic_probe import CONVERGENCE_TOLERANCE
from aejax.probe.regularization_path import L2_GRID, PATH_TOLERANCE
from benchmark.contenders import Contender, pluralize
from benchmark.entries import (
    Entry,
    format_compile_seconds,
    format_memory,
    format_other_cores,
    format_spread,
    pairwise_ratios,
    summarize,
)
from benchmark.interleaved import Log, TimedTask, Timing, TimingBudget, time_interleaved
from benchmark.path_job import SKLEARN_C, PathJob
from benchmark.peers import peer_contenders

FULL_PATH_RUNNER, SUBSAMPLED_PATH_RUNNER = "path", "path-drawn"
COLUMN_NAMES = (
    "contender",
    "fits",
    "seconds",
    "range",
    "worst gradient",
    "worst gap",
    "all certified",
    "objective",
    "peak MB",
    "compile s",
    "others",
)
NOTES = (
    "Seconds are wall time of all fits: median and range of the repetitions, interleaved with those of all other "
    "contenders. A path solves every strength for every seed, each from the solution of the strength before; "
    "scikit-learn fits C=1 once, to its own tolerance unless a limit of iterations is named. Worst gradient: the "
    "largest entry of the gradient over all fits. Worst gap: the largest bound on how far the objective is above its "
    "minimum, relative to it. Both are computed afterwards in float64, from the solutions of the last repetition; all "
    "certified: both are at most 1e-4. Objective: mean loss plus penalty at C=1, which the path is extended to outside "
    "the timing; lower is closer to the optimum. Each seed draws nine tenths of the rows. Others: processor cores that "
    "other programs used, in the worst repetition; if it is well above 0, repeat the run on an idle machine."
)


class PathWorkload(NamedTuple):
    """Data, what is fitted on them, and for how many seeds."""

    data: DataConfig
    n_components: int | None = None  # leading principal components to fit on; None: the inputs
    seed_counts: tuple[int, ...] = ()  # numbers of seeds, each with its own rows, that are timed in addition


PATH_WORKLOADS: dict[str, PathWorkload] = {
    "probe-path": PathWorkload(DataConfig(dataset="mnist")),
    "probe-path-64": PathWorkload(DataConfig(dataset="mnist"), n_components=64, seed_counts=(1, 4, 10)),
}


def prepare_path_job(workload: PathWorkload, data_dir: Path | None) -> PathJob:
    """Loads a workload's data and standardizes the features: all rows outside the test set.

    Raises:
        InputError: there are no data.
    """
    dataset = load_dataset(dataclasses.replace(workload.data, data_dir=data_dir))
    rows = make_split(dataset, SplitConfig(split="tutorial"), seeds=1).train[0]
    inputs = dataset.inputs.reshape(len(dataset.inputs), -1)[rows]
    features = inputs if workload.n_components is None else principal_components(inputs, workload.n_components)
    return PathJob(
        name=dataset.name,
        sha256=dataset.sha256,
        features=standardize(features),
        labels=dataset.labels[rows],
        strengths=np.asarray(L2_GRID),
        tolerance=PATH_TOLERANCE,
    )


def principal_components(inputs: Shaped[np.ndarray, "n d"], count: int) -> Float[np.ndarray, "n count"]:
    """Returns the coordinates along the directions of largest variance, largest first, in float64."""
    return PCA(count, svd_solver="covariance_eigh").fit_transform(inputs.astype(np.float64))


def standardize(inputs: Shaped[np.ndarray, "n d"]) -> Float32[np.ndarray, "n d"]:
    """Returns features of mean 0 and standard deviation 1; a constant feature becomes 0."""
    return np.ascontiguousarray(StandardScaler().fit_transform(inputs.astype(np.float64)), dtype=np.float32)


def _aejax_contenders(seed_counts: Sequence[int], cores: int) -> list[Contender]:
    """Returns the path on all rows, and on subsampled rows for each number of seeds."""
    subsampled = [
        Contender(f"aejax, path, {pluralize(n, 'seed')}", "aejax", SUBSAMPLED_PATH_RUNNER, (tuple(range(n)),), cores)
        for n in seed_counts
    ]
    return [Contender("aejax, path", "aejax", FULL_PATH_RUNNER, ((0,),), cores), *subsampled]


def measure_path(
    name: str, workload: PathWorkload, job: PathJob, peers: Sequence[str], budget: TimingBudget, log: Log
) -> dict[str, Any]:
    """Times every contender, interleaved; returns an entry of `workloads`."""
    others = peer_contenders(peers, "path", job, budget.seeds, budget.cores)
    contenders = [*_aejax_contenders(workload.seed_counts, budget.cores), *others]
    timings = time_interleaved(name, [TimedTask(one, job) for one in contenders], budget.repeats, log, warm_up=False)
    entries = [_contender_to_dict(one, timing) for one, timing in zip(contenders, timings, strict=True)]
    return {
        "name": name,
        "kind": "path",
        "dataset": {"name": job.name, "sha256": job.sha256, "n_train": len(job.labels)},
        "features": job.features.shape[1],
        "classes": job.classes,
        "strengths": job.strengths.tolist(),
        "tolerance": job.tolerance,
        "peers_strength": 1 / (SKLEARN_C * len(job.labels)),
        "environment": timings[0].facts[0]["environment"],
        "contenders": entries,
        "ratios": pairwise_ratios(_contender_pairs(entries), "seconds"),
    }


def _contender_to_dict(one: Contender, timing: Timing) -> dict[str, Any]:
    """Returns an entry of `contenders`; each has one process."""
    (facts,), (message,) = timing.facts, timing.last_messages
    points = [point for seed in facts["points"] for point in seed]
    gradient, gap = (max(point[key] for point in points) for key in ("gradient_norm", "gap"))
    return {
        "name": one.name,
        "library": one.peer,
        "worker": one.runner,
        "seeds": one.seeds,
        "threads": one.threads,
        "fits": len(points),
        "seconds": summarize(timing.wall_seconds),
        "iterations": message["iterations"],
        "worst_gradient_norm": gradient,
        "worst_gap": gap,
        "certified": gradient <= CONVERGENCE_TOLERANCE and gap <= CONVERGENCE_TOLERANCE,
        "cores_used_by_others": timing.other_cores,
        "compile_seconds": None,
        **{key: value for key, value in facts.items() if key != "environment"},
    }


def _contender_pairs(entries: Sequence[Entry]) -> list[tuple[Entry, Entry]]:
    """Pairs the path with each peer's fit, and each number of seeds with the smallest."""
    (full,) = (one for one in entries if one["worker"] == FULL_PATH_RUNNER)
    seeded = [one for one in entries if one["worker"] == SUBSAMPLED_PATH_RUNNER]
    with_peers = [(full, other) for other in entries if other["library"] != "aejax"]
    return with_peers + [(more, seeded[0]) for more in seeded[1:]]


def format_title(workload: Entry) -> str:
    """Returns the heading of the table."""
    data, strengths = workload["dataset"], workload["strengths"]
    return (
        f"{workload['name']}: {data['name']}, {data['n_train']} x {workload['features']}, "
        f"{workload['classes']} classes; "
        f"{len(strengths)} strengths from {strengths[0]:.0e} to {strengths[-1]:.0e} per example, to "
        f"{workload['tolerance']:.0e}"
    )


def format_cells(contender: Entry) -> list[str]:
    """Returns the row under `COLUMN_NAMES`."""
    at_c1 = contender["at_peers_strength"]
    return [
        contender["name"],
        str(contender["fits"]),
        *format_spread(contender["seconds"]),
        f"{contender['worst_gradient_norm']:.1e}",
        f"{contender['worst_gap']:.1e}",
        "yes" if contender["certified"] else "no",
        f"{at_c1['objective']:.6f}" if at_c1 else "",
        format_memory(contender),
        format_compile_seconds(contender),
        format_other_cores(contender),
    ]

"""The path beside one fit of a peer, timed in turn; and each number of seeds beside one."""

from collections.abc import Mapping, Sequence
from typing import Any

from aejax.experiments.environment import usable_cores
from aejax.probe.logistic_probe import CONVERGENCE_TOLERANCE
from benchmark.contenders import Contender, pluralize
from benchmark.interleaved import Log, TimedTask, Timing, TimingBudget, pairwise_ratios, summarize, time_interleaved
from benchmark.logistic_path.job import SKLEARN_C, PathJob
from benchmark.logistic_path.workloads import PathWorkload
from benchmark.peers import PEERS

FULL_PATH_RUNNER, SUBSAMPLED_PATH_RUNNER = "path", "path-drawn"  # this project's entries of `worker.TRAINERS`


def aejax_path_contenders(seeds: Sequence[int], cores: int) -> list[Contender]:
    """The path on all rows; and on drawn rows for each number of seeds."""
    whole = Contender("aejax, path", FULL_PATH_RUNNER, ((0,),), cores)
    return [
        whole,
        *(
            Contender(f"aejax, path, {pluralize(n, 'seed')}", SUBSAMPLED_PATH_RUNNER, (tuple(range(n)),), cores)
            for n in seeds
        ),
    ]


def measure_path(
    name: str, workload: PathWorkload, job: PathJob, peers: Sequence[str], budget: TimingBudget, log: Log
) -> dict[str, Any]:
    """One entry of `workloads`: every contender on one job, interleaved."""
    cores = usable_cores()
    others = [contender for peer in peers for contender in PEERS[peer].path_contenders(cores)]
    contenders = [*aejax_path_contenders(workload.seed_counts, cores), *others]
    timings = time_interleaved(name, [TimedTask(one, job) for one in contenders], budget.repeats, log, warm_up=False)
    described = [contender_to_dict(one, timing) for one, timing in zip(contenders, timings, strict=True)]
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
        "contenders": described,
        "ratios": pairwise_ratios(contender_pairs(described), "seconds"),
    }


def contender_to_dict(one: Contender, timing: Timing) -> dict[str, Any]:
    """One entry of `contenders`; all have one process."""
    (facts,), (said,) = timing.facts, timing.last_messages
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
        "iterations": said["iterations"],
        "worst_gradient_norm": gradient,
        "worst_gap": gap,
        "certified": gradient <= CONVERGENCE_TOLERANCE and gap <= CONVERGENCE_TOLERANCE,
        "cores_used_by_others": timing.other_cores,
        "compile_seconds": None,
        **{key: value for key, value in facts.items() if key != "environment"},
    }


def contender_pairs(described: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The path beside each peer's fit, and each number of seeds beside the fewest."""
    (whole,) = (one for one in described if one["worker"] == FULL_PATH_RUNNER)
    seeded = [one for one in described if one["worker"] == SUBSAMPLED_PATH_RUNNER]
    beside = [(whole, peer) for peer in described if peer["library"] != "aejax"]
    return beside + [(more, seeded[0]) for more in seeded[1:]]

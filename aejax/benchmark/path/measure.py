"""The path beside one fit of a peer, timed in turn; and each number of seeds beside one."""

from collections.abc import Mapping, Sequence
from typing import Any

from aejax.benchmark.contenders import Contender, plural
from aejax.benchmark.path.job import C, PathJob
from aejax.benchmark.path.workloads import PathWorkload
from aejax.benchmark.peers import PEERS
from aejax.benchmark.turns import Effort, Entrant, Say, Timing, ratios, spread, take_turns
from aejax.classify.probe import CONVERGED
from aejax.run.environment import usable_cores

WHOLE, SEEDS = "path", "path-drawn"  # this project's entries of `worker.TRAINERS`


def path_contenders(seeds: Sequence[int], cores: int) -> list[Contender]:
    """The path on all rows; and on drawn rows for each number of seeds."""
    whole = Contender("aejax, path", WHOLE, ((0,),), cores)
    return [
        whole,
        *(Contender(f"aejax, path, {plural(n, 'seed')}", SEEDS, (tuple(range(n)),), cores) for n in seeds),
    ]


def measure_path(
    name: str, workload: PathWorkload, job: PathJob, peers: Sequence[str], effort: Effort, say: Say
) -> dict[str, Any]:
    """One entry of `workloads`: every contender on one job, interleaved."""
    cores = usable_cores()
    others = [contender for peer in peers for contender in PEERS[peer].fits(cores)]
    contenders = [*path_contenders(workload.seeds, cores), *others]
    timings = take_turns(name, [Entrant(one, job) for one in contenders], effort.repeats, say, warm_up=False)
    described = [describe(one, timing) for one, timing in zip(contenders, timings, strict=True)]
    return {
        "name": name,
        "kind": "path",
        "dataset": {"name": job.name, "sha256": job.sha256, "n_train": len(job.labels)},
        "features": job.features.shape[1],
        "classes": job.classes,
        "strengths": job.strengths.tolist(),
        "tolerance": job.tolerance,
        "peers_strength": 1 / (C * len(job.labels)),
        "environment": timings[0].facts[0]["environment"],
        "contenders": described,
        "ratios": ratios(pairs(described), "seconds"),
    }


def describe(one: Contender, timing: Timing) -> dict[str, Any]:
    """One entry of `contenders`; all have one process."""
    (facts,), (said,) = timing.facts, timing.last
    points = [point for seed in facts["points"] for point in seed]
    gradient, gap = (max(point[key] for point in points) for key in ("gradient_norm", "gap"))
    return {
        "name": one.name,
        "library": one.peer,
        "worker": one.library,
        "seeds": one.seeds,
        "threads": one.threads,
        "fits": len(points),
        "seconds": spread(timing.wall),
        "iterations": said["iterations"],
        "worst_gradient_norm": gradient,
        "worst_gap": gap,
        "certified": gradient <= CONVERGED and gap <= CONVERGED,
        "cores_used_by_others": timing.others,
        "compile_seconds": None,
        **{key: value for key, value in facts.items() if key != "environment"},
    }


def pairs(described: Sequence[Mapping[str, Any]]) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The path beside each peer's fit, and each number of seeds beside the fewest."""
    (whole,) = (one for one in described if one["worker"] == WHOLE)
    seeded = [one for one in described if one["worker"] == SEEDS]
    beside = [(whole, peer) for peer in described if peer["library"] != "aejax"]
    return beside + [(more, seeded[0]) for more in seeded[1:]]

"""The path beside one fit of a peer, timed in turn; and each number of seeds beside one."""

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aejax.benchmark.contenders import PEERS, Answers, Contender, Worker, ask_all, plural, started
from aejax.benchmark.measure import Say, Timing, spread
from aejax.benchmark.path.job import C, PathJob
from aejax.classify.probe import CONVERGED
from aejax.run.environment import usable_cores

ONCE = {"epochs": 1}
WHOLE, SEEDS = "path", "path-drawn"  # this project's entries of `worker.TRAINERS`


def path_contenders(seeds: Sequence[int], cores: int) -> list[Contender]:
    """The path on all rows; and on drawn rows for each number of seeds."""
    whole = Contender("aejax, path", WHOLE, ((0,),), cores)
    return [
        whole,
        *(Contender(f"aejax, path, {plural(n, 'seed')}", SEEDS, (tuple(range(n)),), cores) for n in seeds),
    ]


def measure_path(
    name: str, job: PathJob, peers: Sequence[str], seeds: Sequence[int], repeats: int, say: Say
) -> dict[str, Any]:
    """One entry of `workloads`: every contender on one job, interleaved."""
    cores = usable_cores()
    others = [contender for peer in peers for contender in PEERS[peer].fits(cores)]
    contenders = [*path_contenders(seeds, cores), *others]
    timings = time_fits(name, job, contenders, repeats, say)
    described = [describe(one, timings[one.name]) for one in contenders]
    return {
        "name": name,
        "kind": "path",
        "dataset": {"name": job.name, "sha256": job.sha256, "n_train": len(job.labels)},
        "features": job.features.shape[1],
        "classes": job.classes,
        "strengths": job.strengths.tolist(),
        "tolerance": job.tolerance,
        "peers_strength": 1 / (C * len(job.labels)),
        "environment": timings[contenders[0].name].facts[0]["environment"],
        "contenders": described,
        "ratios": ratios(described),
    }


def time_fits(name: str, job: PathJob, contenders: Sequence[Contender], repeats: int, say: Say) -> dict[str, Timing]:
    """Start everyone, which compiles and warms up, then time the repetitions in turn."""
    runs: dict[str, list[Answers]] = {one.name: [] for one in contenders}
    workers: dict[str, list[Worker]] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aejax-benchmark-")))
        job.save(folder)
        for one in contenders:
            workers[one.name] = stack.enter_context(started(one, folder))
            say(f"{name}: {one.name}: ready")
        for repeat in range(repeats):
            for one in contenders:
                runs[one.name].append(ask_all(workers[one.name], ONCE))
                say(f"{name}: repetition {repeat + 1} of {repeats}: {one.name}: {runs[one.name][-1].seconds:.2f} s")
        say(f"{name}: certifying every solution in float64")
        facts = {one.name: ask_all(workers[one.name], {}).said for one in contenders}
    return {
        name: Timing([run.seconds for run in of], of[-1].said, facts[name], [run.others for run in of])
        for name, of in runs.items()
    }


def describe(one: Contender, timing: Timing) -> dict[str, Any]:
    """One entry of `contenders`; all have one process."""
    (facts,), (said,) = timing.facts, timing.last
    points = [point for seed in facts["points"] for point in seed]
    gradient, gap = (max(point[key] for point in points) for key in ("gradient_norm", "gap"))
    return {
        "name": one.name,
        "library": "aejax" if one.library in (WHOLE, SEEDS) else "sklearn",
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


def ratios(described: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Seconds of the path over those of each peer's fit, and of each number of seeds over those of the fewest."""
    (whole,) = (one for one in described if one["worker"] == WHOLE)
    pairs = [(whole, peer) for peer in described if peer["library"] != "aejax"]
    seeded = [one for one in described if one["worker"] == SEEDS]
    pairs += [(more, seeded[0]) for more in seeded[1:]]
    found = []
    for one, other in pairs:
        each = zip(one["seconds"]["each"], other["seconds"]["each"], strict=True)
        found.append({"contender": one["name"], "peer": other["name"], **spread([a / b for a, b in each])})
    return found

"""The statistics put to the test on experiments whose truth is known: false verdicts, power, coverage, agreement."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from aejax.data.order import generator
from aejax.evaluate.agreement import TOLERANCE, largest_differences
from aejax.evaluate.simulation import (
    ACCURACY,
    PROCESSES,
    Process,
    coverage,
    draw_world,
    family_of,
    share,
    told_apart,
    told_apart_by_seeds_alone,
)
from aejax.evaluate.statistics import compare_all

FAMILY = 4  # controls that an autoencoder is compared with: raw, pca, random, supervised
GAPS = (0.0, 0.005, 0.01, 0.02, 0.04)  # fractions of the test examples


class Effort(NamedTuple):
    """How much is simulated."""

    experiments: int  # of each kind; coverage takes half as many
    seeds: tuple[int, ...] = (6, 10, 20)
    examples: tuple[int, ...] = (360, 2000, 10_000)


def false_verdicts(
    process: Process, rng: np.random.Generator, experiments: int, seeds: int, examples: int
) -> dict[str, Any]:
    """How often methods of equal accuracy get a verdict of better or worse: one comparison, and a family of four."""
    one, family, by_seeds = [], [], []
    for _ in range(experiments):
        world = draw_world(process, rng, (ACCURACY,) * (1 + FAMILY), seeds, examples)
        one.append(told_apart(compare_all(world.correct, [("m0", "m1")])))
        rows = family_of(world)
        family.append(told_apart(rows))
        by_seeds.append(told_apart_by_seeds_alone(rows))
    sizes = {"process": process.name, "seeds": seeds, "examples": examples}
    return {**sizes, "one": share(one), "family": share(family), "family_by_seeds_alone": share(by_seeds)}


def power(process: Process, rng: np.random.Generator, experiments: int, seeds: int, examples: int) -> dict[str, Any]:
    """How often a known gap gets its verdict, by the gap, in a comparison of its own."""
    curve = []
    for gap in GAPS:
        found = []
        for _ in range(experiments):
            world = draw_world(process, rng, (ACCURACY, ACCURACY - gap), seeds, examples)
            found.append(family_of(world)[0].verdict)
        wrong = share([verdict == "worse" for verdict in found])
        curve.append({"gap": gap, "better": share([verdict == "better" for verdict in found]), "worse": wrong})
    return {"process": process.name, "seeds": seeds, "examples": examples, "curve": curve}


def verification(effort: Effort, say: Callable[[str], None]) -> dict[str, Any]:
    """Everything; the same numbers for the same effort.

    Returns:
        `false_verdicts`, `power`, `coverage` (lists), `agreement` (by name) and `checks`: what must hold, and whether
        it does. A share is taken to hold a bound unless its 95 % interval lies beyond it.
    """
    say(f"false verdicts, {effort.experiments} families of {FAMILY} by process")
    few = effort.examples[0]
    alarms = [
        false_verdicts(process, generator(0, f"alarms {process.name}"), effort.experiments, seeds, few)
        for process in PROCESSES
        for seeds in effort.seeds[1:2]
    ]
    say("power")
    seeds = effort.seeds[1]
    powers = [
        power(PROCESSES[1], generator(0, f"power {examples}"), effort.experiments // 4, seeds, examples)
        for examples in effort.examples
    ]
    covers = []
    for process in PROCESSES:
        say(f"coverage, {process.name}")
        for seeds in effort.seeds:
            for examples in effort.examples:
                rng = generator(0, f"coverage {process.name} {seeds} {examples}")
                held = coverage(process, rng, effort.experiments // 2, seeds, examples)
                covers.append({"process": process.name, "seeds": seeds, "examples": examples, **held})
    agreement = largest_differences(generator(0, "agreement"))
    found: dict[str, Any] = {"false_verdicts": alarms, "power": powers, "coverage": covers, "agreement": agreement}
    return {**found, "checks": checks(found)}


def checks(found: dict[str, Any]) -> list[dict[str, Any]]:
    """What must hold, in words, with the worst that was found."""
    rows = []
    for field, words in (("one", "one comparison"), ("family", f"a family of {FAMILY}")):
        worst = max((alarm[field] for alarm in found["false_verdicts"]), key=lambda entry: entry["share"])
        claim = f"false verdicts, {words}: at most 5 %"
        rows.append({"claim": claim, "worst": worst["share"], "holds": worst["ci95"][0] <= 0.05})
    for field, words in (
        ("difference", "a difference's interval"),
        ("accuracy", "an accuracy's interval"),
        ("seeds_alone", "the interval over seeds alone"),
    ):
        entries = [cell[field] for cell in found["coverage"]]
        worst = max(entries, key=lambda entry: abs(entry["share"] - 0.95))
        near = all(entry["ci95"][0] <= 0.97 and entry["ci95"][1] >= 0.93 for entry in entries)
        claim = f"coverage of {words}: 95 % within 2 points"
        rows.append({"claim": claim, "worst": worst["share"], "holds": near})
    largest = max(found["agreement"].values())
    rows.append({"claim": f"agreement with peers: {TOLERANCE:g}", "worst": largest, "holds": largest <= TOLERANCE})
    return rows

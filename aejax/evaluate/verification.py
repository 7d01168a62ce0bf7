"""The statistics put to the test on experiments whose truth is known: false verdicts, power, coverage, agreement."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from aejax.data.shuffling import make_generator
from aejax.evaluate.agreement import AGREEMENT_TOLERANCE, max_differences_from_peers
from aejax.evaluate.comparisons import compare_pairs
from aejax.evaluate.simulation import (
    SCENARIOS,
    TRUE_ACCURACY,
    Scenario,
    compare_first_with_rest,
    has_decisive_verdict,
    has_decisive_verdict_over_seeds,
    measure_coverage,
    proportion_with_ci,
    simulate_experiment,
)

FAMILY_SIZE = 4  # controls that an autoencoder is compared with: raw, pca, random, supervised
ACCURACY_GAPS = (0.0, 0.005, 0.01, 0.02, 0.04)  # fractions of the test examples


class SimulationBudget(NamedTuple):
    """How much is simulated."""

    experiments: int  # of each kind; coverage takes half as many
    seeds: tuple[int, ...] = (6, 10, 20)
    examples: tuple[int, ...] = (360, 2000, 10_000)


def measure_false_verdicts(
    scenario: Scenario, rng: np.random.Generator, n_experiments: int, seeds: int, examples: int
) -> dict[str, Any]:
    """How often methods of equal accuracy get a verdict of better or worse: one comparison, and a family of four."""
    one, family, by_seeds = [], [], []
    for _ in range(n_experiments):
        world = simulate_experiment(scenario, rng, (TRUE_ACCURACY,) * (1 + FAMILY_SIZE), seeds, examples)
        one.append(has_decisive_verdict(compare_pairs(world.correct, [("m0", "m1")])))
        rows = compare_first_with_rest(world)
        family.append(has_decisive_verdict(rows))
        by_seeds.append(has_decisive_verdict_over_seeds(rows))
    sizes = {"process": scenario.name, "seeds": seeds, "examples": examples}
    return {
        **sizes,
        "one": proportion_with_ci(one),
        "family": proportion_with_ci(family),
        "family_by_seeds_alone": proportion_with_ci(by_seeds),
    }


def measure_power(
    scenario: Scenario, rng: np.random.Generator, n_experiments: int, seeds: int, examples: int
) -> dict[str, Any]:
    """How often a known gap gets its verdict, by the gap, in a comparison of its own."""
    curve = []
    for gap in ACCURACY_GAPS:
        found = []
        for _ in range(n_experiments):
            world = simulate_experiment(scenario, rng, (TRUE_ACCURACY, TRUE_ACCURACY - gap), seeds, examples)
            found.append(compare_first_with_rest(world)[0].verdict)
        wrong = proportion_with_ci([verdict == "worse" for verdict in found])
        curve.append(
            {"gap": gap, "better": proportion_with_ci([verdict == "better" for verdict in found]), "worse": wrong}
        )
    return {"process": scenario.name, "seeds": seeds, "examples": examples, "curve": curve}


def verify_statistics(budget: SimulationBudget, log: Callable[[str], None]) -> dict[str, Any]:
    """Everything; the same numbers for the same effort.

    Returns:
        `false_verdicts`, `power`, `coverage` (lists), `agreement` (by name) and `checks`: what must hold, and whether
        it does. A share is taken to hold a bound unless its 95 % interval lies beyond it.
    """
    log(f"false verdicts, {budget.experiments} families of {FAMILY_SIZE} by process")
    few = budget.examples[0]
    alarms = [
        measure_false_verdicts(process, make_generator(0, f"alarms {process.name}"), budget.experiments, seeds, few)
        for process in SCENARIOS
        for seeds in budget.seeds[1:2]
    ]
    log("power")
    seeds = budget.seeds[1]
    powers = [
        measure_power(SCENARIOS[1], make_generator(0, f"power {examples}"), budget.experiments // 4, seeds, examples)
        for examples in budget.examples
    ]
    covers = []
    for process in SCENARIOS:
        log(f"coverage, {process.name}")
        for seeds in budget.seeds:
            for examples in budget.examples:
                rng = make_generator(0, f"coverage {process.name} {seeds} {examples}")
                held = measure_coverage(process, rng, budget.experiments // 2, seeds, examples)
                covers.append({"process": process.name, "seeds": seeds, "examples": examples, **held})
    agreement = max_differences_from_peers(make_generator(0, "agreement"))
    found: dict[str, Any] = {"false_verdicts": alarms, "power": powers, "coverage": covers, "agreement": agreement}
    return {**found, "checks": check_claims(found)}


def check_claims(results: dict[str, Any]) -> list[dict[str, Any]]:
    """What must hold, in words, with the worst that was found."""
    rows = []
    for field, words in (("one", "one comparison"), ("family", f"a family of {FAMILY_SIZE}")):
        worst = max((alarm[field] for alarm in results["false_verdicts"]), key=lambda entry: entry["share"])
        claim = f"false verdicts, {words}: at most 5 %"
        rows.append({"claim": claim, "worst": worst["share"], "holds": worst["ci95"][0] <= 0.05})
    for field, words in (
        ("difference", "a difference's interval"),
        ("accuracy", "an accuracy's interval"),
        ("seeds_alone", "the interval over seeds alone"),
    ):
        entries = [cell[field] for cell in results["coverage"]]
        worst = max(entries, key=lambda entry: abs(entry["share"] - 0.95))
        near = all(entry["ci95"][0] <= 0.97 and entry["ci95"][1] >= 0.93 for entry in entries)
        claim = f"coverage of {words}: 95 % within 2 points"
        rows.append({"claim": claim, "worst": worst["share"], "holds": near})
    largest = max(results["agreement"].values())
    rows.append(
        {
            "claim": f"agreement with peers: {AGREEMENT_TOLERANCE:g}",
            "worst": largest,
            "holds": largest <= AGREEMENT_TOLERANCE,
        }
    )
    return rows

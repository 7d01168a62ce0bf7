"""Tests the statistics on simulated experiments whose truth is known: false verdicts, power and coverage."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from aejax.data.shuffling import make_generator
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
    """How many experiments are simulated, and of which sizes."""

    experiments: int  # per scenario; half as many for coverage, a quarter for power
    seeds: tuple[int, ...] = (6, 10, 20)
    examples: tuple[int, ...] = (360, 2000, 10_000)


def measure_false_verdicts(
    scenario: Scenario, rng: np.random.Generator, n_experiments: int, seeds: int, examples: int
) -> dict[str, Any]:
    """Measures how often methods of equal accuracy get a verdict of better or worse.

    Returns:
        `one`: a single comparison; `family`: any of FAMILY_SIZE; `family_by_seeds_alone`: any of them if only the test
        over seeds were adjusted.
    """
    decisive: dict[str, list[bool]] = {"one": [], "family": [], "family_by_seeds_alone": []}
    for _ in range(n_experiments):
        experiment = simulate_experiment(scenario, rng, (TRUE_ACCURACY,) * (1 + FAMILY_SIZE), seeds, examples)
        family = compare_first_with_rest(experiment)
        pair = dataclasses.replace(experiment, correct={name: experiment.correct[name] for name in ("m0", "m1")})
        decisive["one"].append(has_decisive_verdict(compare_first_with_rest(pair)))
        decisive["family"].append(has_decisive_verdict(family))
        decisive["family_by_seeds_alone"].append(has_decisive_verdict_over_seeds(family))
    return {name: proportion_with_ci(outcomes) for name, outcomes in decisive.items()}


def measure_power(
    scenario: Scenario, rng: np.random.Generator, n_experiments: int, seeds: int, examples: int
) -> list[dict[str, Any]]:
    """Measures how often a known gap gets each verdict, for every gap of ACCURACY_GAPS, in a single comparison."""
    curve = []
    for gap in ACCURACY_GAPS:
        accuracies = (TRUE_ACCURACY, TRUE_ACCURACY - gap)
        verdicts = [
            compare_first_with_rest(simulate_experiment(scenario, rng, accuracies, seeds, examples))[0].verdict
            for _ in range(n_experiments)
        ]
        shares = {name: proportion_with_ci([verdict == name for verdict in verdicts]) for name in ("better", "worse")}
        curve.append({"gap": gap, **shares})
    return curve


def verify_statistics(budget: SimulationBudget, log: Callable[[str], None]) -> dict[str, Any]:
    """Runs every simulation; the same budget gives the same numbers.

    Returns:
        `false_verdicts`, `power`, `coverage` (lists) and `checks`: what must hold, and whether it does. A share
        violates a bound only if its 95 % interval lies entirely beyond it.
    """
    n, middle, few = budget.experiments, budget.seeds[1], budget.examples[0]
    results: dict[str, list[dict[str, Any]]] = {"false_verdicts": [], "power": [], "coverage": []}
    log(f"false verdicts, {n} families of {FAMILY_SIZE} by process")
    for scenario in SCENARIOS:
        shares = measure_false_verdicts(scenario, make_generator(0, f"alarms {scenario.name}"), n, middle, few)
        results["false_verdicts"].append({**_sizes(scenario, middle, few), **shares})
    log("power")
    for examples in budget.examples:
        curve = measure_power(SCENARIOS[1], make_generator(0, f"power {examples}"), n // 4, middle, examples)
        results["power"].append({**_sizes(SCENARIOS[1], middle, examples), "curve": curve})
    for scenario in SCENARIOS:
        log(f"coverage, {scenario.name}")
        for seeds in budget.seeds:
            for examples in budget.examples:
                rng = make_generator(0, f"coverage {scenario.name} {seeds} {examples}")
                covered = measure_coverage(scenario, rng, n // 2, seeds, examples)
                results["coverage"].append({**_sizes(scenario, seeds, examples), **covered})
    return {**results, "checks": check_claims(results)}


def _sizes(scenario: Scenario, seeds: int, examples: int) -> dict[str, Any]:
    return {"process": scenario.name, "seeds": seeds, "examples": examples}


def check_claims(results: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Checks each claim in words against the simulated share that is furthest from it."""
    rows = []
    for field, words in (("one", "one comparison"), ("family", f"a family of {FAMILY_SIZE}")):
        worst = max((entry[field] for entry in results["false_verdicts"]), key=lambda entry: entry["share"])
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
    return rows

"""Tests the statistics on simulated experiments whose truth is known: coverage, false verdicts and power.

Intervals must cover in at least 92 % of experiments, everywhere. They must cover in at most 98 % except where more is
unavoidable:

- few examples decide: fewer than ten test examples are expected to be wrong, or the interval of a difference is less
  than twice as long as if no example differed. Counts are then discrete, and pseudo-examples guard against what a few
  examples cannot show;
- a few seeds decide: they fail with probability 0.1;
- cross-validation: the correction for overlapping trainings must guard against effects of training rows that no
  overlapping trainings can show.

An accuracy's interval covers a mean that includes failing seeds only if a seed has failed, which is what is checked:
from experiments without a failure none can know of it.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Num

from aejax.data.shuffling import make_generator
from aejax.evaluate.curve_simulation import measure_curves
from aejax.evaluate.estimates import DesignName, EvaluationDesign
from aejax.evaluate.intervals import mean_bounds
from aejax.evaluate.simulation import (
    SCENARIOS,
    Latents,
    Scenario,
    check_shares,
    share_with_ci,
    simulate_latents,
    simulated_design,
)
from aejax.evaluate.verdict_metrics import VERDICT_METRICS, estimate_metric
from aejax.evaluate.verdicts import EQUIVALENCE_MARGIN, Verdict, adjusted_level, decide_verdict, detectable_difference

ACCURACY = VERDICT_METRICS["accuracy"]
DESIGNS: tuple[DesignName, ...] = ("holdout", "cross-validation")
ACCURACIES = (0.70, 0.95, 0.985, 0.997)
GAP = 0.01  # between the two methods whose difference is covered
ACCURACY_GAPS = (0.0, 0.005, 0.01, 0.02, 0.04)  # fractions of the test examples
CURVE_CLAIMS = {
    "curve": "a method's band covers at least 92 %",
    "difference": "a difference's band covers at least 92 %",
    "missed": "an interval without the crossing: at most 5 %",
    "false": "a crossing of equal curves: at most 5 %",
    "surplus": "the interval of a surplus description length covers at least 92 %",
    "complexity": "the interval of a sample complexity covers at least 92 %",
}
CHUNK = 4_000_000  # latent variables of a method at once


class SimulationBudget(NamedTuple):
    """How many experiments are simulated, and of which sizes."""

    experiments: int  # of each kind
    seeds: tuple[int, ...] = (6, 10, 20)
    examples: tuple[int, ...] = (36, 114, 360, 2000, 10_000)
    families: tuple[int, ...] = (4, 8, 12)


def _simulate_in_chunks(
    scenario: Scenario, rng: np.random.Generator, design: EvaluationDesign, experiments: int, methods: int = 2
) -> Iterator[Latents]:
    size = max(1, CHUNK // design.test_index.size)
    for start in range(0, experiments, size):
        yield simulate_latents(scenario, rng, design, min(size, experiments - start), methods)


def measure_coverage(
    scenario: Scenario,
    rng: np.random.Generator,
    design: EvaluationDesign,
    experiments: int,
    seeds: tuple[int, ...],
    accuracies: tuple[float, ...] = ACCURACIES,
) -> list[dict[str, Any]]:
    """Measures how often 95 % intervals contain the true accuracy of a method, and the true difference of two.

    Returns:
        an entry for each number of seeds and accuracy: `accuracy` and `difference`, shares; `unavoidable`, those whose
        coverage may be above 98 %; `all`, coverage of an accuracy without the condition that a seed has failed.
    """
    cells: dict[tuple[int, float], list[tuple[Num[np.ndarray, " experiments"], ...]]] = {}
    for latents in _simulate_in_chunks(scenario, rng, design, experiments):
        for accuracy in accuracies:
            (first, truth), (second, other) = latents.outcomes(0, accuracy), latents.outcomes(1, accuracy - GAP)
            difference = first.astype(np.int8) - second
            for count in seeds:
                used = design.first(count)
                of_one = mean_bounds(estimate_metric(first[:, :count], used, ACCURACY), "proportion")
                of_two = mean_bounds(estimate_metric(difference[:, :count], used, ACCURACY, of_difference=True))
                failed = np.asarray(latents.failed[0][:, :count].any(axis=1) | (scenario.seeds != "failing"))
                covered = _contains(of_one, truth), _contains(of_two, truth - other)
                cells.setdefault((count, accuracy), []).append((*covered, failed, of_two[1] - of_two[0]))
    entries = []
    for (count, accuracy), parts in cells.items():
        covers_one, covers_two, failed, lengths = (np.concatenate(part) for part in zip(*parts, strict=True))
        length = float(np.median(lengths))
        few = _few_examples_decide(design.first(count), accuracy, length)
        always = not design.is_shared or scenario.seeds == "failing"
        entry = {"seeds": count, "true": accuracy, "difference": share_with_ci(covers_two)}
        entry["accuracy"] = share_with_ci(covers_one[failed])
        unavoidable = [name for name, is_few in few.items() if is_few or always]
        entries.append({**entry, "all": share_with_ci(covers_one), "length": length, "unavoidable": unavoidable})
    return entries


def _contains(bounds: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]], truth: float) -> Bool[np.ndarray, " n"]:
    return (bounds[0] <= truth) & (truth <= bounds[1])


def _few_examples_decide(design: EvaluationDesign, accuracy: float, length: float) -> dict[str, bool]:
    """Returns whether few examples decide about the interval of an accuracy, and of a difference of this length."""
    nothing = np.zeros((1, *design.test_index.shape))
    low, high = mean_bounds(estimate_metric(nothing, design, ACCURACY, of_difference=True))
    examples = len(np.unique(design.test_index))
    return {"accuracy": examples * min(accuracy, 1 - accuracy) < 10, "difference": length < 2 * float(high[0] - low[0])}


def judge_differences(
    latents: Latents, design: EvaluationDesign, accuracies: tuple[float, ...]
) -> tuple[list[list[Verdict]], float]:
    """Returns the verdicts of the first method with every other, a list for each experiment, and the mean detectable.

    The others' accuracies are the rest of `accuracies`; all verdicts of an experiment are one family.
    """
    outcomes = [latents.outcomes(method, accuracy)[0] for method, accuracy in enumerate(accuracies)]
    family_size, verdicts, detectable = len(accuracies) - 1, [], []
    for baseline in outcomes[1:]:
        difference = outcomes[0].astype(np.int8) - baseline
        estimate = estimate_metric(difference, design, ACCURACY, of_difference=True)
        bounds = mean_bounds(estimate, level=adjusted_level(family_size))
        verdicts.append([decide_verdict(interval, EQUIVALENCE_MARGIN) for interval in zip(*bounds, strict=True)])
        error, degrees = np.sqrt(estimate.variance.mean()), float(np.median(estimate.degrees_of_freedom))
        detectable.append(detectable_difference(float(error), degrees, family_size))
    return [list(row) for row in zip(*verdicts, strict=True)], float(np.mean(detectable))


def measure_verdicts(
    scenario: Scenario,
    rng: np.random.Generator,
    design: EvaluationDesign,
    experiments: int,
    accuracies: tuple[float, ...],
) -> dict[str, Any]:
    """Measures how often any verdict of a family is decisive, and any is equivalent; `better` of all verdicts."""
    families, detectable = [], []
    for latents in _simulate_in_chunks(scenario, rng, design, experiments, len(accuracies)):
        verdicts, resolution = judge_differences(latents, design, accuracies)
        families += verdicts
        detectable.append(resolution)
    return {
        "decisive": share_with_ci([any(one in ("better", "worse") for one in family) for family in families]),
        "equivalent": share_with_ci(["equivalent" in family for family in families]),
        "better": share_with_ci([one == "better" for family in families for one in family]),
        "detectable": float(np.mean(detectable)),
    }


def verify_statistics(budget: SimulationBudget, log: Callable[[str], None]) -> dict[str, Any]:
    """Runs every simulation; the same budget gives the same numbers.

    Returns:
        `coverage`, `false_verdicts`, `false_equivalence`, `power`, `label_curves` (lists) and `checks`: what must hold,
        and whether it does, as decided by `check_shares`.
    """
    results: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("coverage", "false_verdicts", "false_equivalence", "power", "label_curves")
    }
    n, middle = budget.experiments, budget.seeds[len(budget.seeds) // 2]
    few_and_some = budget.examples[0], budget.examples[len(budget.examples) // 2]
    for name in DESIGNS:
        for scenario in SCENARIOS[: None if name == "cross-validation" else -1]:  # holdout draws no training rows
            log(f"{name}, {scenario.name}")
            for examples in budget.examples:
                rng = make_generator(0, f"coverage {name} {scenario.name} {examples}")
                design, sizes = _design_and_sizes(name, rng, max(budget.seeds), examples, scenario)
                count = n if examples < 5000 else n // 2
                cells = measure_coverage(scenario, rng, design, count, budget.seeds)
                results["coverage"] += [{**sizes, **cell} for cell in cells]
            for examples in few_and_some:
                rng = make_generator(0, f"verdicts {name} {scenario.name} {examples}")
                design, sizes = _design_and_sizes(name, rng, middle, examples, scenario)
                for size in budget.families:
                    shares = measure_verdicts(scenario, rng, design, n, (0.95,) * (size + 1))
                    results["false_verdicts"].append({**sizes, "seeds": middle, "family": size, **shares})
            for examples in budget.examples[:-1]:
                rng = make_generator(0, f"equivalence {name} {scenario.name} {examples}")
                design, sizes = _design_and_sizes(name, rng, middle, examples, scenario)
                shares = measure_verdicts(scenario, rng, design, n, (0.95, 0.95 - GAP))
                results["false_equivalence"].append({**sizes, "seeds": middle, **shares})
        results["power"] += measure_power(name, budget, middle)
        log(f"{name}, label curves")
        results["label_curves"] += [measure_curves(name, n // 4, middle, examples) for examples in few_and_some]
    return {**results, "checks": check_claims(results)}


def measure_power(name: DesignName, budget: SimulationBudget, seeds: int) -> list[dict[str, Any]]:
    """Measures how often each gap of ACCURACY_GAPS, and the detectable one, is found, for two codes, one comparison."""
    scenario, count = SCENARIOS[1], budget.experiments // 2

    def measure(examples: int) -> dict[str, Any]:
        rng = make_generator(0, f"power {name} {examples}")
        design, sizes = _design_and_sizes(name, rng, seeds, examples, scenario)

        def better(gap: float) -> dict[str, Any]:
            return {"gap": gap, **measure_verdicts(scenario, rng, design, count, (0.95, 0.95 - gap))}

        curve = [better(gap) for gap in ACCURACY_GAPS]
        # The variance grows with the gap, so that the detectable gap is found in two steps.
        detectable = better(better(curve[2]["detectable"])["detectable"])
        return {**sizes, "seeds": seeds, "curve": curve, "detectable": detectable}

    return [measure(examples) for examples in budget.examples]


def _design_and_sizes(
    name: DesignName, rng: np.random.Generator, seeds: int, examples: int, scenario: Scenario
) -> tuple[EvaluationDesign, dict[str, Any]]:
    sizes = {"design": name, "process": scenario.name, "examples": examples}
    return simulated_design(name, rng, seeds, examples), sizes


def check_claims(results: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Checks each claim in words against the simulated share that is furthest from it."""
    rows: list[dict[str, Any]] = []

    def check(claim: str, shares: list[dict[str, Any]], bound: float, *, at_least: bool = False) -> None:
        if shares:
            rows.append(check_shares(claim, shares, bound, at_least=at_least))

    for design in DESIGNS:
        for field, words in (("accuracy", "an accuracy's interval"), ("difference", "a difference's interval")):
            cells = [cell for cell in results["coverage"] if cell["design"] == design]
            check(f"{design}: {words} covers at least 92 %", [cell[field] for cell in cells], 0.92, at_least=True)
            avoidable = [cell[field] for cell in cells if field not in cell["unavoidable"]]
            check(f"{design}: {words} covers at most 98 % where more is avoidable", avoidable, 0.98)
    false_verdicts, false_equivalence = results["false_verdicts"], results["false_equivalence"]
    for size in sorted({entry["family"] for entry in false_verdicts}):
        shares = [entry["decisive"] for entry in false_verdicts if entry["family"] == size]
        check(f"false verdicts in a family of {size}: at most 5 %", shares, 0.05)
    shares = [entry["equivalent"] for entry in false_equivalence]
    check("false equivalence at a true gap of 1 point: at most 5 %", shares, 0.05)
    for field, words in CURVE_CLAIMS.items():
        shares = [entry[field] for entry in results["label_curves"]]
        is_error = field in ("missed", "false")
        check(f"label curves: {words}", shares, 0.05 if is_error else 0.92, at_least=not is_error)
    shares = [entry["detectable"]["better"] for entry in results["power"]]
    check("power at the detectable difference: at least 70 %", shares, 0.70, at_least=True)
    return rows

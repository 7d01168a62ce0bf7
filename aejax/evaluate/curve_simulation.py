"""Simulated curves over label budgets whose truth is known: what their bands, crossovers and complexities cover.

Two methods have the latent variables of `simulation.py`. At each budget, other labels add an effect of the training and
one of (training, example), so that neighbouring budgets are correlated as those of nested labels are. Accuracies and
losses approach their limits as powers of the number of labels.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy import optimize, stats

from aejax.data.shuffling import make_generator
from aejax.evaluate.estimates import DesignName, EvaluationDesign
from aejax.evaluate.label_efficiency import (
    Crossing,
    CurveEstimate,
    estimate_curve,
    find_crossings,
    measure_complexity,
)
from aejax.evaluate.simulation import SCENARIOS, share_with_ci, simulate_latents, simulated_design
from aejax.evaluate.verdict_metrics import VERDICT_METRICS

LABELS = np.array([20, 40, 80, 160, 320, 640, 1280])
BUDGET_STD, LABEL_STD = 1.0, 0.15  # of the effects of other labels: (training, example), and training
LOSS_SPREAD = 1.0  # standard deviation of the logarithm of an example's loss
EPSILON = 0.5
ACCURACY = VERDICT_METRICS["accuracy"]


class PowerLaw(NamedTuple):
    """A curve `limit + gap * (n / 20) ** -rate` over the number of labels n."""

    limit: float
    gap: float
    rate: float

    def at(self, labels: Any) -> Any:
        """Returns the values at numbers of labels."""
        return self.limit + self.gap * (np.asarray(labels) / LABELS[0]) ** -self.rate


CODE, PIXELS = PowerLaw(0.90, -0.15, 0.9), PowerLaw(0.97, -0.32, 0.6)  # accuracies, which cross
LOSS = PowerLaw(0.3, 0.9, 0.7)  # reaches EPSILON at 171 labels


class SimulatedCurves(NamedTuple):
    """One experiment: values `(budgets, trainings, n_test)`."""

    code: Bool[np.ndarray, "budgets trainings n_test"]  # correctness
    pixels: Bool[np.ndarray, "budgets trainings n_test"]
    losses: Float[np.ndarray, "budgets trainings n_test"]


def simulate_curves(
    rng: np.random.Generator, design: EvaluationDesign, experiments: int, second: PowerLaw = PIXELS
) -> Iterator[SimulatedCurves]:
    """Yields experiments in which the first method's accuracy is CODE, and the second's `second`."""
    scenario, shape = SCENARIOS[1], design.test_index.shape
    for _ in range(experiments):
        latents = simulate_latents(scenario, rng, design, 1)
        deviation = np.sqrt(latents.rest_variance + scenario.seed_std**2 + BUDGET_STD**2 + LABEL_STD**2)
        code, pixels = (
            (
                of_method[0]
                + BUDGET_STD * rng.standard_normal((len(LABELS), *shape))
                + LABEL_STD * rng.standard_normal((len(LABELS), shape[0], 1))
            )
            / deviation
            for of_method in latents.methods
        )
        accuracies = [stats.norm.ppf(curve.at(LABELS))[:, None, None] for curve in (CODE, second)]
        spread = np.exp(LOSS_SPREAD * code - LOSS_SPREAD**2 / 2)
        losses = LOSS.at(LABELS)[:, None, None] * spread
        yield SimulatedCurves(code < accuracies[0], pixels < accuracies[1], losses)


def measure_curves(name: DesignName, experiments: int, trainings: int, n_test: int) -> dict[str, Any]:
    """Measures how often bands and intervals of curves contain the truth, and how often crossings are found.

    Returns:
        shares of experiments: `curve` and `difference`, in which the band contains all true values; `found`, in which
        the one true crossing is found; `missed`, in which a reported interval does not contain it; `false`, in which
        two methods of equal accuracies are said to cross; `surplus` and `complexity`, in which the intervals of both
        contain the truth.
    """
    rng = make_generator(0, f"label curves {name} {n_test}")
    design = simulated_design(name, rng, trainings, n_test)
    crossover = optimize.brentq(lambda n: CODE.at(n) - PIXELS.at(n), LABELS[0], LABELS[-1])
    complexity = optimize.brentq(lambda n: LOSS.at(n) - EPSILON, LABELS[0], LABELS[-1])
    counted = np.maximum(np.arange(1, LABELS[-1] + 1), LABELS[0])
    surplus = np.maximum(LOSS.at(counted) - EPSILON, 0).sum()
    rows = []
    for curves in simulate_curves(rng, design, experiments):
        difference, crossings = _compare(curves, design)
        measured = measure_complexity(LABELS, curves.losses, design, EPSILON)
        rows.append(
            {
                "curve": _contains(estimate_curve(curves.code, design, ACCURACY).band, CODE.at(LABELS)),
                "difference": _contains(difference.band, CODE.at(LABELS) - PIXELS.at(LABELS)),
                "found": len(crossings) == 1 and crossings[0].above_before,
                "missed": not all(_contains(crossing.ci95, crossover) for crossing in crossings),
                "surplus": _contains(measured.surplus_ci95, surplus),
                "complexity": _contains(measured.sample_complexity_ci95, complexity),
            }
        )
    false = [bool(_compare(curves, design)[1]) for curves in simulate_curves(rng, design, experiments, CODE)]
    shares = {field: share_with_ci([row[field] for row in rows]) for field in rows[0]}
    return {"design": name, "seeds": trainings, "examples": n_test, **shares, "false": share_with_ci(false)}


def _compare(curves: SimulatedCurves, design: EvaluationDesign) -> tuple[CurveEstimate, list[Crossing]]:
    difference = curves.code.astype(np.float64) - curves.pixels
    curve = estimate_curve(difference, design, ACCURACY, of_difference=True)
    return curve, find_crossings(LABELS, difference, design, ACCURACY, curve)


def _contains(bounds: Any, truth: Any) -> bool:
    low, high = (np.inf if bound is None else bound for bound in bounds)
    return bool(np.all((low <= truth) & (truth <= high)))

"""The figures of a run, from its outcomes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from aejax.data.scalers import scale
from aejax.methods import Method
from aejax.report import figures
from aejax.run.experiment import Experiment
from aejax.run.scoring import Outcome

SHOWN = 10  # examples whose reconstructions are drawn
SCATTERED = 1500  # examples whose codes are drawn, at most


def _of_first_seed(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[0], tree)


def _test_inputs(experiment: Experiment, count: int) -> Float[np.ndarray, "count d"]:
    """The first test examples, scaled by seed 0."""
    rows = experiment.split.test[:count]
    flat = experiment.dataset.inputs.reshape(len(experiment.dataset.inputs), -1)[rows]
    return np.asarray(scale(_of_first_seed(experiment.scaler), flat))


def _in_two_dimensions(codes: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n 2"]:
    """The codes themselves if they have two units, else their first two principal components."""
    if codes.shape[1] == 2:
        return codes
    centred = codes - codes.mean(axis=0)
    left, singular, _ = np.linalg.svd(np.pad(centred, ((0, 0), (0, max(0, 2 - codes.shape[1])))), full_matrices=False)
    return left[:, :2] * singular[:2]


def draw(
    experiment: Experiment,
    outcomes: Sequence[tuple[Outcome, Method]],
    folder: Path,
    results: dict[str, Any] | None,
) -> None:
    """Write the figures that apply: learning curves, reconstructions, codes, and accuracy where there are results."""
    histories = {outcome.name: outcome.trained.history for outcome, _ in outcomes if outcome.trained is not None}
    if histories:
        figures.save(figures.learning_curves(histories), folder / "learning_curves.png")
    if results is not None:
        figures.save(figures.accuracy_by_method(results), folder / "accuracy.png")
    inputs = _test_inputs(experiment, SHOWN)
    shape = (-1, *experiment.dataset.shape)
    recons = {
        outcome.name: np.asarray(method.reconstruct(_of_first_seed(outcome.variables), inputs)).reshape(shape)
        for outcome, method in outcomes
        if method.reconstruct is not None
    }
    if recons:
        figures.save(figures.reconstructions(inputs.reshape(shape), recons), folder / "reconstructions.png")
    inputs = _test_inputs(experiment, SCATTERED)
    codes = {
        outcome.name: _in_two_dimensions(np.asarray(method.encode(_of_first_seed(outcome.variables), inputs)))
        for outcome, method in outcomes
    }
    labels = experiment.dataset.labels[experiment.split.test[:SCATTERED]]
    figures.save(figures.code_scatter(codes, labels, experiment.dataset.class_names), folder / "codes.png")

"""The figures of a run, from its outcomes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from aejax.explore.plane import in_the_plane
from aejax.methods import Method
from aejax.models.parts import Variables
from aejax.report import figures
from aejax.report.representations import representations
from aejax.run.encoding import scaled_inputs
from aejax.run.experiment import Experiment
from aejax.run.scoring import Outcome

IMAGES_SHOWN, TABLE_ROWS_SHOWN = 10, 3  # examples whose reconstructions are drawn; rows of a table need more room
SCATTERED = 1500  # examples whose codes are drawn, at most


def _of_first_seed(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), tree)


def _test_inputs(experiment: Experiment, count: int) -> Float[jax.Array, "count d"]:
    """The first test examples, flat, scaled by seed 0."""
    return jnp.asarray(scaled_inputs(experiment, 0, experiment.split.test[:count]))


def draw_comparison(
    experiment: Experiment, outcomes: Sequence[tuple[Outcome, Method]], results: dict[str, Any], folder: Path
) -> None:
    """Write accuracy, diagnostics, learning_curves, reconstructions and codes (.png), as far as each applies."""
    figures.save(figures.accuracy_by_method(results), folder / "accuracy.png")
    if "diagnostics" in results:
        figures.save(representations(results), folder / "diagnostics.png")
    courses = {o.name: o.course for o, _ in outcomes if not o.borrowed}
    histories = {name: course.history for name, course in courses.items() if course is not None}
    once = {o.features_of or o.name: (o, method) for o, method in reversed(outcomes)}  # of the same features, the first
    models = {o.name: (method, o.variables) for o, method in reversed(once.values())}
    _draw_models(experiment, models, histories, folder)


def draw_model(
    experiment: Experiment,
    name: str,
    method: Method,
    variables: Variables,
    history: dict[str, Float[np.ndarray, "seeds epochs"]],
    folder: Path,
) -> None:
    """Write the figures of one trained autoencoder."""
    _draw_models(experiment, {name: (method, variables)}, {name: history}, folder)


def _draw_models(
    experiment: Experiment,
    models: dict[str, tuple[Method, Variables]],
    histories: dict[str, dict[str, Float[np.ndarray, "seeds epochs"]]],
    folder: Path,
) -> None:
    if histories:
        figures.save(figures.learning_curves(histories), folder / "learning_curves.png")
    is_image = len(experiment.dataset.shape) == 3
    shape = (-1, *experiment.dataset.shape) if is_image else (-1, experiment.setting.features)
    inputs = _test_inputs(experiment, IMAGES_SHOWN if is_image else TABLE_ROWS_SHOWN)
    recons = {
        name: np.asarray(method.reconstruct(_of_first_seed(variables), inputs)).reshape(shape)
        for name, (method, variables) in models.items()
        if method.reconstruct is not None
    }
    if recons:
        figures.save(figures.reconstructions(np.asarray(inputs).reshape(shape), recons), folder / "reconstructions.png")
    inputs = _test_inputs(experiment, SCATTERED)
    codes = {
        name: in_the_plane(np.asarray(method.encode(_of_first_seed(variables), inputs)))[0][0]
        for name, (method, variables) in models.items()
    }
    labels = experiment.dataset.labels[experiment.split.test[:SCATTERED]]
    figures.save(figures.code_scatter(codes, labels, experiment.dataset.class_names), folder / "codes.png")

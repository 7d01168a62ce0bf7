"""The figures of a run, and the examples that its page shows."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from aejax.analysis.generation import sample_prior
from aejax.analysis.projection import project_to_2d
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_extraction import scaled_inputs
from aejax.experiments.method_result import MethodResult
from aejax.methods.method import Method
from aejax.models.submodules import Variables
from aejax.models.variational import VariationalAutoencoder
from aejax.report import figures, image_grids
from aejax.report.comparison_figures import plot_accuracy, plot_differences, plot_representations
from aejax.report.examples import (
    EXAMPLES_FILE,
    MAX_CODES,
    MAX_WORST,
    Examples,
    hardest_rows,
    shrink_images,
    write_examples,
)
from aejax.report.run_page import FigureFiles

IMAGE_EXAMPLES, TABLE_EXAMPLES = 10, 3  # examples whose reconstructions are plotted
MAX_SCATTER_POINTS = 1500  # examples whose codes are plotted, at most


def _first_seed(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.asarray(leaf[0]), tree)


def _test_inputs(experiment: Experiment, count: int) -> Float[jax.Array, "count d"]:
    """Returns the first test examples of seed 0, flat and scaled."""
    return jnp.asarray(scaled_inputs(experiment, 0, experiment.split.test[0, :count]))


def plot_comparison(
    experiment: Experiment,
    method_results: Sequence[tuple[MethodResult, Method]],
    results: dict[str, Any],
    files: FigureFiles,
) -> None:
    """Writes the figures of a comparison, as far as each applies."""
    files.write("accuracy.png", lambda: plot_accuracy(results))
    if results["comparisons"]:
        files.write("differences.png", lambda: plot_differences(results))
    if "diagnostics" in results:
        files.write("diagnostics.png", lambda: plot_representations(results))
    histories = {
        result.name: result.history.metrics
        for result, _ in method_results
        if result.history is not None and not result.shared_training
    }
    models: dict[str, tuple[Method, Variables]] = {}
    seen = set()
    for result, method in method_results:  # of methods with the same features, the first
        has_encoder = method.fit_predict is None and method.make_features is None
        if has_encoder and (features := result.features_of or result.name) not in seen:
            seen.add(features)
            models[result.name] = (method, result.variables)
    plot_models(experiment, models, histories, files, [result for result, _ in method_results])


def plot_models(
    experiment: Experiment,
    models: dict[str, tuple[Method, Variables]],
    histories: dict[str, dict[str, Float[np.ndarray, "seeds epochs"]]],
    files: FigureFiles,
    method_results: Sequence[MethodResult] = (),
) -> None:
    """Writes learning curves, reconstructions, samples, codes and examples of methods, where they apply."""
    codes: dict[str, Float[np.ndarray, "n 2"]] = {}
    if histories:
        files.write("learning_curves.png", lambda: figures.plot_learning_curves(histories))
    if models:
        if any(method.reconstruct is not None for method, _ in models.values()):
            files.write("reconstructions.png", functools.partial(_plot_reconstructions, experiment, models))
        if samples := _draw_samples(experiment, models):
            files.write("samples.png", lambda: _plot_samples(experiment, samples))
        files.attempt("codes", lambda: codes.update(project_codes(experiment, models)))
        labels = experiment.dataset.labels[experiment.split.test[0, :MAX_SCATTER_POINTS]]
        files.write("codes.png", lambda: figures.plot_codes(codes, labels, experiment.dataset.class_names))
    files.attempt(EXAMPLES_FILE, lambda: save_examples(files.folder, experiment, codes, method_results))


def _shown_examples(experiment: Experiment) -> tuple[int, tuple[int, ...]]:
    """Returns how many examples a figure shows, and the shape of an array of examples."""
    if len(experiment.dataset.example_shape) == 3:
        return IMAGE_EXAMPLES, (-1, *experiment.dataset.example_shape)
    return TABLE_EXAMPLES, (-1, experiment.problem.n_features)


def _draw_samples(
    experiment: Experiment, models: dict[str, tuple[Method, Variables]]
) -> dict[str, Float[np.ndarray, "n d"]]:
    """Returns decoded draws from the prior of each variational autoencoder that is no control."""
    count, samples = _shown_examples(experiment)[0], {}
    for name, (method, variables) in models.items():
        if isinstance(method.model, VariationalAutoencoder) and method.role == "autoencoder":
            of_seed = _first_seed(variables)
            width = method.encode(of_seed, _test_inputs(experiment, 1)).shape[1]
            samples[name] = np.asarray(method.model.decode(of_seed, jnp.asarray(sample_prior(count, width))))
    return samples


def _plot_samples(experiment: Experiment, samples: dict[str, Float[np.ndarray, "n d"]]) -> Figure:
    return _plot_rows(experiment, "test examples", samples, "Decoded draws from the prior")


def _plot_reconstructions(experiment: Experiment, models: dict[str, tuple[Method, Variables]]) -> Figure:
    inputs = _test_inputs(experiment, _shown_examples(experiment)[0])
    recons = {
        name: np.asarray(method.reconstruct(_first_seed(variables), inputs))
        for name, (method, variables) in models.items()
        if method.reconstruct is not None
    }
    return _plot_rows(experiment, "original", recons)


def _plot_rows(
    experiment: Experiment, first: str, others: Mapping[str, Float[np.ndarray, "n d"]], title: str = ""
) -> Figure:
    """Plots the first test examples of seed 0, whose label is `first`, and other examples below them on their scale."""
    count, shape = _shown_examples(experiment)
    inputs = np.asarray(_test_inputs(experiment, count))
    rows = [(name, examples.reshape(shape)) for name, examples in [(first, inputs), *others.items()]]
    value_range = (float(inputs.min()), float(inputs.max()))
    return image_grids.plot_example_rows(rows, value_range, title, experiment.dataset.feature_names or ())


def project_codes(
    experiment: Experiment, models: dict[str, tuple[Method, Variables]]
) -> dict[str, Float[np.ndarray, "n 2"]]:
    """Returns the codes of the first test examples of seed 0 in two dimensions, by method."""
    inputs = _test_inputs(experiment, MAX_SCATTER_POINTS)
    return {
        name: project_to_2d(np.asarray(method.encode(_first_seed(variables), inputs)))[0][0]
        for name, (method, variables) in models.items()
    }


def save_examples(
    folder: Path,
    experiment: Experiment,
    codes: Mapping[str, Float[np.ndarray, "n 2"]],
    method_results: Sequence[MethodResult] = (),
) -> None:
    """Writes `examples.npz`: the first test examples of seed 0 with their codes by method, and the worst errors."""
    dataset, test_index = experiment.dataset, experiment.split.test
    shown = test_index[0, :MAX_CODES]
    worst = [hardest_rows(result.scores.log_prob, test_index, MAX_WORST) for result in method_results]
    others = np.setdiff1d(np.concatenate(worst), shown) if worst else shown[:0]
    rows = np.concatenate([shown, others])
    inputs = dataset.inputs[rows]
    if len(dataset.example_shape) == 3:
        inputs = shrink_images(inputs)
    elif dataset.offsets is not None:
        inputs = inputs + dataset.offsets
    examples = Examples(
        rows,
        dataset.labels[rows],
        inputs,
        list(dataset.feature_names or ()),
        {k: v[:MAX_CODES] for k, v in codes.items()},
    )
    write_examples(folder, examples)

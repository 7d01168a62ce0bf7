"""Analyses of the decoder: interpolations, traversals of single units, and samples from the prior."""

import functools
from typing import Any

import numpy as np

from aejax.analysis.generation import (
    GRID_QUANTILE,
    ablate_units,
    decode_prior_grid,
    interpolate_examples,
    midpoint_errors,
    nearest_examples,
    sample_prior,
    traverse_latents,
)
from aejax.evaluate.representation import ACTIVE_VARIANCE
from aejax.experiments.exploring.loaded_model import AnalysisResult, LoadedModel, Skipped
from aejax.report import image_grids

INTERPOLATION_STEPS = 11
MIDPOINT_PAIRS = 500  # pairs of test examples whose midpoints are compared
TRAVERSAL_OFFSETS = np.arange(-3.0, 4.0)  # in standard deviations of the training codes
EFFECT_EXAMPLES = 128  # examples on which the effect of a unit is measured
LATENT_GRID_SIZE = 15  # codes along each side of the grid
NO_PRIOR = "this kind of autoencoder has no prior to sample from"


def interpolation(model: LoadedModel) -> AnalysisResult | Skipped:
    """Interpolates between the first test example and the next of another class, in code and in input space."""
    view = model.selected
    rows = view.test_rows
    others = np.flatnonzero(model.dataset.labels[rows] != model.dataset.labels[rows[0]])
    if not others.size:
        return Skipped("all test examples are of one class")
    codec, test, second = view.codec, view.test_inputs, int(others[0])
    path = interpolate_examples(codec, test[0], test[second], INTERPOLATION_STEPS)
    what = "pixels" if model.is_image else "inputs"
    first_class, second_class = (model.dataset.class_names[model.dataset.labels[rows[index]]] for index in (0, second))
    draw = functools.partial(
        image_grids.plot_interpolation,
        {
            "by code": model.reshape_to_images(path.latent_path),
            f"by {what}": model.reshape_to_images(path.input_path),
        },
        {"by code": path.latent_error, f"by {what}": path.input_error},
        model.display_limits,
        f"From a test example of class {first_class} to one of class {second_class}",
        model.feature_names,
    )
    first = np.random.default_rng(0).permutation(len(test))[:MIDPOINT_PAIRS]
    code_error, input_error = (error.mean() for error in midpoint_errors(codec, test[first], test[first[::-1]]))
    metrics = {
        "rows": [int(rows[0]), int(rows[second])],
        "self_error": {"by_code": path.latent_error, "by_input": path.input_error},
        "midpoints": {"pairs": len(first), "by_code": code_error, "by_input": input_error},
    }
    summary = (
        f"Mean squared reconstruction error at the midpoints of {len(first)} pairs of test examples: "
        f"{code_error:.3g} for interpolation in code space, {input_error:.3g} for a blend of {what}."
    )
    caption = f"Interpolation between two test examples, by the code and by {what}"
    return AnalysisResult(summary, metrics, {"interpolation.png": (draw, caption)})


def _rank_units(model: LoadedModel, count: int) -> tuple[np.ndarray, list[str], dict[str, Any]]:
    """Returns the `count` most informative units, a label of each, and the measure of all units."""
    view = model.selected
    if model.is_variational:
        values, name, unit = view.kl_per_unit(), "kl_nats", "KL {:.2f}"
    else:
        values = ablate_units(view.codec, view.train_codes[:EFFECT_EXAMPLES])
        name, unit = "effect_mse", "effect {:#.2g}"
    ranked = np.argsort(-values, kind="stable")[:count]
    labels = [f"unit {index}\n{unit.format(values[index])}" for index in ranked]
    return ranked, labels, {"units": ranked, name: values}


def traversals(model: LoadedModel) -> AnalysisResult:
    """Varies the most informative units, one at a time, around the code of the first test example."""
    view = model.selected
    units, labels, metrics = _rank_units(model, model.max_shown(images=10, table_rows=4))
    code, deviations = view.codec.encode(view.test_inputs[:1])[0], view.train_codes.std(axis=0)
    decoded = traverse_latents(view.codec, code, units, deviations, TRAVERSAL_OFFSETS.astype(np.float32))
    line_break = "\n" if model.is_image else " "
    draw = functools.partial(
        image_grids.plot_example_rows,
        list(zip(labels, model.reshape_to_images(decoded), strict=True)),
        model.display_limits,
        f"One test example with one unit changed at a time,{line_break}in standard deviations of the training codes",
        model.feature_names,
        [f"{offset:+g}" if offset else "0" for offset in TRAVERSAL_OFFSETS],
    )
    measure = (
        "KL from the prior in nats, mean over test examples"
        if model.is_variational
        else "mean squared change of the output when the unit is held at its mean"
    )
    metrics |= {"row": int(view.test_rows[0]), "offsets": TRAVERSAL_OFFSETS, "deviations": deviations[units]}
    caption = "Single units changed around the code of one test example"
    return AnalysisResult(f"Units are ordered by {measure}.", metrics, {"traversals.png": (draw, caption)})


def samples(model: LoadedModel) -> AnalysisResult | Skipped:
    """Draws decoded samples from the prior, and the nearest training examples."""
    if not model.is_variational:
        return Skipped(NO_PRIOR)
    view = model.selected
    rows, columns = model.max_shown(images=6, table_rows=1), model.max_shown(images=12, table_rows=8)
    decoded = view.codec.decode(sample_prior(rows * columns, view.code_width, view.seed))
    train = view.coded_inputs
    distances, nearest = nearest_examples(decoded, train)
    test_distances, _ = nearest_examples(view.test_inputs[:1000], train)
    draw = functools.partial(
        image_grids.plot_prior_samples,
        model.reshape_to_images(decoded.reshape(rows, columns, -1)),
        model.reshape_to_images(nearest[-columns:]),
        model.display_limits,
        "Samples from the prior, decoded (the mean of the likelihood)",
        model.feature_names,
    )
    kl = view.kl_per_unit().sum()
    active = int(np.count_nonzero(view.codec.encode(view.test_inputs).var(axis=0) > ACTIVE_VARIANCE))
    metrics = {
        "kl_nats": kl,
        "active_units": active,
        "units": view.code_width,
        "nearest_training_mse": {"samples": distances.mean(), "test_examples": test_distances.mean()},
        "training_examples": len(train),
    }
    summary = (
        f"KL from the prior: {kl:.1f} nats per test example, in {active} active of {view.code_width} units. Mean "
        f"squared distance to the nearest of {len(train):,} training examples: {distances.mean():.3g} from a sample, "
        f"{test_distances.mean():.3g} from a test example."
    )
    caption = "Samples from the prior, decoded, and the nearest training examples"
    return AnalysisResult(summary, metrics, {"samples.png": (draw, caption)})


def latent_grid(model: LoadedModel) -> AnalysisResult | Skipped:
    """Decodes a grid over the two most informative units of the prior."""
    if not model.is_variational:
        return Skipped(NO_PRIOR)
    if not model.is_image:
        return Skipped("a grid of table rows cannot be read; see the traversals")
    width = model.selected.code_width
    if width < 2:
        return Skipped("the code has one unit; see the traversal")
    ranked, labels, metrics = _rank_units(model, 2)
    units = sorted(ranked.tolist()) if width == 2 else ranked.tolist()
    names = {int(unit): label.replace("\n", ", ") + " nats" for unit, label in zip(ranked, labels, strict=True)}
    grid = decode_prior_grid(model.selected.codec, units, width, LATENT_GRID_SIZE)
    rest = "" if width == 2 else "; the other units at 0"
    draw = functools.partial(
        image_grids.plot_latent_grid,
        model.reshape_to_images(grid),
        model.display_limits,
        (names[units[0]], names[units[1]]),
        "The prior over two units, decoded in equal steps of probability\n"
        f"from {GRID_QUANTILE:g} to {1 - GRID_QUANTILE:g}{rest}",
    )
    return AnalysisResult(
        f"Units {units[0]} and {units[1]} have the largest KL divergence from the prior.",
        {"units": units, "steps": LATENT_GRID_SIZE, "edge": GRID_QUANTILE, "kl_nats": metrics["kl_nats"]},
        {"latent_grid.png": (draw, "The prior over the two most informative units, decoded")},
    )

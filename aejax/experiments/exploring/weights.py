"""Analyses of what the model has learned: codes in two dimensions, filters of the encoder, atoms of the decoder."""

import functools
from typing import Any

import numpy as np

from aejax.analysis.projection import PROJECTION_NEIGHBORS, project_codes
from aejax.analysis.weights import (
    baseline_code,
    coherence,
    compute_atoms,
    constant_units,
    first_layer_filters,
    most_active_units,
    typical_activity,
)
from aejax.experiments.exploring.loaded_model import AnalysisResult, LoadedModel, Skipped
from aejax.report import figures, image_grids

MAX_SCATTER_POINTS = 1500
MAX_UNITS = {"images": 64, "table_rows": 24}  # filters or atoms


def codes(model: LoadedModel) -> AnalysisResult:
    """Projects codes and inputs to two dimensions and colours them by class."""
    view, labels, test_rows = model.selected, model.dataset.labels, model.selected.test_rows
    pairs = {
        f"{model.kind} code": (view.train_codes, view.codec.encode(view.test_inputs)),
        "pixels" if model.is_image else "inputs": (view.coded_inputs, view.test_inputs),
    }
    projections = {
        name: project_codes(train, labels[view.coded_rows], test, labels[test_rows])
        for name, (train, test) in pairs.items()
    }
    has_classes = model.dataset.n_classes > 1
    points = {
        f"{name}: {100 * plane.knn_accuracy:.1f} % by {PROJECTION_NEIGHBORS} neighbours" if has_classes else name: (
            plane.points[:MAX_SCATTER_POINTS]
        )
        for name, plane in projections.items()
    }
    draw = functools.partial(
        figures.plot_codes, points, labels[test_rows[:MAX_SCATTER_POINTS]], model.dataset.class_names
    )
    code, inputs = projections.values()
    how = "Both units are drawn" if view.code_width == 2 else "The first two principal components of the code are drawn"
    summary = (
        f"{how}; they hold {code.explained_variance_ratio:.0%} of its variance (inputs: "
        f"{inputs.explained_variance_ratio:.0%})."
    )
    if has_classes:
        summary += (
            f" In the plane, {PROJECTION_NEIGHBORS} nearest neighbours classify {code.knn_accuracy:.1%} of the test "
            f"examples correctly (inputs: {inputs.knn_accuracy:.1%})."
        )
    metrics: dict[str, Any] = {
        name: {"explained_variance": plane.explained_variance_ratio, "neighbour_accuracy": plane.knn_accuracy}
        for name, plane in zip(("code", "inputs"), projections.values(), strict=True)
    }
    metrics["neighbours"] = PROJECTION_NEIGHBORS
    return AnalysisResult(summary, metrics, {"codes.png": (draw, "Test codes and inputs in the plane")})


def filters(model: LoadedModel) -> AnalysisResult | Skipped:
    """Draws the weights of the encoder's first layer, largest norm first."""
    view = model.selected
    layer = first_layer_filters(view.variables["params"]["encoder"], view.test_inputs.shape[1])
    if layer is None:
        return Skipped("no layer of the encoder reads the inputs directly")
    name, weights = layer
    if weights.ndim == 4 and weights.shape[3] not in (1, 3):
        return Skipped(f"filters on {weights.shape[3]} channels cannot be drawn")
    norms = np.linalg.norm(weights.reshape(len(weights), -1), axis=1)
    shown = np.argsort(-norms, kind="stable")[: model.max_shown(**MAX_UNITS)]
    images = weights[shown] if weights.ndim == 4 else model.reshape_to_images(weights[shown])
    which = f"the {len(shown)} largest of {len(weights)}" if len(weights) > len(shown) else f"all {len(weights)}"
    draw = functools.partial(
        image_grids.plot_unit_weights, images, f"Filters of the first layer: {which}", "weight", model.feature_names
    )
    metrics = {"layer": name, "units": len(weights), "norm": {"largest": norms.max(), "median": np.median(norms)}}
    summary = f"Filters of `{name}`: the largest norm is {norms.max():.3g}, the median {np.median(norms):.3g}."
    return AnalysisResult(summary, metrics, {"filters.png": (draw, "Filters of the encoder's first layer")})


def decoder_atoms(model: LoadedModel) -> AnalysisResult | Skipped:
    """Draws what each of the most active units adds to the output."""
    view = model.selected
    codes, n_units = view.train_codes, view.code_width
    units = most_active_units(codes, model.max_shown(**MAX_UNITS))
    if not units.size:
        return Skipped("every unit is constant over the training examples")
    baseline = baseline_code(codes)
    atoms = compute_atoms(view.preactivation_codec(), baseline, typical_activity(codes, baseline), units)
    which = f"the {len(units)} most active of {n_units} units" if n_units > len(units) else "every unit"
    title = f"Change of the output when one unit is at its 95th percentile: {which}"
    label = "change of the logit" if model.pretrained.model.output_activation == "sigmoid" else "change of the output"
    draw = functools.partial(
        image_grids.plot_unit_weights, model.reshape_to_images(atoms), title, label, model.feature_names
    )
    similarity, active = coherence(atoms), np.count_nonzero(codes, axis=1).mean()
    metrics = {
        "units": n_units,
        "drawn": units,
        "dead_units": int(constant_units(codes).sum()),
        "mean_active_units": active,
        "examples": len(codes),
        "coherence": {"mean": similarity.mean(), "largest": similarity.max()},
    }
    summary = (
        f"On average {active:.1f} of {n_units} units are nonzero ({len(codes):,} training examples); "
        f"{metrics['dead_units']} are constant. The absolute cosine of an atom with the most similar other atom is "
        f"{similarity.mean():.2f} on average."
    )
    return AnalysisResult(summary, metrics, {"atoms.png": (draw, "Decoder atoms")})

"""What is inside: the code in the plane by class, the encoder's filters, the decoder's atoms."""

from pathlib import Path

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
from aejax.experiments.exploring.loaded_model import LoadedModel
from aejax.experiments.exploring.protocol import AnalysisResult, Skipped
from aejax.report import figures, image_grids

MAX_SCATTER_POINTS = 1500  # examples drawn in the plane
IMAGE_EXAMPLES, TABLE_EXAMPLES = 64, 24  # filters and atoms drawn, at most; stripes take more room than tiles


def codes(model: LoadedModel, out: Path) -> AnalysisResult:
    """The code in two dimensions by class, beside the inputs."""
    seed, labels, test_rows = model.config.seed, model.dataset.labels, model.split.test
    train_rows = model.coded_rows(seed)
    views = {
        f"{model.kind} code": (model.train_codes(seed), model.codec(seed).encode(model.test_inputs(seed))),
        "pixels" if model.is_image else "inputs": (model.scaled_inputs(train_rows, seed), model.test_inputs(seed)),
    }
    planes = {
        name: project_codes(train, labels[train_rows], test, labels[test_rows]) for name, (train, test) in views.items()
    }
    drawn = {
        f"{name}: {100 * own.knn_accuracy:.1f} % by {PROJECTION_NEIGHBORS} neighbours": own.points[:MAX_SCATTER_POINTS]
        for name, own in planes.items()
    }
    figure = figures.plot_codes(drawn, labels[test_rows[:MAX_SCATTER_POINTS]], model.dataset.class_names)
    figures.save_figure(figure, out / "codes.png")
    code, inputs = planes.values()
    units = model.train_codes(seed).shape[1]
    projection = "as they are" if units == 2 else "by their first two principal components"
    says = (
        f"Codes are drawn {projection}, which hold {code.explained_variance_ratio:.0%} of their variance (inputs: "
        f"{inputs.explained_variance_ratio:.0%}). In the plane the {PROJECTION_NEIGHBORS} nearest training points give the class of "
        f"{code.knn_accuracy:.1%} of the test examples (inputs: {inputs.knn_accuracy:.1%})."
    )
    numbers = {
        name: {"explained_variance": own.explained_variance_ratio, "neighbour_accuracy": own.knn_accuracy}
        for name, own in zip(("code", "inputs"), planes.values(), strict=True)
    }
    return AnalysisResult(
        says, {**numbers, "neighbours": PROJECTION_NEIGHBORS}, {"codes.png": "Test codes and inputs in the plane"}
    )


def filters(model: LoadedModel, out: Path) -> AnalysisResult | Skipped:
    """The weights of the encoder's first layer, largest norm first."""
    seed = model.config.seed
    found = first_layer_filters(
        model.pretrained.seed_variables(seed)["params"]["encoder"], model.test_inputs(seed).shape[1]
    )
    if found is None:
        return Skipped("no layer of the encoder stands on the inputs themselves")
    name, weights = found
    if weights.ndim == 4 and weights.shape[3] not in (1, 3):
        return Skipped(f"filters on {weights.shape[3]} channels cannot be drawn")
    norms = np.linalg.norm(weights.reshape(len(weights), -1), axis=1)
    chosen = np.argsort(-norms, kind="stable")[: IMAGE_EXAMPLES if model.is_image else TABLE_EXAMPLES]
    drawn = weights[chosen] if weights.ndim == 4 else model.reshape_to_images(weights[chosen])
    most = f"the {len(chosen)} largest of {len(weights)}" if len(weights) > len(chosen) else f"all {len(weights)}"
    title = f"What the units of the first layer look for: {most} filters"
    image_grids.save_figure(
        image_grids.plot_unit_weights(drawn, title, "weight", model.feature_names), out / "filters.png"
    )
    numbers = {"layer": name, "units": len(weights), "norm": {"largest": norms.max(), "median": np.median(norms)}}
    says = f"Filters of `{name}` by norm, from {norms.max():.3g}; the median is {np.median(norms):.3g}."
    return AnalysisResult(says, numbers, {"filters.png": "Filters of the encoder's first layer"})


def decoder_atoms(model: LoadedModel, out: Path) -> AnalysisResult | Skipped:
    """What each of the most active units adds to the output by itself."""
    seed = model.config.seed
    codes = model.train_codes(seed)
    units = most_active_units(codes, IMAGE_EXAMPLES if model.is_image else TABLE_EXAMPLES)
    if not units.size:
        return Skipped("every unit says the same of all training examples")
    rest = baseline_code(codes)
    drawn = compute_atoms(model.preactivation_codec(seed), rest, typical_activity(codes, rest), units)
    most = f"the {len(units)} most active of {codes.shape[1]} units" if codes.shape[1] > len(units) else "every unit"
    title = f"What a unit adds to the output by itself, at its 95th percentile: {most}"
    label = "change of the logit" if model.pretrained.model.output_activation == "sigmoid" else "change of the output"
    figure = image_grids.plot_unit_weights(model.reshape_to_images(drawn), title, label, model.feature_names)
    image_grids.save_figure(figure, out / "atoms.png")
    alike, active = coherence(drawn), np.count_nonzero(codes, axis=1).mean()
    numbers = {
        "units": codes.shape[1],
        "drawn": units,
        "dead_units": int(constant_units(codes).sum()),
        "mean_active_units": active,
        "examples": len(codes),
        "coherence": {"mean": alike.mean(), "largest": alike.max()},
    }
    says = (
        f"{active:.1f} of {codes.shape[1]} units are not zero for a training example, on average over {len(codes):,}; "
        f"{numbers['dead_units']} say the same of all these. The cosine of an atom with the one most like it is "
        f"{alike.mean():.2f} on average, up to sign."
    )
    return AnalysisResult(says, numbers, {"atoms.png": "Decoder atoms"})

"""What a decoder draws: on ways between examples, where single units are moved, and from the prior."""

from pathlib import Path
from typing import Any

import numpy as np

from aejax.analysis.sampling import GRID_QUANTILE, decode_prior_grid, nearest_examples, sample_prior
from aejax.analysis.traversal import ablate_units, interpolate_examples, midpoint_errors, traverse_latents
from aejax.evaluate.code_metrics import ACTIVE_VARIANCE
from aejax.experiments.exploring.loaded_model import LoadedModel
from aejax.experiments.exploring.protocol import AnalysisResult, Skipped
from aejax.report import image_grids as gallery

INTERPOLATION_STEPS = 11  # of an interpolation
MIDPOINT_PAIRS = 500  # of test examples, whose middles are compared
TRAVERSAL_OFFSETS = np.arange(-3.0, 4.0)  # of a traversal, in standard deviations
IMAGE_UNITS, TABLE_UNITS = 10, 4  # traversed; a unit takes more room where examples are rows of a table
EFFECT_EXAMPLES = 128  # examples on which the effect of a unit is measured
IMAGE_SAMPLE_GRID, TABLE_SAMPLE_GRID = (6, 12), (1, 8)  # rows and columns of draws from the prior
LATENT_GRID_SIZE = 15  # codes along each side of the grid


def interpolation(model: LoadedModel, out: Path) -> AnalysisResult | Skipped:
    """From the first test example to the next of another class, by the code and by the inputs."""
    seed, test, rows = model.config.seed, model.test_inputs(model.config.seed), model.split.test
    others = np.flatnonzero(model.dataset.labels[rows] != model.dataset.labels[rows[0]])
    if not others.size:
        return Skipped("all test examples are of one class")
    codec, second = model.codec(seed), int(others[0])
    found = interpolate_examples(codec, test[0], test[second], INTERPOLATION_STEPS)
    what = "pixels" if model.is_image else "inputs"
    ways = {"by code": found.latent_path, f"by {what}": found.input_path}
    first_class, second_class = (model.class_name(int(rows[index])) for index in (0, second))
    title = f"From a test example of class {first_class} to one of class {second_class}"
    figure = gallery.plot_interpolation(
        {name: model.reshape_to_images(way) for name, way in ways.items()},
        dict(zip(ways, (found.latent_error, found.input_error), strict=True)),
        model.display_limits,
        title,
        model.feature_names,
    )
    gallery.save_figure(figure, out / "interpolation.png")
    first = np.random.default_rng(0).permutation(len(test))[:MIDPOINT_PAIRS]
    code_error, input_error = (errors.mean() for errors in midpoint_errors(codec, test[first], test[first[::-1]]))
    numbers = {
        "rows": [int(rows[0]), int(rows[second])],
        "self_error": {"by_code": found.latent_error, "by_input": found.input_error},
        "midpoints": {"pairs": len(first), "by_code": code_error, "by_input": input_error},
    }
    says = (
        f"Half way between {len(first)} pairs of test examples, the autoencoder's own reconstruction is off by "
        f"{code_error:.3g} (mean squared) by the code and by {input_error:.3g} for a plain blend of {what}."
    )
    return AnalysisResult(
        says, numbers, {"interpolation.png": f"Two ways between test examples: by the code and by {what}"}
    )


def _rank_units(model: LoadedModel, count: int) -> tuple[np.ndarray, list[str], dict[str, Any]]:
    """The `count` units that say most, a label of each, and the numbers behind that for all units."""
    seed = model.config.seed
    if model.is_variational:
        values, name, unit = model.kl_per_unit(seed), "kl_nats", "KL {:.2f}"
    else:
        values = ablate_units(model.codec(seed), model.train_codes(seed)[:EFFECT_EXAMPLES])
        name, unit = "effect_mse", "effect {:#.2g}"
    chosen = np.argsort(-values, kind="stable")[:count]
    labels = [f"unit {index}\n{unit.format(values[index])}" for index in chosen]
    return chosen, labels, {"units": chosen, name: values}


def traversals(model: LoadedModel, out: Path) -> AnalysisResult:
    """The most informative units, one at a time, moved around the code of the first test example."""
    seed = model.config.seed
    codec, codes = model.codec(seed), model.train_codes(seed)
    units, labels, numbers = _rank_units(model, IMAGE_UNITS if model.is_image else TABLE_UNITS)
    code, deviations = codec.encode(model.test_inputs(seed)[:1])[0], codes.std(axis=0)
    walks = traverse_latents(codec, code, units, deviations, TRAVERSAL_OFFSETS.astype(np.float32))
    title = "Around one test example, a unit at a time moved by so many standard deviations of the training codes"
    if model.is_image:
        title = title.replace("moved by", "moved\nby")
    figure = gallery.plot_traversals(
        model.reshape_to_images(walks), labels, TRAVERSAL_OFFSETS, model.display_limits, title, model.feature_names
    )
    gallery.save_figure(figure, out / "traversals.png")
    measure = (
        "KL from the prior in nats, mean over test examples"
        if model.is_variational
        else "mean squared change of the output when the unit is held at its mean"
    )
    numbers |= {"row": int(model.split.test[0]), "offsets": TRAVERSAL_OFFSETS, "deviations": deviations[units]}
    says = f"The units that say most come first: {measure}."
    return AnalysisResult(says, numbers, {"traversals.png": "Single units moved around the code of one test example"})


NO_PRIOR = "this kind of autoencoder has no prior to draw from"


def samples(model: LoadedModel, out: Path) -> AnalysisResult | Skipped:
    """Draws from the prior, decoded, beside the nearest training examples."""
    if not model.is_variational:
        return Skipped(NO_PRIOR)
    seed = model.config.seed
    codec, codes = model.codec(seed), model.train_codes(seed)
    rows, columns = IMAGE_SAMPLE_GRID if model.is_image else TABLE_SAMPLE_GRID
    drawn = codec.decode(sample_prior(rows * columns, codes.shape[1], seed))
    train = model.scaled_inputs(model.coded_rows(seed), seed)
    distances, found = nearest_examples(drawn, train)
    test_distances, _ = nearest_examples(model.test_inputs(seed)[:1000], train)
    figure = gallery.plot_prior_samples(
        model.reshape_to_images(drawn.reshape(rows, columns, -1)),
        model.reshape_to_images(found[-columns:]),
        model.display_limits,
        "Draws from the prior, decoded (the mean of the likelihood)",
        model.feature_names,
    )
    gallery.save_figure(figure, out / "samples.png")
    divergence = model.kl_per_unit(seed)
    active = int(np.count_nonzero(codec.encode(model.test_inputs(seed)).var(axis=0) > ACTIVE_VARIANCE))
    numbers = {
        "kl_nats": divergence.sum(),
        "active_units": active,
        "units": codes.shape[1],
        "nearest_training_mse": {"samples": distances.mean(), "test_examples": test_distances.mean()},
        "training_examples": len(train),
    }
    says = (
        f"KL from the prior: {divergence.sum():.1f} nats for a test example, in {active} active of {codes.shape[1]} "
        "units. The "
        f"nearest of {len(train):,} training examples is {distances.mean():.3g} (mean squared) from a sample and "
        f"{test_distances.mean():.3g} from a test example."
    )
    return AnalysisResult(
        says, numbers, {"samples.png": "Draws from the prior, decoded, and the nearest training examples"}
    )


def latent_grid(model: LoadedModel, out: Path) -> AnalysisResult | Skipped:
    """The prior over the two units that say most, decoded on a grid."""
    if not model.is_variational:
        return Skipped(NO_PRIOR)
    if not model.is_image:
        return Skipped("a grid of table rows cannot be read; see the traversals")
    latent = model.train_codes(model.config.seed).shape[1]
    if latent < 2:
        return Skipped("the code has one unit; see the traversal")
    chosen, labels, numbers = _rank_units(model, 2)
    units = sorted(chosen.tolist()) if latent == 2 else chosen.tolist()
    names = {int(unit): label.replace("\n", ", ") + " nats" for unit, label in zip(chosen, labels, strict=True)}
    grid = decode_prior_grid(model.codec(model.config.seed), units, latent, LATENT_GRID_SIZE)
    rest = "" if latent == 2 else "; the other units at 0"
    title = f"The prior over two units, decoded in equal steps of probability\nfrom {GRID_QUANTILE:g} to {1 - GRID_QUANTILE:g}{rest}"
    figure = gallery.plot_latent_grid(
        model.reshape_to_images(grid), model.display_limits, (names[units[0]], names[units[1]]), title
    )
    gallery.save_figure(figure, out / "latent_grid.png")
    says = f"Units {units[0]} and {units[1]} diverge most from the prior."
    return AnalysisResult(
        says,
        {"units": units, "steps": LATENT_GRID_SIZE, "edge": GRID_QUANTILE, "kl_nats": numbers["kl_nats"]},
        {"latent_grid.png": "The prior over the two units that say most, decoded"},
    )

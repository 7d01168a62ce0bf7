"""What a decoder draws: on ways between examples, where single units are moved, and from the prior."""

from pathlib import Path
from typing import Any

import numpy as np

from aejax.evaluate.codes import ACTIVE_VARIANCE
from aejax.explore.prior import EDGE, decode_grid, nearest, prior_codes
from aejax.explore.walks import blend, midpoint_errors, traverse, unit_effects
from aejax.report import gallery
from aejax.run.exploring.part import Found, Skipped
from aejax.run.exploring.subject import Subject

STEPS = 11  # of an interpolation
PAIRS = 500  # of test examples, whose middles are compared
OFFSETS = np.arange(-3.0, 4.0)  # of a traversal, in standard deviations
UNITS, TABLE_UNITS = 10, 4  # traversed; a unit takes more room where examples are rows of a table
JUDGED = 128  # examples on which the effect of a unit is measured
SAMPLES, TABLE_SAMPLES = (6, 12), (1, 8)  # rows and columns of draws from the prior
GRID = 15  # codes along each side of the grid


def interpolation(subject: Subject, out: Path) -> Found | Skipped:
    """From the first test example to the next of another class, by the code and by the inputs."""
    seed, test, rows = subject.config.seed, subject.test(subject.config.seed), subject.split.test
    others = np.flatnonzero(subject.dataset.labels[rows] != subject.dataset.labels[rows[0]])
    if not others.size:
        return Skipped("all test examples are of one class")
    codec, second = subject.codec(seed), int(others[0])
    found = blend(codec, test[0], test[second], STEPS)
    what = "pixels" if subject.is_image else "inputs"
    ways = {"by code": found.by_code, f"by {what}": found.by_input}
    first_class, second_class = (subject.label(int(rows[index])) for index in (0, second))
    title = f"From a test example of class {first_class} to one of class {second_class}"
    figure = gallery.interpolation(
        {name: subject.shaped(way) for name, way in ways.items()},
        dict(zip(ways, (found.code_error, found.input_error), strict=True)),
        subject.limits,
        title,
        subject.features,
    )
    gallery.save(figure, out / "interpolation.png")
    first = np.random.default_rng(0).permutation(len(test))[:PAIRS]
    code_error, input_error = (errors.mean() for errors in midpoint_errors(codec, test[first], test[first[::-1]]))
    numbers = {
        "rows": [int(rows[0]), int(rows[second])],
        "self_error": {"by_code": found.code_error, "by_input": found.input_error},
        "midpoints": {"pairs": len(first), "by_code": code_error, "by_input": input_error},
    }
    says = (
        f"Half way between {len(first)} pairs of test examples, the autoencoder's own reconstruction is off by "
        f"{code_error:.3g} (mean squared) by the code and by {input_error:.3g} for a plain blend of {what}."
    )
    return Found(says, numbers, {"interpolation.png": f"Two ways between test examples: by the code and by {what}"})


def _informative(subject: Subject, count: int) -> tuple[np.ndarray, list[str], dict[str, Any]]:
    """The `count` units that say most, a label of each, and the numbers behind that for all units."""
    seed = subject.config.seed
    if subject.variational:
        values, name, unit = subject.divergence(seed), "kl_nats", "KL {:.2f}"
    else:
        values = unit_effects(subject.codec(seed), subject.train_codes(seed)[:JUDGED])
        name, unit = "effect_mse", "effect {:#.2g}"
    chosen = np.argsort(-values, kind="stable")[:count]
    labels = [f"unit {index}\n{unit.format(values[index])}" for index in chosen]
    return chosen, labels, {"units": chosen, name: values}


def traversals(subject: Subject, out: Path) -> Found:
    """The most informative units, one at a time, moved around the code of the first test example."""
    seed = subject.config.seed
    codec, codes = subject.codec(seed), subject.train_codes(seed)
    units, labels, numbers = _informative(subject, UNITS if subject.is_image else TABLE_UNITS)
    code, deviations = codec.encode(subject.test(seed)[:1])[0], codes.std(axis=0)
    walks = traverse(codec, code, units, deviations, OFFSETS.astype(np.float32))
    title = "Around one test example, a unit at a time moved by so many standard deviations of the training codes"
    if subject.is_image:
        title = title.replace("moved by", "moved\nby")
    figure = gallery.traversals(subject.shaped(walks), labels, OFFSETS, subject.limits, title, subject.features)
    gallery.save(figure, out / "traversals.png")
    measure = (
        "KL from the prior in nats, mean over test examples"
        if subject.variational
        else "mean squared change of the output when the unit is held at its mean"
    )
    numbers |= {"row": int(subject.split.test[0]), "offsets": OFFSETS, "deviations": deviations[units]}
    says = f"The units that say most come first: {measure}."
    return Found(says, numbers, {"traversals.png": "Single units moved around the code of one test example"})


NO_PRIOR = "this kind of autoencoder has no prior to draw from"


def samples(subject: Subject, out: Path) -> Found | Skipped:
    """Draws from the prior, decoded, beside the nearest training examples."""
    if not subject.variational:
        return Skipped(NO_PRIOR)
    seed = subject.config.seed
    codec, codes = subject.codec(seed), subject.train_codes(seed)
    rows, columns = SAMPLES if subject.is_image else TABLE_SAMPLES
    drawn = codec.decode(prior_codes(rows * columns, codes.shape[1], seed))
    train = subject.inputs(subject.coded_rows(seed), seed)
    distances, found = nearest(drawn, train)
    test_distances, _ = nearest(subject.test(seed)[:1000], train)
    figure = gallery.prior_samples(
        subject.shaped(drawn.reshape(rows, columns, -1)),
        subject.shaped(found[-columns:]),
        subject.limits,
        "Draws from the prior, decoded (the mean of the likelihood)",
        subject.features,
    )
    gallery.save(figure, out / "samples.png")
    divergence = subject.divergence(seed)
    active = int(np.count_nonzero(codec.encode(subject.test(seed)).var(axis=0) > ACTIVE_VARIANCE))
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
    return Found(says, numbers, {"samples.png": "Draws from the prior, decoded, and the nearest training examples"})


def latent_grid(subject: Subject, out: Path) -> Found | Skipped:
    """The prior over the two units that say most, decoded on a grid."""
    if not subject.variational:
        return Skipped(NO_PRIOR)
    if not subject.is_image:
        return Skipped("a grid of table rows cannot be read; see the traversals")
    latent = subject.train_codes(subject.config.seed).shape[1]
    if latent < 2:
        return Skipped("the code has one unit; see the traversal")
    chosen, labels, numbers = _informative(subject, 2)
    units = sorted(chosen.tolist()) if latent == 2 else chosen.tolist()
    names = {int(unit): label.replace("\n", ", ") + " nats" for unit, label in zip(chosen, labels, strict=True)}
    grid = decode_grid(subject.codec(subject.config.seed), units, latent, GRID)
    rest = "" if latent == 2 else "; the other units at 0"
    title = f"The prior over two units, decoded in equal steps of probability\nfrom {EDGE:g} to {1 - EDGE:g}{rest}"
    figure = gallery.latent_grid(subject.shaped(grid), subject.limits, (names[units[0]], names[units[1]]), title)
    gallery.save(figure, out / "latent_grid.png")
    says = f"Units {units[0]} and {units[1]} diverge most from the prior."
    return Found(
        says,
        {"units": units, "steps": GRID, "edge": EDGE, "kl_nats": numbers["kl_nats"]},
        {"latent_grid.png": "The prior over the two units that say most, decoded"},
    )

"""What is inside: the code in the plane by class, the encoder's filters, the decoder's atoms."""

from pathlib import Path

import numpy as np

from aejax.explore.plane import NEIGHBOURS, plane
from aejax.explore.weights import (
    atoms,
    coherence,
    dead_units,
    first_filters,
    most_active,
    resting_code,
    typical_activity,
)
from aejax.report import figures, gallery
from aejax.run.exploring.part import Found, Skipped
from aejax.run.exploring.subject import Subject

SCATTERED = 1500  # examples drawn in the plane
SHOWN, TABLE_SHOWN = 64, 24  # filters and atoms drawn, at most; stripes take more room than tiles


def codes(subject: Subject, out: Path) -> Found:
    """The code in two dimensions by class, beside the inputs."""
    seed, labels, test_rows = subject.config.seed, subject.dataset.labels, subject.split.test
    train_rows = subject.coded_rows(seed)
    views = {
        f"{subject.name} code": (subject.train_codes(seed), subject.codec(seed).encode(subject.test(seed))),
        "pixels" if subject.is_image else "inputs": (subject.inputs(train_rows, seed), subject.test(seed)),
    }
    planes = {name: plane(train, labels[train_rows], test, labels[test_rows]) for name, (train, test) in views.items()}
    drawn = {
        f"{name}: {100 * own.accuracy:.1f} % by {NEIGHBOURS} neighbours": own.points[:SCATTERED]
        for name, own in planes.items()
    }
    figure = figures.code_scatter(drawn, labels[test_rows[:SCATTERED]], subject.dataset.class_names)
    figures.save(figure, out / "codes.png")
    code, inputs = planes.values()
    units = subject.train_codes(seed).shape[1]
    projection = "as they are" if units == 2 else "by their first two principal components"
    says = (
        f"Codes are drawn {projection}, which hold {code.explained:.0%} of their variance (inputs: "
        f"{inputs.explained:.0%}). In the plane the {NEIGHBOURS} nearest training points give the class of "
        f"{code.accuracy:.1%} of the test examples (inputs: {inputs.accuracy:.1%})."
    )
    numbers = {
        name: {"explained_variance": own.explained, "neighbour_accuracy": own.accuracy}
        for name, own in zip(("code", "inputs"), planes.values(), strict=True)
    }
    return Found(says, {**numbers, "neighbours": NEIGHBOURS}, {"codes.png": "Test codes and inputs in the plane"})


def filters(subject: Subject, out: Path) -> Found | Skipped:
    """The weights of the encoder's first layer, largest norm first."""
    seed = subject.config.seed
    found = first_filters(subject.run.of_seed(seed)["params"]["encoder"], subject.test(seed).shape[1])
    if found is None:
        return Skipped("no layer of the encoder stands on the inputs themselves")
    name, weights = found
    if weights.ndim == 4 and weights.shape[3] not in (1, 3):
        return Skipped(f"filters on {weights.shape[3]} channels cannot be drawn")
    norms = np.linalg.norm(weights.reshape(len(weights), -1), axis=1)
    chosen = np.argsort(-norms, kind="stable")[: SHOWN if subject.is_image else TABLE_SHOWN]
    drawn = weights[chosen] if weights.ndim == 4 else subject.shaped(weights[chosen])
    most = f"the {len(chosen)} largest of {len(weights)}" if len(weights) > len(chosen) else f"all {len(weights)}"
    title = f"What the units of the first layer look for: {most} filters"
    gallery.save(gallery.unit_weights(drawn, title, "weight", subject.features), out / "filters.png")
    numbers = {"layer": name, "units": len(weights), "norm": {"largest": norms.max(), "median": np.median(norms)}}
    says = f"Filters of `{name}` by norm, from {norms.max():.3g}; the median is {np.median(norms):.3g}."
    return Found(says, numbers, {"filters.png": "Filters of the encoder's first layer"})


def decoder_atoms(subject: Subject, out: Path) -> Found | Skipped:
    """What each of the most active units adds to the output by itself."""
    seed = subject.config.seed
    codes = subject.train_codes(seed)
    units = most_active(codes, SHOWN if subject.is_image else TABLE_SHOWN)
    if not units.size:
        return Skipped("every unit says the same of all training examples")
    rest = resting_code(codes)
    drawn = atoms(subject.before_activation(seed), rest, typical_activity(codes, rest), units)
    most = f"the {len(units)} most active of {codes.shape[1]} units" if codes.shape[1] > len(units) else "every unit"
    title = f"What a unit adds to the output by itself, at its 95th percentile: {most}"
    label = "change of the logit" if subject.run.model.output == "sigmoid" else "change of the output"
    figure = gallery.unit_weights(subject.shaped(drawn), title, label, subject.features)
    gallery.save(figure, out / "atoms.png")
    alike, active = coherence(drawn), np.count_nonzero(codes, axis=1).mean()
    numbers = {
        "units": codes.shape[1],
        "drawn": units,
        "dead_units": int(dead_units(codes).sum()),
        "mean_active_units": active,
        "examples": len(codes),
        "coherence": {"mean": alike.mean(), "largest": alike.max()},
    }
    says = (
        f"{active:.1f} of {codes.shape[1]} units are not zero for a training example, on average over {len(codes):,}; "
        f"{numbers['dead_units']} say the same of all these. The cosine of an atom with the one most like it is "
        f"{alike.mean():.2f} on average, up to sign."
    )
    return Found(says, numbers, {"atoms.png": "Decoder atoms"})

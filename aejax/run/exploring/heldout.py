"""Anomaly detection: the run's autoencoder trained again without a class, and how well it finds that class."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

from aejax.config import PlanConfig, PretrainConfig
from aejax.data.dataset import Dataset
from aejax.data.scalers import fit_scalers
from aejax.data.splits import Split
from aejax.errors import require
from aejax.explore.anomaly import OWN, Auroc, anomaly_scores, auroc
from aejax.kinds.registry import KINDS
from aejax.methods import METHODS, Method
from aejax.report import findings, gallery
from aejax.run.encoding import scaled_inputs
from aejax.run.experiment import Experiment, prepare, setting_of
from aejax.run.exploring.part import Found, Part, Skipped
from aejax.run.exploring.subject import Subject, model_codec
from aejax.run.progress import Reporter
from aejax.run.training import optimizer_for, start, total_epochs, train_method

ALL, NONE = "all", "none"
SHOWN, TABLE_SHOWN = 12, 6  # held-out examples drawn


def chosen_classes(asked: str | None, names: Sequence[str]) -> list[int]:
    """The classes to hold out, by number. None stands for the first.

    Raises:
        InputError: there is no class of that name.
    """
    if asked in (ALL, NONE):
        return list(range(len(names))) if asked == ALL else []
    require(
        asked is None or asked in names,
        f"--anomaly-class {asked}: no such class; there are {', '.join(names[:20])}, and `{ALL}` and `{NONE}`",
    )
    return [0 if asked is None else list(names).index(asked)]


def without_class(split: Split, dataset: Dataset, held_out: int) -> Split:
    """One seed's split with every training and validation row of a class left out; the test rows stay."""

    def kept(rows: np.ndarray) -> np.ndarray:
        return rows[dataset.labels[rows] != held_out][None]

    return dataclasses.replace(
        split,
        train=kept(split.train[0]),
        valid=kept(split.valid[0]),
        labelled_train=kept(split.labelled_train[0]),
        labelled_valid=kept(split.labelled_valid[0]),
    )


def without(experiment: Experiment, held_out: int) -> Experiment:
    """The experiment of one seed as it is if the class had never been seen: rows and scaler."""
    split = without_class(experiment.split, experiment.dataset, held_out)
    assert experiment.config.data.scaler is not None
    rows = split.only_training(split.train, "a scaler")
    scaler = fit_scalers(experiment.config.data.scaler, experiment.dataset, rows)
    return dataclasses.replace(experiment, split=split, scaler=scaler, seed_scaler=experiment.plan.put_seeded(scaler))


class HeldOut(NamedTuple):
    """What a model that never saw a class makes of the test examples."""

    name: str  # of the class
    scores: dict[str, Float[np.ndarray, " n_test"]]
    anomalous: Bool[np.ndarray, " n_test"]
    areas: Auroc
    shown: Float[np.ndarray, "example d"]  # examples of the class, scaled
    recon: Float[np.ndarray, "example d"]
    n_train: int
    diverged_epoch: int | None


def find_class(experiment: Experiment, kind: str, method: Method, held_out: int) -> HeldOut:
    """Train without a class, and score the test examples."""
    own = without(experiment, held_out)
    trained = train_method(own, f"without-{held_out}", method, optimizer_for(own, method), start(own, method))
    variables = jax.tree.map(lambda leaf: leaf[0], own.plan.fetch(trained.fit.state.variables))
    codec = model_codec(KINDS[kind](own.setting).model, variables)
    train, test = (scaled_inputs(own, 0, rows) for rows in (own.split.train[0], own.split.test))
    anomalous = own.dataset.labels[own.split.test] == held_out
    scores = anomaly_scores(codec, train, test)
    shown = test[anomalous][:SHOWN]
    return HeldOut(
        name=own.dataset.class_names[held_out],
        scores=scores,
        anomalous=anomalous,
        areas=auroc(np.stack(list(scores.values())), anomalous),
        shown=shown,
        recon=codec.reconstruct(shown),
        n_train=len(train),
        diverged_epoch=int(trained.course.diverged_epoch[0]) or None,
    )


def retraining(subject: Subject) -> PretrainConfig:
    """The run's config for seed 0 alone, on the devices there are."""
    config = subject.run.config
    epochs = subject.config.anomaly_epochs or config.train.epochs
    train = dataclasses.replace(config.train, epochs=epochs)
    data = dataclasses.replace(config.data, data_dir=subject.config.data_dir or config.data.data_dir)
    return dataclasses.replace(config, train=train, data=data, plan=PlanConfig(), seeds=1, monitor="valid")


def epochs_ahead(subject: Subject) -> int:
    """Epochs that `anomaly_detection` will train."""
    classes = chosen_classes(subject.config.anomaly_class, subject.dataset.class_names)
    config = retraining(subject)
    return len(classes) * total_epochs(config, METHODS[config.method](setting_of(config, subject.dataset)))


def make_anomaly_detection(reporter: Reporter) -> Part:
    """The part that holds classes out, telling `reporter` of its epochs."""

    def anomaly_detection(subject: Subject, out: Path) -> Found | Skipped:
        classes = chosen_classes(subject.config.anomaly_class, subject.dataset.class_names)
        if not classes:
            return Skipped(f"not asked for: --anomaly-class {NONE}")
        present = np.unique(subject.dataset.labels[subject.split.test])
        classes = [own for own in classes if own in present and len(present) > 1]
        if not classes:
            return Skipped("the test examples are all, or none, of the class that was to be held out")
        experiment = prepare(retraining(subject), subject.dataset, reporter)
        method = METHODS[subject.name](experiment.setting)
        found = [find_class(experiment, subject.name, method, own) for own in classes]
        _draw(subject, found, out)
        return _found(found, experiment.config.train.epochs)

    return anomaly_detection


def _draw(subject: Subject, found: Sequence[HeldOut], out: Path) -> None:
    names, first = list(found[0].scores), found[0]
    figure = findings.auroc_by_score(
        np.stack([own.areas.value for own in found]),
        np.array([[own.areas.interval(index) for index in range(len(names))] for own in found]),
        [own.name for own in found],
        names,
        [name in OWN for name in names],
        first.scores["reconstruction error"],
        first.anomalous,
    )
    findings.save(figure, out / "anomaly.png")
    count = SHOWN if subject.is_image else TABLE_SHOWN
    rows = {f"class {first.name}\nnever seen": first.shown, "reconstructed": first.recon}
    shown = {name: subject.shaped(row[:count]) for name, row in rows.items()}
    title = f"Test examples of class {first.name}, by an autoencoder that never saw the class"
    gallery.save(gallery.examples_in_rows(shown, subject.limits, title, subject.features), out / "anomaly_examples.png")


def _found(found: Sequence[HeldOut], epochs: int) -> Found:
    names = list(found[0].scores)
    mean = {name: float(np.mean([own.areas.value[index] for own in found])) for index, name in enumerate(names)}
    baseline = max((name for name in names if name not in OWN), key=lambda name: mean[name])
    numbers = {"seed": 0, "epochs": epochs, "mean_auroc": mean, "classes": [_class_entry(own) for own in found]}
    which = f"class {found[0].name}" if len(found) == 1 else f"each of {len(found)} classes in turn"
    error, distance = (mean[name] for name in OWN)
    over = "" if len(found) == 1 else ", each the mean over classes"
    says = (
        f"Seed 0 trained again without {which} (epochs: {epochs}). AUROC of the reconstruction error {error:.3f}, "
        f"of the code's Mahalanobis distance {distance:.3f}, of the best baseline ({baseline}) "
        f"{mean[baseline]:.3f}{over}."
    )
    return Found(
        says,
        numbers,
        {
            "anomaly.png": "AUROC by score, and reconstruction errors",
            "anomaly_examples.png": "Examples of the class that was held out, and their reconstructions",
        },
    )


def _class_entry(own: HeldOut) -> dict[str, Any]:
    names = list(own.scores)
    error = names.index("reconstruction error")
    return {
        "class": own.name,
        "n_train": own.n_train,
        "diverged_epoch": own.diverged_epoch,
        "n_anomalous": int(own.anomalous.sum()),
        "n_normal": int((~own.anomalous).sum()),
        "auroc": {
            name: {"value": own.areas.value[index], "ci95": own.areas.interval(index)}
            for index, name in enumerate(names)
        },
        "reconstruction_error_less": {
            name: dict(zip(("difference", "ci95"), own.areas.difference(error, index), strict=True))
            for index, name in enumerate(names)
            if index != error
        },
    }

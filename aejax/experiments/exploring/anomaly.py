"""Anomaly detection: the run's autoencoder trained again without a class, and how well it finds that class."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

from aejax.analysis.anomaly import AUTOENCODER_SCORES, AurocEstimates, auroc, compute_anomaly_scores
from aejax.autoencoders.registry import KINDS
from aejax.config import PlanConfig, PretrainConfig
from aejax.data.dataset import Dataset
from aejax.data.scalers import fit_scalers
from aejax.data.splits import Split
from aejax.errors import require
from aejax.experiments.experiment import Experiment, prepare_experiment, problem_spec_for
from aejax.experiments.exploring.loaded_model import LoadedModel, make_codec
from aejax.experiments.exploring.protocol import Analysis, AnalysisResult, Skipped
from aejax.experiments.feature_extraction import scaled_inputs
from aejax.experiments.progress import ProgressReporter
from aejax.experiments.schedule import optimizer_for, total_epochs
from aejax.experiments.training import init_variables, train_method
from aejax.methods import METHODS, Method
from aejax.report import analysis_plots as findings
from aejax.report import image_grids as gallery

ALL_CLASSES, NO_CLASSES = "all", "none"
IMAGE_EXAMPLES, TABLE_EXAMPLES = 12, 6  # held-out examples drawn


def select_held_out_classes(anomaly_class: str | None, names: Sequence[str]) -> list[int]:
    """The classes to hold out, by number. None stands for the first.

    Raises:
        InputError: there is no class of that name.
    """
    if anomaly_class in (ALL_CLASSES, NO_CLASSES):
        return list(range(len(names))) if anomaly_class == ALL_CLASSES else []
    require(
        anomaly_class is None or anomaly_class in names,
        f"--anomaly-class {anomaly_class}: no such class; there are {', '.join(names[:20])}, and `{ALL_CLASSES}` and `{NO_CLASSES}`",
    )
    return [0 if anomaly_class is None else list(names).index(anomaly_class)]


def drop_class(split: Split, dataset: Dataset, held_out: int) -> Split:
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


def experiment_without_class(experiment: Experiment, held_out: int) -> Experiment:
    """The experiment of one seed as it is if the class had never been seen: rows and scaler."""
    split = drop_class(experiment.split, experiment.dataset, held_out)
    assert experiment.config.data.scaler is not None
    rows = split.check_training_rows(split.train, "a scaler")
    scaler = fit_scalers(experiment.config.data.scaler, experiment.dataset, rows)
    return dataclasses.replace(experiment, split=split, scaler=scaler, device_scaler=experiment.plan.shard(scaler))


class HeldOutClass(NamedTuple):
    """What a model that never saw a class makes of the test examples."""

    class_name: str  # of the class
    scores: dict[str, Float[np.ndarray, " n_test"]]
    is_anomalous: Bool[np.ndarray, " n_test"]
    auroc: AurocEstimates
    examples: Float[np.ndarray, "example d"]  # examples of the class, scaled
    reconstructions: Float[np.ndarray, "example d"]
    n_train: int
    diverged_epoch: int | None


def evaluate_held_out_class(experiment: Experiment, kind: str, method: Method, held_out: int) -> HeldOutClass:
    """Train without a class, and score the test examples."""
    own = experiment_without_class(experiment, held_out)
    trained = train_method(own, f"without-{held_out}", method, optimizer_for(own, method), init_variables(own, method))
    variables = jax.tree.map(lambda leaf: leaf[0], own.plan.to_host(trained.progress.state.variables))
    codec = make_codec(KINDS[kind](own.problem).model, variables)
    train, test = (scaled_inputs(own, 0, rows) for rows in (own.split.train[0], own.split.test))
    anomalous = own.dataset.labels[own.split.test] == held_out
    scores = compute_anomaly_scores(codec, train, test)
    shown = test[anomalous][:IMAGE_EXAMPLES]
    return HeldOutClass(
        class_name=own.dataset.class_names[held_out],
        scores=scores,
        is_anomalous=anomalous,
        auroc=auroc(np.stack(list(scores.values())), anomalous),
        examples=shown,
        reconstructions=codec.reconstruct(shown),
        n_train=len(train),
        diverged_epoch=int(trained.history.diverged_epoch[0]) or None,
    )


def retraining_config(model: LoadedModel) -> PretrainConfig:
    """The run's config for seed 0 alone, on the devices there are."""
    config = model.pretrained.config
    epochs = model.config.anomaly_epochs or config.train.epochs
    train = dataclasses.replace(config.train, epochs=epochs)
    data = dataclasses.replace(config.data, data_dir=model.config.data_dir or config.data.data_dir)
    return dataclasses.replace(config, train=train, data=data, plan=PlanConfig(), seeds=1, monitor="valid")


def count_anomaly_epochs(model: LoadedModel) -> int:
    """Epochs that `anomaly_detection` will train."""
    classes = select_held_out_classes(model.config.anomaly_class, model.dataset.class_names)
    config = retraining_config(model)
    return len(classes) * total_epochs(config, METHODS[config.method](problem_spec_for(config, model.dataset)))


def make_anomaly_detection(reporter: ProgressReporter) -> Analysis:
    """The part that holds classes out, telling `reporter` of its epochs."""

    def anomaly_detection(subject: LoadedModel, out: Path) -> AnalysisResult | Skipped:
        classes = select_held_out_classes(subject.config.anomaly_class, subject.dataset.class_names)
        if not classes:
            return Skipped(f"not asked for: --anomaly-class {NO_CLASSES}")
        present = np.unique(subject.dataset.labels[subject.split.test])
        classes = [own for own in classes if own in present and len(present) > 1]
        if not classes:
            return Skipped("the test examples are all, or none, of the class that was to be held out")
        experiment = prepare_experiment(retraining_config(subject), subject.dataset, reporter)
        method = METHODS[subject.kind](experiment.problem)
        found = [evaluate_held_out_class(experiment, subject.kind, method, own) for own in classes]
        _plot_anomalies(subject, found, out)
        return _build_result(found, experiment.config.train.epochs)

    return anomaly_detection


def _plot_anomalies(model: LoadedModel, held_out: Sequence[HeldOutClass], out: Path) -> None:
    names, first = list(held_out[0].scores), held_out[0]
    figure = findings.plot_auroc(
        np.stack([own.auroc.values for own in held_out]),
        np.array([[own.auroc.confidence_interval(index) for index in range(len(names))] for own in held_out]),
        [own.class_name for own in held_out],
        names,
        [name in AUTOENCODER_SCORES for name in names],
        first.scores["reconstruction error"],
        first.is_anomalous,
    )
    findings.save_figure(figure, out / "anomaly.png")
    count = IMAGE_EXAMPLES if model.is_image else TABLE_EXAMPLES
    rows = {f"class {first.class_name}\nnever seen": first.examples, "reconstructed": first.reconstructions}
    shown = {name: model.reshape_to_images(row[:count]) for name, row in rows.items()}
    title = f"Test examples of class {first.class_name}, by an autoencoder that never saw the class"
    gallery.save_figure(
        gallery.plot_example_rows(shown, model.display_limits, title, model.feature_names), out / "anomaly_examples.png"
    )


def _build_result(held_out: Sequence[HeldOutClass], epochs: int) -> AnalysisResult:
    names = list(held_out[0].scores)
    mean = {name: float(np.mean([own.auroc.values[index] for own in held_out])) for index, name in enumerate(names)}
    baseline = max((name for name in names if name not in AUTOENCODER_SCORES), key=lambda name: mean[name])
    numbers = {"seed": 0, "epochs": epochs, "mean_auroc": mean, "classes": [_class_entry(own) for own in held_out]}
    which = f"class {held_out[0].class_name}" if len(held_out) == 1 else f"each of {len(held_out)} classes in turn"
    error, distance = (mean[name] for name in AUTOENCODER_SCORES)
    over = "" if len(held_out) == 1 else ", each the mean over classes"
    says = (
        f"Seed 0 trained again without {which} (epochs: {epochs}). AUROC of the reconstruction error {error:.3f}, "
        f"of the code's Mahalanobis distance {distance:.3f}, of the best baseline ({baseline}) "
        f"{mean[baseline]:.3f}{over}."
    )
    return AnalysisResult(
        says,
        numbers,
        {
            "anomaly.png": "AUROC by score, and reconstruction errors",
            "anomaly_examples.png": "Examples of the class that was held out, and their reconstructions",
        },
    )


def _class_entry(held_out: HeldOutClass) -> dict[str, Any]:
    names = list(held_out.scores)
    error = names.index("reconstruction error")
    return {
        "class": held_out.class_name,
        "n_train": held_out.n_train,
        "diverged_epoch": held_out.diverged_epoch,
        "n_anomalous": int(held_out.is_anomalous.sum()),
        "n_normal": int((~held_out.is_anomalous).sum()),
        "auroc": {
            name: {"value": held_out.auroc.values[index], "ci95": held_out.auroc.confidence_interval(index)}
            for index, name in enumerate(names)
        },
        "reconstruction_error_less": {
            name: dict(zip(("difference", "ci95"), held_out.auroc.difference(error, index), strict=True))
            for index, name in enumerate(names)
            if index != error
        },
    }

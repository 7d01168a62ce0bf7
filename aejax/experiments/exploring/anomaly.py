"""Anomaly detection: the autoencoder is trained again without one class, and should find examples of that class."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float

from aejax.analysis.anomaly import AUTOENCODER_SCORES, auroc, compute_anomaly_scores
from aejax.autoencoders.registry import KINDS
from aejax.config import PlanConfig, PretrainConfig
from aejax.data.dataset import UNLABELLED
from aejax.data.scalers import fit_scalers
from aejax.errors import require
from aejax.experiments.experiment import Experiment, prepare_experiment, problem_spec_for
from aejax.experiments.exploring.loaded_model import AnalysisResult, Figures, LoadedModel, Skipped, make_codec
from aejax.experiments.exploring.reconstruction import MAX_EXAMPLES, plot_examples
from aejax.experiments.feature_extraction import scaled_inputs
from aejax.experiments.progress import ProgressReporter, SilentReporter
from aejax.experiments.schedule import optimizer_for, total_epochs
from aejax.experiments.training import init_variables, train_method
from aejax.methods.registry import METHODS
from aejax.report import figures

ALL_CLASSES, NO_CLASSES = "all", "none"


def select_held_out_classes(anomaly_class: str | None, names: Sequence[str]) -> list[int]:
    """Returns the numbers of the classes to hold out; None is the first class.

    Raises:
        InputError: there is no class of that name.
    """
    if anomaly_class in (ALL_CLASSES, NO_CLASSES):
        return list(range(len(names))) if anomaly_class == ALL_CLASSES else []
    require(
        anomaly_class is None or anomaly_class in names,
        f"--anomaly-class {anomaly_class}: no such class; there are {', '.join(names[:20])}, "
        f"and `{ALL_CLASSES}` and `{NO_CLASSES}`",
    )
    return [0 if anomaly_class is None else list(names).index(anomaly_class)]


def experiment_without_class(experiment: Experiment, held_out: int) -> Experiment:
    """Returns the experiment of one seed with split and scaler that never see a class.

    They have no unlabelled rows either, which may be of the class, too. The test rows are unchanged.
    """
    labels, data, split = experiment.dataset.labels, experiment.config.data, experiment.split
    kept: dict[str, Any] = {
        name: rows[(labels[rows] != held_out) & (labels[rows] != UNLABELLED)][None]
        for name, rows in split.roles.items()
        if name != "test"
    }
    split = dataclasses.replace(split, **kept)
    assert data.scaler is not None
    rows = split.check_training_rows(split.train, "a scaler")
    scaler = fit_scalers(data.scaler, experiment.dataset, rows, data.missing)
    return dataclasses.replace(experiment, split=split, scaler=scaler, device_scaler=experiment.plan.shard(scaler))


class HeldOutClass(NamedTuple):
    """The test results of a model that was trained without a class."""

    entry: dict[str, Any]  # of `classes` of the results
    scores: dict[str, Float[np.ndarray, " n_test"]]
    is_anomalous: Bool[np.ndarray, " n_test"]
    examples: Float[np.ndarray, "example d"]  # scaled examples of the class
    reconstructions: Float[np.ndarray, "example d"]


def evaluate_held_out_class(experiment: Experiment, kind: str, held_out: int) -> HeldOutClass:
    """Trains without a class, and scores the test examples."""
    method = METHODS[kind](experiment.problem)
    reduced = experiment_without_class(experiment, held_out)
    optimizer, variables = optimizer_for(reduced, method), init_variables(reduced, method)
    trained = train_method(reduced, f"without-{held_out}", method, optimizer, variables)
    variables = jax.tree.map(lambda leaf: leaf[0], reduced.plan.to_host(trained.progress.state.variables))
    codec = make_codec(KINDS[kind](reduced.problem).model, variables)
    train, test = (scaled_inputs(reduced, 0, rows) for rows in (reduced.split.train[0], reduced.split.test[0]))
    is_anomalous = reduced.test_labels[0] == held_out
    scores = compute_anomaly_scores(codec, train, test)
    entry = {
        "class": reduced.dataset.class_names[held_out],
        "n_train": len(train),
        "diverged_epoch": int(trained.history.diverged_epoch[0]) or None,
        "n_anomalous": int(is_anomalous.sum()),
        "n_normal": int((~is_anomalous).sum()),
        **_compare_scores(scores, is_anomalous),
    }
    examples = test[is_anomalous][:MAX_EXAMPLES]
    return HeldOutClass(entry, scores, is_anomalous, examples, codec.reconstruct(examples))


def _compare_scores(
    scores: dict[str, Float[np.ndarray, " n_test"]], is_anomalous: Bool[np.ndarray, " n_test"]
) -> dict[str, dict[str, Any]]:
    areas, names = auroc(np.stack(list(scores.values())), is_anomalous), list(scores)
    error = names.index("reconstruction error")
    return {
        "auroc": {
            name: {"value": areas.values[index], "ci95": areas.confidence_interval(index)}
            for index, name in enumerate(names)
        },
        "reconstruction_error_less": {  # minus
            name: dict(zip(("difference", "ci95"), areas.difference(error, index), strict=True))
            for index, name in enumerate(names)
            if index != error
        },
    }


def retraining_config(model: LoadedModel) -> PretrainConfig:
    """Returns the run's config for seed 0 alone, on the available devices."""
    config = model.pretrained.config
    epochs = model.config.anomaly_epochs or config.train.epochs
    train = dataclasses.replace(config.train, epochs=epochs)
    data = dataclasses.replace(config.data, data_dir=model.config.data_dir or config.data.data_dir)
    return dataclasses.replace(config, train=train, data=data, plan=PlanConfig(), seeds=1, monitor="valid")


def count_anomaly_epochs(model: LoadedModel) -> int:
    """Returns the number of epochs that `anomaly_detection` trains."""
    config = retraining_config(model)
    method = METHODS[config.method](problem_spec_for(config, model.dataset))
    return len(_testable_classes(model)) * total_epochs(config, method)


def _testable_classes(model: LoadedModel) -> list[int]:
    """Returns the requested classes that some, but not all, of the test examples belong to."""
    present = np.unique(model.dataset.labels[model.split.test[0]])
    requested = select_held_out_classes(model.config.anomaly_class, model.dataset.class_names)
    return [held_out for held_out in requested if held_out in present and len(present) > 1]


def anomaly_detection(model: LoadedModel, *, reporter: ProgressReporter) -> AnalysisResult | Skipped:
    """Trains without each held-out class, and measures how well several scores find it in the test set."""
    if model.config.anomaly_class == NO_CLASSES:
        return Skipped(f"not requested: --anomaly-class {NO_CLASSES}")
    classes = _testable_classes(model)
    if not classes:
        return Skipped("all or none of the test examples belong to the held-out class")
    experiment = prepare_experiment(retraining_config(model), model.dataset, SilentReporter())  # described by the run
    experiment = dataclasses.replace(experiment, reporter=reporter)
    results = [evaluate_held_out_class(experiment, model.kind, held_out) for held_out in classes]
    entries = [result.entry for result in results]
    mean = {name: float(np.mean([entry["auroc"][name]["value"] for entry in entries])) for name in results[0].scores}
    baseline = max((name for name in mean if name not in AUTOENCODER_SCORES), key=mean.__getitem__)
    error, distance = (mean[name] for name in AUTOENCODER_SCORES)
    epochs = experiment.config.train.epochs
    one = len(results) == 1
    which = f"class {entries[0]['class']}" if one else f"each of {len(results)} classes"
    summary = (
        f"Seed 0 trained again without {which} (epochs: {epochs}). AUROC{'' if one else ', averaged over classes'}: "
        f"reconstruction error {error:.3f}, Mahalanobis distance of the code {distance:.3f}, best baseline "
        f"({baseline}) {mean[baseline]:.3f}."
    )
    metrics = {"seed": 0, "epochs": epochs, "mean_auroc": mean, "classes": entries}
    return AnalysisResult(summary, metrics, _plot_anomalies(model, entries, results[0]))


def _plot_anomalies(model: LoadedModel, entries: Sequence[dict[str, Any]], first: HeldOutClass) -> Figures:
    areas = [list(entry["auroc"].values()) for entry in entries]
    draw = functools.partial(
        figures.plot_auroc,
        np.array([[area["value"] for area in of_class] for of_class in areas]),
        np.array([[area["ci95"] for area in of_class] for of_class in areas]),
        [entry["class"] for entry in entries],
        {name: name in AUTOENCODER_SCORES for name in first.scores},
        first.scores["reconstruction error"],
        first.is_anomalous,
    )
    name = f"class {first.entry['class']}"
    rows = {f"{name}\nheld out": first.examples, "reconstructed": first.reconstructions}
    title = f"Test examples of {name}, which the autoencoder never saw"
    return {
        "anomaly.png": (draw, "AUROC by score, and reconstruction errors"),
        "anomaly_examples.png": (
            functools.partial(plot_examples, model, rows, title),
            "Examples of the held-out class, and their reconstructions",
        ),
    }

"""Training of classifiers on all labels of a seed, after folds of these labels have chosen the settings.

`supervised`, `mlp`, `supervised-KIND` and `--probe finetune` train in the same way:

1. Selection: for every fold of `make_selection_folds` and every weight decay a classifier is trained on the fold's
   training rows, all of them, for all seeds, by one program. The weight decay and the number of epochs with the lowest
   mean validation loss are chosen for each seed.
2. Refit: from the same initial weights on all labelled rows, for the chosen number of epochs.

No row has a part in this that a probe would not see, and each label that a probe is fitted on is fitted here, too.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Int

from aejax.config import ProbeConfig
from aejax.data.selection_folds import SelectionFolds
from aejax.data.shuffling import steps_per_epoch
from aejax.experiments.checkpointing import TrainingHistory
from aejax.experiments.classifier_selection import (
    ClassifierSelection,
    SelectionGrid,
    settings_that_fit,
    weight_decay_choices,
)
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_extraction import apply_to_test_rows
from aejax.experiments.probes import ClassifierFit, ClassifierReport, FinetuneReport
from aejax.experiments.training import TrainingSpec, tile_experiment, train
from aejax.methods.method import Method
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import HYPERPARAMETERS, Variables
from aejax.objectives.objective import Objective
from aejax.probes.head import Classifier, SoftmaxHead, attach_head, make_cross_entropy_objective
from aejax.train.keys import KeyUse
from aejax.train.optimizers import decoupled_weight_decay, make_classifier_optimizer


class ClassifierTask(NamedTuple):
    """What a classifier minimizes, and for how long at most."""

    objective: Objective
    make_optimizer: Callable[[int], optax.GradientTransformation]  # from the steps of one pass; see `train_classifier`
    epochs: int  # passes over the labelled rows, at most
    batch_size: int
    passes: int = 1  # that the progress display counts as one epoch
    key_use: KeyUse = "noise"


class ClassifierTraining(NamedTuple):
    """A classifier of every seed, fitted on all its labelled rows."""

    variables: Variables  # on the devices
    history: TrainingHistory
    """Metrics of the selection at the chosen weight decay, without validation rows of the refit."""
    selection: ClassifierSelection


def supervised_task(experiment: Experiment, method: Method) -> ClassifierTask:
    """Returns the task of a method that learns from labels, with the config's optimizer and budget.

    The budget is `--epochs` passes over the labelled rows, or, with few labels, as many more as take the steps of a
    method that trains on all training rows for `--epochs`. Selection and refit have it each; the selection ends early
    where nothing is gained any more.

    Raises:
        InputError: the schedule is longer than the training.
    """
    split, train_config, optimizer = experiment.split, experiment.config.train, experiment.config.optimizer
    steps_of = [steps_per_epoch(rows.shape[1], train_config.batch_size) for rows in (split.train, split.labelled)]
    passes = max(1, steps_of[0] // steps_of[1])
    assert method.objective is not None
    return ClassifierTask(
        method.objective,
        lambda steps: make_classifier_optimizer(optimizer, passes * steps, train_config.epochs),
        epochs=passes * train_config.epochs,
        batch_size=train_config.batch_size,
        passes=passes,
    )


def train_classifier(
    experiment: Experiment, name: str, variables: Variables, task: ClassifierTask
) -> ClassifierTraining:
    """Chooses every seed's settings and fits it on all its labelled rows.

    Both trainings continue from their latest checkpoints, as `train` does; the chosen settings are saved.

    Args:
        experiment: the labelled rows, the plan and the checkpoints.
        name: of the refit within the run; that of the selection is `.NAME-selection`.
        variables: initial variables of every seed, on the devices; their memory is freed.
        task: whose optimizer reads the weight decay from `hyper`.
    """
    selection = _load_or_select(experiment, name, variables, task)
    weight_decay = experiment.plan.shard(experiment.tile_rows(np.float32(selection.weight_decay)))
    rows = experiment.split.labelled
    spec = _make_spec(task, rows, rows[:, :0], int(selection.epochs.max()))._replace(last_epoch=selection.epochs)
    refit = train(experiment, name, {**variables, HYPERPARAMETERS: {"weight_decay": weight_decay}}, spec)
    experiment.reporter.advance((task.epochs - refit.history.epochs) / task.passes, float("nan"))
    fitted = {key: tree for key, tree in refit.progress.state.variables.items() if key != HYPERPARAMETERS}
    history = refit.history._replace(
        metrics=selection.metrics or refit.history.metrics, seconds=refit.history.seconds + selection.seconds
    )
    return ClassifierTraining(fitted, history, selection)


def _load_or_select(
    experiment: Experiment, name: str, variables: Variables, task: ClassifierTask
) -> ClassifierSelection:
    """Returns the settings that an earlier attempt at the run saved, or chooses them."""
    selection_name, trained = f".{name}-selection", 0  # no method has a name with a dot before it
    selection: ClassifierSelection | None = experiment.result_cache.load_result(selection_name)
    if selection is None:
        selection = select_settings(experiment, selection_name, variables, task, experiment.selection_folds)
        experiment.result_cache.save_result(selection_name, selection)
        trained = max((values.shape[1] for values in selection.metrics.values()), default=0)
    experiment.reporter.advance((task.epochs - trained) / task.passes, float("nan"))
    return selection


def select_settings(
    experiment: Experiment, name: str, variables: Variables, task: ClassifierTask, folds: SelectionFolds
) -> ClassifierSelection:
    """Trains every seed in every fold with every weight decay, and chooses.

    The initial variables are left as they are. Without validation rows nothing is chosen: all epochs, without decay.
    """
    seeds = experiment.config.seeds
    if not folds.can_select:
        return ClassifierSelection(np.full(seeds, task.epochs), np.zeros(seeds), {}, 0.0)
    decays = weight_decay_choices(experiment.split.labelled.shape[1])
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(variables))
    n_decays, n_folds = settings_that_fit(len(decays), folds.n_folds, size)
    grid = SelectionGrid(decays[:n_decays], n_folds, seeds)
    tiled = tile_experiment(experiment, n_decays * n_folds)
    row_decays = np.repeat(np.float32(grid.weight_decays), n_folds * seeds)
    start = {**tiled.tile_rows(experiment.plan.to_host(variables)), HYPERPARAMETERS: {"weight_decay": row_decays}}
    spec = _make_spec(task, _by_fold(folds.train[:, :n_folds]), _by_fold(folds.valid[:, :n_folds]), task.epochs)
    spec = spec._replace(is_finished=lambda history: grid.is_finished(history.metrics))
    history = train(tiled, name, tiled.plan.shard(start), spec).history
    return grid.choose(history.metrics, history.seconds)


def _by_fold(rows: Int[np.ndarray, "seeds folds n"]) -> Int[np.ndarray, "entries n"]:
    """Returns the rows of all seeds for one fold after the other."""
    return np.swapaxes(rows, 0, 1).reshape(-1, rows.shape[2])


def _make_spec(task: ClassifierTask, rows: np.ndarray, validation_rows: np.ndarray, epochs: int) -> TrainingSpec:
    return TrainingSpec(
        task.objective,
        task.make_optimizer(steps_per_epoch(rows.shape[1], task.batch_size)),
        rows,
        validation_rows,
        epochs=epochs,
        batch_size=task.batch_size,
        key_use=task.key_use,
        passes=task.passes,
    )


def finetune(experiment: Experiment, name: str, autoencoder: Autoencoder, encoder: Variables) -> ClassifierFit:
    """Trains encoder and head together on the labels of every seed, and predicts the test rows (`--probe finetune`).

    Each part has its own learning rate, and epochs are at most `--finetune-epochs`. The encoder's variables, on the
    devices, are left as they are.
    """
    config = experiment.config.probe
    classifier = Classifier(autoencoder, SoftmaxHead(experiment.problem.n_classes))
    task = ClassifierTask(
        make_cross_entropy_objective(classifier, frozen_encoder=False),
        lambda _: _finetuning_optimizer(config),
        epochs=config.finetune_epochs,
        batch_size=experiment.config.train.batch_size,
        key_use="head noise",
    )
    trained = train_classifier(experiment, name, with_new_head(experiment, classifier, encoder), task)
    diverged = [int(epoch) or None for epoch in trained.history.diverged_epoch]
    report = FinetuneReport(trained.selection.valid_loss.tolist(), diverged)
    log_probs = apply_to_test_rows(experiment, classifier.log_probs, trained.variables)
    return ClassifierFit(log_probs, ClassifierReport(finetuned=report), settings=trained.selection.settings)


def with_new_head(experiment: Experiment, classifier: Classifier, encoder: Variables) -> Variables:
    """Returns a copy of every seed's pretrained encoder with a new head."""
    head = experiment.plan.map_seeds(classifier.init)(experiment.keys("head init"))["params"]["head"]
    return jax.tree.map(jnp.copy, attach_head(encoder, head))


def _finetuning_optimizer(config: ProbeConfig) -> optax.GradientTransformation:
    rates = {"encoder": config.finetune_encoder_learning_rate, "head": config.finetune_head_learning_rate}
    return optax.partition(
        {part: optax.chain(optax.adam(rate), decoupled_weight_decay(rate)) for part, rate in rates.items()},
        lambda params: {part: jax.tree.map(lambda _, part=part: part, tree) for part, tree in params.items()},
    )

"""Training of classifiers on all labels of a seed, after folds of these labels have chosen the settings.

`supervised`, `mlp`, `supervised-KIND` and `--probe finetune` train in the same way:

1. Selection: for every fold of `make_selection_folds` and every weight decay a classifier is trained on the fold's
   training rows, all of them, for all seeds, by one program. The weight decay and the number of epochs with the lowest
   mean validation loss are chosen for each seed.
2. Refit: from the same initial weights on all labelled rows, for the chosen number of epochs.

No row has a part in this that a probe would not see, and each label that a probe is fitted on is fitted here, too.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from aejax.config import ProbeConfig
from aejax.data.selection_folds import MAX_CROSS_VALIDATED_LABELS, SelectionFolds
from aejax.data.shuffling import steps_per_epoch
from aejax.experiments.checkpointing import TrainingHistory
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_extraction import apply_to_test_rows
from aejax.experiments.probes import ClassifierFit, ClassifierReport, FinetuneReport
from aejax.experiments.training import TrainingSpec, tile_experiment, train
from aejax.methods.method import Method
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import HYPERPARAMETERS, Variables
from aejax.probes.head import Classifier, SoftmaxHead, attach_head, make_cross_entropy_objective
from aejax.train.optimizers import decoupled_weight_decay, make_classifier_optimizer

WEIGHT_DECAYS = (0.0, 0.1, 1.0, 10.0)
"""Choices, decoupled: in every step weights shrink by learning rate times decay. With Adam at 1e-3, values below 0.1
change nothing in the few thousand steps of a training on few labels."""
WEIGHT_DECAYS_OF_MANY_LABELS = (0.0, 0.1, 1.0)  # above `MAX_CROSS_VALIDATED_LABELS`, where a training costs most
MIN_EPOCHS = 50  # epochs before which a selection does not end early
MAX_SELECTION_BYTES = 1 << 31  # of all trainings of a selection: weights, their copies in the optimizer, and the best
COPIES_OF_WEIGHTS = 5

RowMetrics = dict[str, Float[np.ndarray, "rows epochs"]]


class ClassifierSelection(NamedTuple):
    """The settings that were chosen for every seed. Runs save it, so its fields keep their names."""

    epochs: Int[np.ndarray, " seeds"]
    weight_decay: Float[np.ndarray, " seeds"]
    metrics: dict[str, Float[np.ndarray, "seeds epochs"]]  # at the chosen decay, mean over the folds
    seconds: float  # without compilation

    @property
    def valid_loss(self) -> Float[np.ndarray, " seeds"]:
        """The lowest validation loss, by which was chosen; NaN: there were no validation rows."""
        losses = self.metrics.get("valid_loss")
        if losses is None:
            return np.full(len(self.epochs), np.nan)
        return losses[np.arange(len(losses)), self.epochs - 1]

    @property
    def settings(self) -> list[dict[str, Any]]:
        """What `results.json` reports, by seed."""
        pairs = zip(self.epochs.tolist(), self.weight_decay.tolist(), strict=True)
        return [{"epochs": epochs, "weight_decay": decay} for epochs, decay in pairs]


class ClassifierTraining(NamedTuple):
    """A classifier of every seed, fitted on all its labelled rows."""

    variables: Variables  # on the devices
    history: TrainingHistory
    """Metrics of the selection at the chosen weight decay, without validation rows of the refit."""
    selection: ClassifierSelection


def weight_decay_choices(n_labels: int) -> Float[np.ndarray, " decays"]:
    """Returns the weight decays to choose from, for a number of labelled rows."""
    few = n_labels <= MAX_CROSS_VALIDATED_LABELS
    return np.array(WEIGHT_DECAYS if few else WEIGHT_DECAYS_OF_MANY_LABELS)


def settings_that_fit(n_decays: int, n_folds: int, bytes_of_weights: int) -> tuple[int, int]:
    """Returns how many weight decays and folds a selection tries, at least one of each.

    A wide model, by the weights of one training of every seed, tries fewer than there are, so that its selection stays
    within `MAX_SELECTION_BYTES`: first fewer decays, the largest ones being left out, then fewer folds.

    >>> [settings_that_fit(4, 5, 2**power) for power in (20, 25, 27, 40)]
    [(4, 5), (2, 5), (1, 3), (1, 1)]
    """
    affordable = max(1, MAX_SELECTION_BYTES // (COPIES_OF_WEIGHTS * bytes_of_weights))
    return max(1, min(n_decays, affordable // n_folds)), min(n_folds, affordable)


class SelectionGrid(NamedTuple):
    """What one program trains for a selection: a row for every weight decay, fold and seed, in this order."""

    weight_decays: Float[np.ndarray, " decays"]
    n_folds: int
    seeds: int

    def mean_over_folds(self, values: Float[np.ndarray, "rows epochs"]) -> Float[np.ndarray, "decays seeds epochs"]:
        """Returns a metric's mean over the folds."""
        by_fold = values.reshape(len(self.weight_decays), self.n_folds, self.seeds, -1)
        return by_fold.mean(axis=1, dtype=np.float64)

    def losses(self, metrics: RowMetrics) -> Float[np.ndarray, "decays seeds epochs"]:
        """Returns the mean validation loss, infinite where a fold diverged."""
        losses = self.mean_over_folds(metrics["valid_loss"])
        return np.where(np.isfinite(losses), losses, np.inf)

    def is_finished(self, metrics: RowMetrics) -> bool:
        """Returns whether the selection of every seed has ended."""
        losses = self.losses(metrics)
        return all(last_considered_epoch(losses[:, seed]) is not None for seed in range(self.seeds))

    def choose(self, metrics: RowMetrics, seconds: float) -> ClassifierSelection:
        """Returns the settings of every seed with the lowest mean validation loss."""
        decays, epochs = choose_settings(self.losses(metrics))
        chosen = {name: self.mean_over_folds(values)[decays, np.arange(self.seeds)] for name, values in metrics.items()}
        return ClassifierSelection(epochs, self.weight_decays[decays], chosen, seconds)


def last_considered_epoch(losses: Float[np.ndarray, "decays epochs"]) -> int | None:
    """Returns the epoch, from 1, at which a seed's selection ends; None: it has not ended.

    It ends once the lowest loss of any decay was found in the first half of the epochs, after `MIN_EPOCHS` at least.
    This depends on earlier epochs alone, so it does not matter how long the seed is trained for the sake of others.
    """
    lowest = np.minimum.accumulate(losses.min(axis=0))
    count = np.arange(1, len(lowest) + 1)
    is_new = lowest < np.concatenate([[np.inf], lowest[:-1]])
    ended = (count >= MIN_EPOCHS) & (2 * np.maximum.accumulate(np.where(is_new, count, 0)) <= count)
    return int(np.argmax(ended)) + 1 if ended.any() else None


def choose_settings(
    losses: Float[np.ndarray, "decays seeds epochs"],
) -> tuple[Int[np.ndarray, " seeds"], Int[np.ndarray, " seeds"]]:
    """Returns the position of each seed's weight decay and its number of epochs: those of the lowest loss.

    Of equal losses the smaller decay is chosen, then the earlier epoch.
    """
    chosen = []
    for seed in range(losses.shape[1]):
        considered = losses[:, seed, : last_considered_epoch(losses[:, seed])]
        chosen.append(np.unravel_index(np.argmin(considered), considered.shape))
    decays, epochs = np.array(chosen).T
    return decays, epochs + 1


def supervised_spec(experiment: Experiment, method: Method) -> TrainingSpec:
    """Returns the training of a method that learns from labels, with the config's optimizer and budget.

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
    return TrainingSpec(
        method.objective,
        lambda steps: make_classifier_optimizer(optimizer, passes * steps, train_config.epochs),
        split.labelled,
        split.labelled[:, :0],
        epochs=passes * train_config.epochs,
        batch_size=train_config.batch_size,
        passes=passes,
    )


def train_classifier(experiment: Experiment, name: str, variables: Variables, spec: TrainingSpec) -> ClassifierTraining:
    """Chooses every seed's settings and fits it on all its labelled rows.

    Both trainings continue from their latest checkpoints, as `train` does; the chosen settings are saved.

    Args:
        experiment: the labelled rows, the plan and the checkpoints.
        name: of the refit within the run; that of the selection is `.NAME-selection`.
        variables: initial variables of every seed, on the devices; their memory is freed.
        spec: on all labelled rows, for as many epochs as may be chosen; its optimizer reads the weight decay from
            `hyper`.
    """
    selection = _load_or_select(experiment, name, variables, spec)
    weight_decay = experiment.plan.shard(experiment.tile_rows(np.float32(selection.weight_decay)))
    chosen = spec._replace(epochs=int(selection.epochs.max()), last_epoch=selection.epochs)
    refit = train(experiment, name, {**variables, HYPERPARAMETERS: {"weight_decay": weight_decay}}, chosen)
    experiment.reporter.advance((spec.epochs - refit.history.epochs) / spec.passes, float("nan"))
    fitted = {key: tree for key, tree in refit.progress.state.variables.items() if key != HYPERPARAMETERS}
    history = refit.history._replace(
        metrics=selection.metrics or refit.history.metrics, seconds=refit.history.seconds + selection.seconds
    )
    return ClassifierTraining(fitted, history, selection)


def _load_or_select(experiment: Experiment, name: str, variables: Variables, spec: TrainingSpec) -> ClassifierSelection:
    """Returns the settings that an earlier attempt at the run saved, or chooses them."""
    selection_name, trained = f".{name}-selection", 0  # no method has a name with a dot before it
    selection: ClassifierSelection | None = experiment.result_cache.load_result(selection_name)
    if selection is None:
        selection = select_settings(experiment, selection_name, variables, spec, experiment.selection_folds)
        experiment.result_cache.save_result(selection_name, selection)
        trained = max((values.shape[1] for values in selection.metrics.values()), default=0)
    experiment.reporter.advance((spec.epochs - trained) / spec.passes, float("nan"))
    return selection


def select_settings(
    experiment: Experiment, name: str, variables: Variables, spec: TrainingSpec, folds: SelectionFolds
) -> ClassifierSelection:
    """Trains every seed in every fold with every weight decay, and chooses.

    The initial variables are left as they are. Without validation rows nothing is chosen: all epochs, without decay.
    """
    seeds = experiment.config.seeds
    if not folds.can_select:
        return ClassifierSelection(np.full(seeds, spec.epochs), np.zeros(seeds), {}, 0.0)
    decays = weight_decay_choices(experiment.split.labelled.shape[1])
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(variables))
    n_decays, n_folds = settings_that_fit(len(decays), folds.n_folds, size)
    grid = SelectionGrid(decays[:n_decays], n_folds, seeds)
    tiled = tile_experiment(experiment, n_decays * n_folds)
    row_decays = np.repeat(np.float32(grid.weight_decays), n_folds * seeds)
    start = {**tiled.tile_rows(experiment.plan.to_host(variables)), HYPERPARAMETERS: {"weight_decay": row_decays}}
    in_folds = spec._replace(
        train_rows=_by_fold(folds.train[:, :n_folds]),
        validation_rows=_by_fold(folds.valid[:, :n_folds]),
        is_finished=lambda history: grid.is_finished(history.metrics),
    )
    history = train(tiled, name, tiled.plan.shard(start), in_folds).history
    return grid.choose(history.metrics, history.seconds)


def _by_fold(rows: Int[np.ndarray, "seeds folds n"]) -> Int[np.ndarray, "entries n"]:
    """Returns the rows of all seeds for one fold after the other."""
    return np.swapaxes(rows, 0, 1).reshape(-1, rows.shape[2])


def finetune(experiment: Experiment, name: str, autoencoder: Autoencoder, encoder: Variables) -> ClassifierFit:
    """Trains encoder and head together on the labels of every seed, and predicts the test rows (`--probe finetune`).

    Each part has its own learning rate, and epochs are at most `--finetune-epochs`. The encoder's variables, on the
    devices, are left as they are.
    """
    config, rows = experiment.config.probe, experiment.split.labelled
    classifier = Classifier(autoencoder, SoftmaxHead(experiment.problem.n_classes))
    spec = TrainingSpec(
        make_cross_entropy_objective(classifier, frozen_encoder=False),
        lambda _: _finetuning_optimizer(config),
        rows,
        rows[:, :0],
        epochs=config.finetune_epochs,
        batch_size=experiment.config.train.batch_size,
        key_use="head noise",
    )
    trained = train_classifier(experiment, name, with_new_head(experiment, classifier, encoder), spec)
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

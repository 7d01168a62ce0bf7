"""The rule by which a classifier's weight decay and number of epochs are chosen from validation losses."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from aejax.data.selection_folds import MAX_CROSS_VALIDATED_LABELS

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

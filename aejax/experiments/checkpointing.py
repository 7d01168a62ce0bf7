"""What a run keeps while it is under way: trainings between two epochs, and what has been found of each method.

Both lie in the run's folder, `checkpoints/NAME/EPOCH` and `found/NAME`, each whole with a manifest, and are written by
a thread of their own. A run that goes on reads them and repeats nothing.
"""

import shutil
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from aejax.config import CheckpointConfig
from aejax.errors import require
from aejax.storage.checkpoint_manager import VALID_LOSS_KEY, AsyncSaver, CheckpointManager
from aejax.storage.manifest import CorruptedFileError
from aejax.storage.pytree_io import from_state_dict, load_tree, save_tree, to_state_dict
from aejax.storage.runs import Run
from aejax.storage.serialization import RecordClasses, deserialize, serialize
from aejax.train.state import TrainProgress

WORKING_DIRS = CHECKPOINTS_DIR, RESULT_CACHE_DIR = ("checkpoints", "found")  # folders that only a run under way needs
MAX_SAVE_OVERHEAD = 0.05  # of a training's time that its saves may take


class TrainingHistory(NamedTuple):
    """How a training went."""

    metrics: dict[str, Float[np.ndarray, "seeds epochs"]]
    diverged_epoch: Int[np.ndarray, " seeds"]  # 0: it did not
    seconds: float  # without compilation

    @property
    def epochs(self) -> int:
        """Epochs trained."""
        return self.metrics["train_loss"].shape[1]


def concatenate_histories(first: TrainingHistory | None, second: TrainingHistory) -> TrainingHistory:
    """Both, one after the other."""
    if first is None:
        return second
    history = {name: np.concatenate([first.metrics[name], own], axis=1) for name, own in second.metrics.items()}
    return TrainingHistory(history, second.diverged_epoch, first.seconds + second.seconds)


class TrainingCheckpoint(NamedTuple):
    """Where a training stands."""

    progress: TrainProgress  # on the host, without padding
    history: TrainingHistory
    loader_state: Any = None  # where its loader stood, if it had one


class Checkpointer:
    """The checkpoints of one training, while it is under way. This one keeps none."""

    def restore_latest(self, like: TrainProgress) -> TrainingCheckpoint | None:
        """Where it stood when it was last saved; `like` has the shapes and dtypes that it must have."""
        return None

    def maybe_save(
        self,
        history: TrainingHistory,
        fetch_progress: Callable[[], TrainProgress],
        *,
        force: bool,
        loader_state: Any = None,
    ) -> None:
        """Save where it stands, if it is time, or `now` and to the end. `fit` fetches what the next call will take.

        `loader` is where a stream's loader stands, as plain JSON.
        """
        if self.should_save(force=force):
            self.save(TrainingCheckpoint(fetch_progress(), history, loader_state), wait=force)

    def should_save(self, *, force: bool) -> bool:
        """Whether it is time."""
        return False

    def save(self, checkpoint: TrainingCheckpoint, *, wait: bool) -> None:
        """Save where it stands; return at once, or when it is written."""


class ResultCache:
    """Keeps what a run has. This one keeps nothing: for library use, and for what is over in seconds."""

    def checkpointer(self, name: str) -> Checkpointer:
        """Of one training."""
        return Checkpointer()

    def load_result(self, name: str) -> Any:
        """What was kept under this name, or None."""
        return None

    def save_result(self, name: str, result: Any) -> None:
        """Keep a record, and drop the checkpoints of the training that led to it."""

    def flush(self) -> None:
        """Wait until everything is written. Raises what the last save raised."""


class DiskResultCache(ResultCache):
    """Keeps in a run's folder.

    Args:
        run: whose.
        config: how often, and how many.
        classes: what records may be made of.
        say: where a line for the user goes.
    """

    def __init__(self, run: Run, config: CheckpointConfig, classes: RecordClasses, log: Callable[[str], None]) -> None:
        self._run, self._config, self._classes, self._say = run, config, classes, log
        self._background = AsyncSaver()

    def checkpointer(self, name: str) -> Checkpointer:
        """Its checkpoints, from before or to come."""
        series = CheckpointManager(self._run.folder / CHECKPOINTS_DIR / name, self._config.keep)
        return _DiskCheckpointer(series, self._config, self._background, self._say)

    def load_result(self, name: str) -> Any:
        """Raises `DamagedError` if it is not what was kept."""
        folder = self._run.folder / RESULT_CACHE_DIR / name
        if not folder.exists():
            return None
        try:
            return deserialize(load_tree(folder), self._classes)
        except CorruptedFileError as fault:
            if not self._config.allow_fallback:
                raise CorruptedFileError(f"{fault}; --allow-fallback finds it anew") from None
            self._say(f"{fault}: found anew")
            shutil.rmtree(folder)
            return None

    def save_result(self, name: str, result: Any) -> None:
        """Write the record in the background."""
        tree, meta = serialize(result, self._classes)
        folder = self._run.folder

        def save() -> None:
            save_tree(folder / RESULT_CACHE_DIR / name, tree, meta)
            for trail in [folder / CHECKPOINTS_DIR / name, *(folder / CHECKPOINTS_DIR).glob(f"{name}-stage-*")]:
                shutil.rmtree(trail, ignore_errors=True)
            self._run.set_state("running")

        self._background.submit(save)

    def flush(self) -> None:
        self._background.wait()


class _DiskCheckpointer(Checkpointer):
    def __init__(
        self, manager: CheckpointManager, config: CheckpointConfig, saver: AsyncSaver, log: Callable[[str], None]
    ) -> None:
        self._series, self._config, self._background, self._say = manager, config, saver, log
        self._last_save = self._asked = time.perf_counter()
        self._cost = 0.0  # seconds that the last save took from the training

    def restore_latest(self, like: TrainProgress) -> TrainingCheckpoint | None:
        resumed = self._series.restore_latest(allow_fallback=self._config.allow_fallback)
        if resumed is None:
            return None
        if resumed.skipped:
            self._say(f"{resumed.skipped}: going on from epoch {resumed.epoch}")
        folder, tree = self._series.path(resumed.epoch), resumed.saved.tree
        require({"fit", "history"} <= tree.keys(), f"{folder}: is no checkpoint of a training; give --overwrite")
        fit: TrainProgress = from_state_dict(tree["fit"], like, str(folder))
        meta = resumed.saved.meta
        course = TrainingHistory(tree["history"], np.asarray(fit.diverged_epoch), float(meta["seconds"]))
        return TrainingCheckpoint(fit, course, meta.get("loader"))

    def should_save(self, *, force: bool) -> bool:
        self._asked = time.perf_counter()
        wanted = max(self._config.save_every, self._cost / MAX_SAVE_OVERHEAD if self._config.save_every else 0.0)
        late = self._asked - self._last_save >= wanted
        return force or (late and not (self._background.busy and self._config.save_every))

    def save(self, checkpoint: TrainingCheckpoint, *, wait: bool) -> None:
        fit, course, loader = checkpoint
        tree = {
            "fit": to_state_dict(fit),
            "history": {name: np.array(values) for name, values in course.metrics.items()},
        }
        meta = {
            "epoch": course.epochs,
            "seconds": course.seconds,
            VALID_LOSS_KEY: _mean_valid_loss(course),
            "loader": loader,
        }
        self._background.submit(lambda: self._series.save(course.epochs, tree, meta))
        if wait:
            self._background.wait()
        self._last_save = time.perf_counter()
        self._cost = self._last_save - self._asked  # fetching included


def _mean_valid_loss(history: TrainingHistory) -> float | None:
    """Latest validation loss, mean over the seeds that have one."""
    losses = history.metrics.get("valid_loss")
    if losses is None or not np.isfinite(losses[:, -1]).any():
        return None
    return float(np.nanmean(np.where(np.isfinite(losses[:, -1]), losses[:, -1], np.nan)))

"""What a run saves while it is running: checkpoints of trainings, and the result of each finished method.

Both are in the run's folder, `checkpoints/NAME/EPOCH` and `found/NAME`, each with a manifest, and are written by a
background thread. A run that continues reads them and repeats nothing. Of several processes the primary reads and
writes for all. A checkpoint holds all seeds as NumPy arrays, as one process would write it, so that a run of two
processes can continue in one, or in four.
"""

import glob
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from aejax.config import CheckpointConfig
from aejax.errors import require
from aejax.experiments.multihost import NO_RECORD_CLASSES, broadcast_from_primary, is_primary
from aejax.storage.checkpoint_manager import VALID_LOSS_KEY, AsyncSaver, CheckpointManager
from aejax.storage.manifest import CorruptedFileError
from aejax.storage.pytree_io import from_state_dict, load_tree, save_tree, to_state_dict
from aejax.storage.runs import Run
from aejax.storage.serialization import RecordClasses, deserialize, serialize
from aejax.train.state import TrainProgress

WORKING_DIRS = CHECKPOINTS_DIR, RESULT_CACHE_DIR = ("checkpoints", "found")  # folders that a finished run does not need
MAX_SAVE_OVERHEAD = 0.05  # largest share of a training's time that its saves may take
MAX_BACKGROUND_BYTES = 256 << 20  # larger checkpoints are written between two epochs, which need memory of their own


class TrainingHistory(NamedTuple):
    """Metrics of a training."""

    metrics: dict[str, Float[np.ndarray, "seeds epochs"]]
    diverged_epoch: Int[np.ndarray, " seeds"]  # from 1; 0: it did not diverge
    seconds: float  # without compilation

    @property
    def epochs(self) -> int:
        """Number of epochs trained."""
        return self.metrics["train_loss"].shape[1]


def concatenate_histories(first: TrainingHistory | None, second: TrainingHistory) -> TrainingHistory:
    """Returns the history of two trainings of which the second continues the first."""
    if first is None:
        return second
    metrics = {name: np.concatenate([first.metrics[name], new], axis=1) for name, new in second.metrics.items()}
    return TrainingHistory(metrics, second.diverged_epoch, first.seconds + second.seconds)


class TrainingCheckpoint(NamedTuple):
    """The state of a training between two epochs."""

    progress: TrainProgress  # on the host, without padding
    history: TrainingHistory
    loader_state: Any = None  # of the loader of a stream


class ResultCache:
    """Results and checkpoints of a run. Of several processes every one makes the same calls: the primary reads for all.

    Args:
        run: the run; without one nothing is saved, for use as a library.
        config: how often to save checkpoints and how many to keep.
        classes: of which records may consist.
        log: prints a line for the user.
    """

    def __init__(
        self,
        run: Run | None = None,
        config: CheckpointConfig = CheckpointConfig(),
        classes: RecordClasses = NO_RECORD_CLASSES,
        log: Callable[[str], None] = print,
    ) -> None:
        self._run, self._config, self._classes, self._log = run, config, classes, log
        self._saver = AsyncSaver() if run is None else AsyncSaver(run.guard_save)

    def checkpointer(self, name: str) -> "Checkpointer":
        """Returns the checkpoints of one training."""
        folder = None if self._run is None else self._run.folder / CHECKPOINTS_DIR / name
        manager = None if folder is None else CheckpointManager(folder, self._config.keep)
        return Checkpointer(manager, self._config, self._saver, self._log)

    def load_result(self, name: str) -> Any:
        """Returns the result saved under this name, or None.

        Raises:
            CorruptedFileError: the saved files have changed.
        """
        if self._run is None:
            return None
        folder = self._run.folder / RESULT_CACHE_DIR / name
        return broadcast_from_primary(lambda: self._read_result(folder), self._classes)

    def _read_result(self, folder: Path) -> Any:
        if not folder.exists():
            return None
        try:
            return deserialize(load_tree(folder), self._classes)
        except CorruptedFileError as fault:
            if not self._config.allow_fallback:
                raise CorruptedFileError(f"{fault}; --allow-fallback computes it again") from None
            self._log(f"{fault}: computed again")
            shutil.rmtree(folder)
            return None

    def save_result(self, name: str, result: Any) -> None:
        """Saves a result and removes the checkpoints of its training."""
        run = self._run
        if run is None or not is_primary():
            return
        tree, meta = serialize(result, self._classes)
        folder = run.folder / RESULT_CACHE_DIR / name

        def save() -> None:
            save_tree(folder, tree, meta)
            all_checkpoints = run.folder / CHECKPOINTS_DIR
            stages = all_checkpoints.glob(f"{glob.escape(name)}-stage-*")
            for checkpoints in [all_checkpoints / name, all_checkpoints / f"{name}-finetune", *stages]:
                shutil.rmtree(checkpoints, ignore_errors=True)
            run.set_state("running")

        self._saver.submit(folder, save)

    def flush(self) -> None:
        """Waits until everything is written. Raises what the last save raised."""
        self._saver.wait()


class Checkpointer:
    """Checkpoints of one training, which `manager` keeps; without one there are none."""

    def __init__(
        self, manager: CheckpointManager | None, config: CheckpointConfig, saver: AsyncSaver, log: Callable[[str], None]
    ) -> None:
        self._manager, self._config, self._saver, self._log = manager, config, saver, log
        self._last_save = self._checked = time.perf_counter()
        self._cost = 0.0  # seconds that the last save delayed the training

    def restore_latest(self, like: TrainProgress) -> TrainingCheckpoint | None:
        """Returns the latest checkpoint; `like` has the shapes and dtypes that it must have."""
        manager = self._manager
        if manager is None or (saved := broadcast_from_primary(lambda: self._read_latest(manager))) is None:
            return None
        folder, tree, meta = saved
        progress: TrainProgress = from_state_dict(tree["fit"], like, folder)
        history = TrainingHistory(tree["history"], np.asarray(progress.diverged_epoch), float(meta["seconds"]))
        return TrainingCheckpoint(progress, history, meta.get("loader"))

    def _read_latest(self, manager: CheckpointManager) -> tuple[str, Any, Any] | None:
        """Returns the folder of the latest checkpoint, its arrays and its metadata."""
        restored = manager.restore_latest(allow_fallback=self._config.allow_fallback)
        if restored is None:
            return None
        if restored.skipped:
            self._log(f"{restored.skipped}: continuing from epoch {restored.epoch}")
        folder, tree = manager.path(restored.epoch), restored.saved.tree
        require({"fit", "history"} <= tree.keys(), f"{folder}: is no checkpoint of a training; give --overwrite")
        return str(folder), dict(tree), dict(restored.saved.meta)

    def maybe_save(
        self,
        history: TrainingHistory,
        fetch_progress: Callable[[], TrainProgress],
        *,
        force: bool,
        loader_state: Any = None,
    ) -> None:
        """Saves a checkpoint if it is time, or at once if `force`, and then waits until it is written.

        `fetch_progress` copies the progress to the host; the state of the loader of a stream is JSON.
        """
        self._checked = time.perf_counter()
        if self._manager is not None and broadcast_from_primary(lambda: force or self._is_due()):
            progress = fetch_progress()  # in which all processes take part
            if is_primary():
                self._save(self._manager, TrainingCheckpoint(progress, history, loader_state), wait=force)

    def _is_due(self) -> bool:
        if not self._config.save_every:
            return True  # after every training call
        interval = max(self._config.save_every, self._cost / MAX_SAVE_OVERHEAD)
        return self._checked - self._last_save >= interval and not self._saver.busy

    def _save(self, manager: CheckpointManager, checkpoint: TrainingCheckpoint, *, wait: bool) -> None:
        """Saves a checkpoint, in the background unless `wait` or the checkpoint is large."""
        progress, history, loader_state = checkpoint
        tree = {
            "fit": to_state_dict(progress),
            "history": {name: np.array(values) for name, values in history.metrics.items()},
        }
        meta = {
            "epoch": history.epochs,
            "seconds": history.seconds,
            VALID_LOSS_KEY: _mean_valid_loss(history),
            "loader": loader_state,
        }
        self._saver.submit(manager.path(history.epochs), lambda: manager.save(history.epochs, tree, meta))
        if wait or sum(leaf.nbytes for leaf in jax.tree.leaves(tree)) > MAX_BACKGROUND_BYTES:
            self._saver.wait()
        self._last_save = time.perf_counter()
        self._cost = self._last_save - self._checked  # with the copy to the host


def _mean_valid_loss(history: TrainingHistory) -> float | None:
    """Returns the latest validation loss, mean over the seeds whose loss is finite."""
    losses = history.metrics.get("valid_loss")
    if losses is None or not np.isfinite(losses[:, -1]).any():
        return None
    return float(np.nanmean(np.where(np.isfinite(losses[:, -1]), losses[:, -1], np.nan)))

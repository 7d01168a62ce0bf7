"""Results and checkpoints of a run of several processes: the primary reads and writes for all."""

import json
from typing import Any

from aejax.experiments.checkpointing import Checkpointer, ResultCache, TrainingCheckpoint
from aejax.experiments.multihost import broadcast_from_primary, is_primary
from aejax.storage.pytree_io import from_state_dict, to_state_dict
from aejax.storage.serialization import RecordClasses
from aejax.train.state import TrainProgress


class MultihostResultCache(ResultCache):
    """The primary process's results and checkpoints, in all processes.

    A checkpoint holds all seeds as NumPy arrays, as one process would write it. So a run of two processes can continue
    in one, or in four.
    """

    def __init__(self, primary: ResultCache, classes: RecordClasses) -> None:
        self._primary, self._classes = primary, classes

    def checkpointer(self, name: str) -> Checkpointer:
        """Returns the checkpoints of one training."""
        return _MultihostCheckpointer(self._primary.checkpointer(name), self._classes)

    def load_result(self, name: str) -> Any:
        """Raises `CorruptedFileError` if the saved files have changed."""
        return broadcast_from_primary(lambda: self._primary.load_result(name), self._classes)

    def save_result(self, name: str, result: Any) -> None:
        """Saves in the primary process."""
        if is_primary():
            self._primary.save_result(name, result)

    def flush(self) -> None:
        """Waits until everything is written."""
        if is_primary():
            self._primary.flush()


class _MultihostCheckpointer(Checkpointer):
    def __init__(self, primary: Checkpointer, classes: RecordClasses) -> None:
        self._primary, self._classes = primary, classes

    def restore_latest(self, like: TrainProgress) -> TrainingCheckpoint | None:
        def restore() -> Any:
            checkpoint = self._primary.restore_latest(like)
            if checkpoint is None:
                return None
            return to_state_dict(checkpoint.progress), checkpoint.history, json.dumps(checkpoint.loader_state)

        parts = broadcast_from_primary(restore, self._classes)
        if parts is None:
            return None
        progress, history, loader_state = parts
        progress = from_state_dict(progress, like, "the first process")
        return TrainingCheckpoint(progress, history, json.loads(loader_state))

    def should_save(self, *, force: bool) -> bool:
        return broadcast_from_primary(lambda: self._primary.should_save(force=force))

    def save(self, checkpoint: TrainingCheckpoint, *, wait: bool) -> None:
        if is_primary():
            self._primary.save(checkpoint, wait=wait)

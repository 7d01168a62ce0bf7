"""A keeper for a run of several processes: the first reads and writes, and tells the others."""

import json
from typing import Any

from aejax.experiments.checkpointing import Checkpointer, ResultCache, TrainingCheckpoint
from aejax.experiments.multihost import broadcast_from_primary, is_primary
from aejax.storage.pytree_io import from_state_dict, to_state_dict
from aejax.storage.serialization import RecordClasses
from aejax.train.state import TrainProgress


class MultihostResultCache(ResultCache):
    """What the first process's keeper has, in all of them.

    A checkpoint is what one process would have written: all seeds, as NumPy. So a run that was begun by two processes
    may go on in one, or in four.
    """

    def __init__(self, primary: ResultCache, classes: RecordClasses) -> None:
        self._of_first, self._classes = primary, classes

    def checkpointer(self, name: str) -> Checkpointer:
        """Its checkpoints, from before or to come."""
        return _MultihostCheckpointer(self._of_first.checkpointer(name), self._classes)

    def load_result(self, name: str) -> Any:
        """Raises `DamagedError` if it is not what was kept."""
        return broadcast_from_primary(lambda: self._of_first.load_result(name), self._classes)

    def save_result(self, name: str, result: Any) -> None:
        """Write the record, in the first process."""
        if is_primary():
            self._of_first.save_result(name, result)

    def flush(self) -> None:
        """Wait until everything is written."""
        if is_primary():
            self._of_first.flush()


class _MultihostCheckpointer(Checkpointer):
    def __init__(self, primary: Checkpointer, classes: RecordClasses) -> None:
        self._of_first, self._classes = primary, classes

    def restore_latest(self, like: TrainProgress) -> TrainingCheckpoint | None:
        def told() -> Any:
            stand = self._of_first.restore_latest(like)
            return (
                None
                if stand is None
                else (to_state_dict(stand.progress), stand.history, json.dumps(stand.loader_state))
            )

        found = broadcast_from_primary(told, self._classes)
        if found is None:
            return None
        fit, course, loader = found
        return TrainingCheckpoint(from_state_dict(fit, like, "the first process"), course, json.loads(loader))

    def should_save(self, *, force: bool) -> bool:
        return broadcast_from_primary(lambda: self._of_first.should_save(force=force))

    def save(self, checkpoint: TrainingCheckpoint, *, wait: bool) -> None:
        if is_primary():
            self._of_first.save(checkpoint, wait=wait)

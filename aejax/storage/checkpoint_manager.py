"""Keeps the checkpoints of one training: the latest few and the best by validation loss, each with checksums.

Orbax's own `training.Checkpointer` was tried and rejected. It deletes old steps in place, so that a kill leaves half a
checkpoint, and one flipped byte in its metrics file makes every step unreadable.
"""

import contextlib
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

from aejax.errors import InputError
from aejax.storage.manifest import CorruptedFileError, verify_manifest
from aejax.storage.pytree_io import ArrayTree, SavedTree, load_tree, read_meta_file, save_tree

VALID_LOSS_KEY = "valid_loss"  # in the metadata; the best checkpoint has the lowest; null if it is unknown


class RestoredCheckpoint(NamedTuple):
    """The checkpoint from which a training continues."""

    epoch: int
    saved: SavedTree
    skipped: str  # messages about later checkpoints that were damaged; empty if none was


@dataclasses.dataclass(frozen=True)
class CheckpointManager:
    """A folder of checkpoints named by their epochs."""

    folder: Path
    max_to_keep: int  # number of latest checkpoints that are kept in addition to the best

    def path(self, epoch: int) -> Path:
        """Returns the folder of an epoch's checkpoint."""
        return self.folder / str(epoch)

    def epochs(self) -> list[int]:
        """Returns the epochs that have a checkpoint, in ascending order."""
        if not self.folder.is_dir():
            return []
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdecimal())

    def save(self, epoch: int, tree: ArrayTree, meta: Mapping[str, Any]) -> None:
        """Saves an epoch's state, then deletes checkpoints that are no longer needed. Raises as `save_tree`."""
        save_tree(self.path(epoch), tree, meta)
        epochs = self.epochs()
        if len(epochs) > self.max_to_keep:
            kept = {*epochs[-self.max_to_keep :], self._best_epoch(epochs)}
            for other in epochs:
                if other not in kept:
                    self._delete(other)

    def restore_latest(self, *, allow_fallback: bool = False) -> RestoredCheckpoint | None:
        """Loads the latest checkpoint. Returns None if there is none.

        Args:
            allow_fallback: skip damaged checkpoints; they are renamed to `EPOCH.damaged-...`.

        Raises:
            CorruptedFileError: the latest is damaged; the message names an earlier one that is intact.
            InputError: the checkpoint's path is no folder, or memory cannot hold its arrays.
        """
        messages = []
        epochs = self.epochs()
        for epoch in reversed(epochs):
            try:
                saved = load_tree(self.path(epoch))
            except CorruptedFileError as error:
                messages.append(str(error))
                if not allow_fallback:
                    break
                continue
            for damaged in epochs[epochs.index(epoch) + 1 :]:
                aside = tempfile.mkdtemp(prefix=f"{damaged}.damaged-", dir=self.folder)
                os.rename(self.path(damaged), aside)
            return RestoredCheckpoint(epoch, saved, "; ".join(messages))
        if messages:
            intact = [] if allow_fallback else [epoch for epoch in epochs[:-1] if self._is_intact(epoch)]
            hint = "no earlier checkpoint is intact: --overwrite starts from the beginning"
            if intact:
                hint = f"--allow-fallback continues from epoch {intact[-1]}, which is intact"
            raise CorruptedFileError(f"{messages[-1]}; {hint}")
        return None

    def _best_epoch(self, epochs: Sequence[int]) -> int | None:
        """Returns the epoch of the lowest validation loss among the intact checkpoints."""
        losses = {}
        for epoch in epochs:
            with contextlib.suppress(CorruptedFileError):  # reported when it is restored
                losses[epoch] = read_meta_file(self.path(epoch)).get(VALID_LOSS_KEY)
        ranked = sorted((loss, epoch) for epoch, loss in losses.items() if isinstance(loss, int | float))
        return next((epoch for _, epoch in ranked if self._is_intact(epoch)), None)

    def _is_intact(self, epoch: int) -> bool:
        try:
            verify_manifest(self.path(epoch))
        except InputError:
            return False
        return True

    def _delete(self, epoch: int) -> None:
        """Deletes a checkpoint after renaming it, so that a kill leaves no half-deleted one."""
        aside = self.folder / f".{epoch}.dropped.tmp"
        os.rename(self.path(epoch), aside)
        shutil.rmtree(aside, ignore_errors=True)


class AsyncSaver:
    """Runs saves in a background thread, one at a time. The next call raises the error of a save that failed.

    Args:
        guard: is entered with the folder that is saved, around each save.
    """

    def __init__(self, guard: Callable[[Path], AbstractContextManager[object]] = contextlib.nullcontext) -> None:
        self._guard = guard
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="save")
        self._pending: Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a save is running."""
        return self._pending is not None and not self._pending.done()

    def submit(self, folder: Path, save: Callable[[], None]) -> None:
        """Starts a save of a folder after the previous one has ended."""
        self.wait()
        self._pending = self._thread.submit(self._save, folder, save)

    def _save(self, folder: Path, save: Callable[[], None]) -> None:
        with self._guard(folder):
            save()

    def wait(self) -> None:
        """Waits for the running save. Raises the error that it raised."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

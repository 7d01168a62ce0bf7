"""The checkpoints of one training: by epoch, the latest few and the best, each whole or noticed."""

import dataclasses
import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from aejax.storage.manifest import CorruptedFileError, verify_manifest
from aejax.storage.pytree_io import ArrayTree, SavedTree, load_tree, read_meta_file, save_tree

VALID_LOSS_KEY = "valid_loss"  # what the best is best by; null: nothing is known of it


class RestoredCheckpoint(NamedTuple):
    """The checkpoint that a training goes on from."""

    epoch: int
    saved: SavedTree
    skipped: str  # which later ones were damaged, and how; empty: none


@dataclasses.dataclass(frozen=True)
class CheckpointManager:
    """A folder of checkpoints named by their epochs."""

    folder: Path
    max_to_keep: int  # latest ones that stay, beside the best

    def path(self, epoch: int) -> Path:
        """Where an epoch's checkpoint is."""
        return self.folder / str(epoch)

    def epochs(self) -> list[int]:
        """Those there are, in order."""
        if not self.folder.is_dir():
            return []
        return sorted(int(path.name) for path in self.folder.iterdir() if path.name.isdecimal())

    def save(self, epoch: int, tree: ArrayTree, meta: Mapping[str, Any]) -> None:
        """Save an epoch's state, then drop what need not be kept any more. Raises as `save_folder`."""
        save_tree(self.path(epoch), tree, meta)
        kept = {*self.epochs()[-self.max_to_keep :], self._best_epoch()}
        for other in self.epochs():
            if other not in kept:
                self._delete(other)

    def restore_latest(
        self, like: ArrayTree | None = None, *, allow_fallback: bool = False
    ) -> RestoredCheckpoint | None:
        """The last checkpoint, or None where there is none.

        Args:
            like: what its arrays must be by name, shape and dtype.
            allow_fallback: pass over damaged ones; they are set aside as `EPOCH.damaged`.

        Raises:
            DamagedError: the last one is damaged; it names the one before that is whole.
            InputError: it is another training's.
        """
        faults = []
        for epoch in reversed(self.epochs()):
            try:
                saved = load_tree(self.path(epoch), like)
            except CorruptedFileError as fault:
                faults.append(str(fault))
                if not allow_fallback:
                    raise CorruptedFileError(f"{fault}; {self._fallback_hint(epoch)}") from None
                continue
            for damaged in self.epochs():
                if damaged > epoch:
                    os.rename(self.path(damaged), _unused_path(self.folder, f"{damaged}.damaged"))
            return RestoredCheckpoint(epoch, saved, "; ".join(faults))
        if faults:
            raise CorruptedFileError(f"{faults[-1]}; none before it is whole: --overwrite starts anew")
        return None

    def _fallback_hint(self, damaged: int) -> str:
        for epoch in reversed([other for other in self.epochs() if other < damaged]):
            try:
                verify_manifest(self.path(epoch))
            except CorruptedFileError:
                continue
            return f"--allow-fallback goes on from epoch {epoch}, which is whole"
        return "none before it is whole: --overwrite starts anew"

    def _best_epoch(self) -> int | None:
        """The epoch of the lowest validation loss among those there are."""
        losses = {}
        for epoch in self.epochs():
            try:
                loss = read_meta_file(self.path(epoch)).get(VALID_LOSS_KEY)
            except CorruptedFileError:
                continue  # it is named when it is asked for
            if loss is not None:
                losses[epoch] = loss
        return min(losses, key=losses.__getitem__, default=None)

    def _delete(self, epoch: int) -> None:
        """Out of the way by one rename first: a kill half-way leaves no half checkpoint."""
        aside = self.folder / f".{epoch}.dropped.tmp"
        os.rename(self.path(epoch), aside)
        shutil.rmtree(aside, ignore_errors=True)


def _unused_path(folder: Path, name: str) -> Path:
    """A path in `folder` that nothing has."""
    candidates = [name, *(f"{name}-{number}" for number in range(2, 1000))]
    return next(folder / candidate for candidate in candidates if not (folder / candidate).exists())


class AsyncSaver:
    """Saves in a thread of its own, one at a time. What fails there is raised by the next call."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="save")
        self._pending: Future[None] | None = None

    @property
    def busy(self) -> bool:
        """Whether a save is under way."""
        return self._pending is not None and not self._pending.done()

    def submit(self, save: Callable[[], None]) -> None:
        """Start a save once the one before has ended."""
        self.wait()
        self._pending = self._thread.submit(save)

    def wait(self) -> None:
        """Until nothing is under way. Raises what the last save raised."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

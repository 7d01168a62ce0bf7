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

from aejax.config import KeepingConfig
from aejax.errors import require
from aejax.store.manifest import DamagedError
from aejax.store.records import Classes, put_together, take_apart
from aejax.store.runs import Run
from aejax.store.series import VALID_LOSS, Background, Series
from aejax.store.trees import load_folder, named, save_folder, unnamed
from aejax.train.state import Fit

WORKING = CHECKPOINTS, FOUND = ("checkpoints", "found")  # folders that only a run under way needs
SHARE = 0.05  # of a training's time that its saves may take


class Course(NamedTuple):
    """How a training went."""

    history: dict[str, Float[np.ndarray, "seeds epochs"]]
    diverged_epoch: Int[np.ndarray, " seeds"]  # 0: it did not
    seconds: float  # without compilation

    @property
    def epochs(self) -> int:
        """Epochs trained."""
        return self.history["train_loss"].shape[1]


def longer(first: Course | None, then: Course) -> Course:
    """Both, one after the other."""
    if first is None:
        return then
    history = {name: np.concatenate([first.history[name], own], axis=1) for name, own in then.history.items()}
    return Course(history, then.diverged_epoch, first.seconds + then.seconds)


class Stand(NamedTuple):
    """Where a training stands."""

    fit: Fit  # on the host, without padding
    course: Course
    loader: Any = None  # where its loader stood, if it had one


class Trail:
    """The checkpoints of one training, while it is under way. This one keeps none."""

    def latest(self, like: Fit) -> Stand | None:
        """Where it stood when it was last saved; `like` has the shapes and dtypes that it must have."""
        return None

    def offer(self, course: Course, fit: Callable[[], Fit], *, now: bool, loader: Any = None) -> None:
        """Save where it stands, if it is time, or `now` and to the end. `fit` fetches what the next call will take.

        `loader` is where a stream's loader stands, as plain JSON.
        """
        if self.due(now=now):
            self.save(Stand(fit(), course, loader), wait=now)

    def due(self, *, now: bool) -> bool:
        """Whether it is time."""
        return False

    def save(self, stand: Stand, *, wait: bool) -> None:
        """Save where it stands; return at once, or when it is written."""


class Keeper:
    """Keeps what a run has. This one keeps nothing: for library use, and for what is over in seconds."""

    def trail(self, name: str) -> Trail:
        """Of one training."""
        return Trail()

    def found(self, name: str) -> Any:
        """What was kept under this name, or None."""
        return None

    def keep(self, name: str, value: Any) -> None:
        """Keep a record, and drop the checkpoints of the training that led to it."""

    def settle(self) -> None:
        """Wait until everything is written. Raises what the last save raised."""


class FolderKeeper(Keeper):
    """Keeps in a run's folder.

    Args:
        run: whose.
        config: how often, and how many.
        classes: what records may be made of.
        say: where a line for the user goes.
    """

    def __init__(self, run: Run, config: KeepingConfig, classes: Classes, say: Callable[[str], None]) -> None:
        self._run, self._config, self._classes, self._say = run, config, classes, say
        self._background = Background()

    def trail(self, name: str) -> Trail:
        """Its checkpoints, from before or to come."""
        series = Series(self._run.folder / CHECKPOINTS / name, self._config.keep)
        return _FolderTrail(series, self._config, self._background, self._say)

    def found(self, name: str) -> Any:
        """Raises `DamagedError` if it is not what was kept."""
        folder = self._run.folder / FOUND / name
        if not folder.exists():
            return None
        try:
            return put_together(load_folder(folder), self._classes)
        except DamagedError as fault:
            if not self._config.allow_fallback:
                raise DamagedError(f"{fault}; --allow-fallback finds it anew") from None
            self._say(f"{fault}: found anew")
            shutil.rmtree(folder)
            return None

    def keep(self, name: str, value: Any) -> None:
        """Write the record in the background."""
        tree, meta = take_apart(value, self._classes)
        folder = self._run.folder

        def save() -> None:
            save_folder(folder / FOUND / name, tree, meta)
            for trail in [folder / CHECKPOINTS / name, *(folder / CHECKPOINTS).glob(f"{name}-stage-*")]:
                shutil.rmtree(trail, ignore_errors=True)
            self._run.mark("running")

        self._background.submit(save)

    def settle(self) -> None:
        self._background.wait()


class _FolderTrail(Trail):
    def __init__(
        self, series: Series, config: KeepingConfig, background: Background, say: Callable[[str], None]
    ) -> None:
        self._series, self._config, self._background, self._say = series, config, background, say
        self._last_save = self._asked = time.perf_counter()
        self._cost = 0.0  # seconds that the last save took from the training

    def latest(self, like: Fit) -> Stand | None:
        resumed = self._series.latest(allow_fallback=self._config.allow_fallback)
        if resumed is None:
            return None
        if resumed.passed_over:
            self._say(f"{resumed.passed_over}: going on from epoch {resumed.epoch}")
        folder, tree = self._series.at(resumed.epoch), resumed.saved.tree
        require({"fit", "history"} <= tree.keys(), f"{folder}: is no checkpoint of a training; give --overwrite")
        fit: Fit = unnamed(tree["fit"], like, str(folder))
        meta = resumed.saved.meta
        course = Course(tree["history"], np.asarray(fit.diverged_epoch), float(meta["seconds"]))
        return Stand(fit, course, meta.get("loader"))

    def due(self, *, now: bool) -> bool:
        self._asked = time.perf_counter()
        wanted = max(self._config.save_every, self._cost / SHARE if self._config.save_every else 0.0)
        late = self._asked - self._last_save >= wanted
        return now or (late and not (self._background.busy and self._config.save_every))

    def save(self, stand: Stand, *, wait: bool) -> None:
        fit, course, loader = stand
        tree = {"fit": named(fit), "history": {name: np.array(values) for name, values in course.history.items()}}
        meta = {"epoch": course.epochs, "seconds": course.seconds, VALID_LOSS: _mean_loss(course), "loader": loader}
        self._background.submit(lambda: self._series.save(course.epochs, tree, meta))
        if wait:
            self._background.wait()
        self._last_save = time.perf_counter()
        self._cost = self._last_save - self._asked  # fetching included


def _mean_loss(course: Course) -> float | None:
    """Latest validation loss, mean over the seeds that have one."""
    losses = course.history.get("valid_loss")
    if losses is None or not np.isfinite(losses[:, -1]).any():
        return None
    return float(np.nanmean(np.where(np.isfinite(losses[:, -1]), losses[:, -1], np.nan)))

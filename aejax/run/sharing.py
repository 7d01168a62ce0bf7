"""A keeper for a run of several processes: the first reads and writes, and tells the others."""

import json
from typing import Any

from aejax.run.keeping import Keeper, Stand, Trail
from aejax.run.processes import from_first, is_first
from aejax.store.records import Classes
from aejax.store.trees import named, unnamed
from aejax.train.state import Fit


class SharedKeeper(Keeper):
    """What the first process's keeper has, in all of them.

    A checkpoint is what one process would have written: all seeds, as NumPy. So a run that was begun by two processes
    may go on in one, or in four.
    """

    def __init__(self, of_first: Keeper, classes: Classes) -> None:
        self._of_first, self._classes = of_first, classes

    def trail(self, name: str) -> Trail:
        """Its checkpoints, from before or to come."""
        return _SharedTrail(self._of_first.trail(name), self._classes)

    def found(self, name: str) -> Any:
        """Raises `DamagedError` if it is not what was kept."""
        return from_first(lambda: self._of_first.found(name), self._classes)

    def keep(self, name: str, value: Any) -> None:
        """Write the record, in the first process."""
        if is_first():
            self._of_first.keep(name, value)

    def settle(self) -> None:
        """Wait until everything is written."""
        if is_first():
            self._of_first.settle()


class _SharedTrail(Trail):
    def __init__(self, of_first: Trail, classes: Classes) -> None:
        self._of_first, self._classes = of_first, classes

    def latest(self, like: Fit) -> Stand | None:
        def told() -> Any:
            stand = self._of_first.latest(like)
            return None if stand is None else (named(stand.fit), stand.course, json.dumps(stand.loader))

        found = from_first(told, self._classes)
        if found is None:
            return None
        fit, course, loader = found
        return Stand(unnamed(fit, like, "the first process"), course, json.loads(loader))

    def due(self, *, now: bool) -> bool:
        return from_first(lambda: self._of_first.due(now=now))

    def save(self, stand: Stand, *, wait: bool) -> None:
        if is_first():
            self._of_first.save(stand, wait=wait)

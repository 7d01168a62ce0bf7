"""Runs of one process share what they compile, and may be watched and killed between two epochs."""

import pytest
from resuming import Killed

from aejax.experiments import checkpointing as keeping
from aejax.experiments import experiment, training
from aejax.experiments.compilation import Compiler


@pytest.fixture
def compiled_once(monkeypatch):
    """Runs of one test share what they compile; a process of its own would compile the same again."""
    shared = Compiler()
    monkeypatch.setattr(experiment, "Compiler", lambda: shared)


@pytest.fixture
def killed_after(monkeypatch):
    """A function that has the process die, as it were, after so many more calls of a program that trains."""
    left = [0]
    offer = keeping._DiskCheckpointer.maybe_save

    def counted(self, *args, **others):
        offer(self, *args, **others)
        left[0] -= 1
        if left[0] == 0:
            self._background.wait()
            raise Killed

    monkeypatch.setattr(keeping._DiskCheckpointer, "maybe_save", counted)
    return lambda calls: left.__setitem__(0, calls)


@pytest.fixture
def first_epochs(monkeypatch):
    """The first epoch of every call of a program that trains, since it was last cleared."""
    seen = []
    orders = training.shuffle_epochs
    monkeypatch.setattr(
        training, "shuffle_epochs", lambda rows, first, *rest: seen.append(first) or orders(rows, first, *rest)
    )
    return seen

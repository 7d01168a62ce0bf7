"""Runs that are watched, or killed between two epochs."""

import pytest
from resuming import Killed

from aejax.experiments import checkpointing, compare, training


@pytest.fixture
def killed_after(monkeypatch):
    """Returns a function that makes the n-th next call of a training program the last: a kill after its save."""
    left = [0]
    maybe_save = checkpointing._DiskCheckpointer.maybe_save

    def counted(self, *args, **others):
        maybe_save(self, *args, **others)
        left[0] -= 1
        if left[0] == 0:
            self._saver.wait()
            raise Killed

    monkeypatch.setattr(checkpointing._DiskCheckpointer, "maybe_save", counted)
    return lambda calls: left.__setitem__(0, calls)


@pytest.fixture
def first_epochs(monkeypatch):
    """Returns a list that grows by the first epoch of every call of a training program."""
    seen = []
    orders = training.shuffle_epochs
    monkeypatch.setattr(
        training, "shuffle_epochs", lambda rows, first, *rest: seen.append(first) or orders(rows, first, *rest)
    )
    return seen


@pytest.fixture(scope="module")
def without_figures():
    """Comparisons of this module draw no figures, which take longer than small trainings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "plot_comparison", lambda *args: None)
        yield

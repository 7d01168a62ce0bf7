"""Runs that are watched, or killed between two epochs."""

import contextlib

import pytest
from preparing import prepare
from resuming import Killed

from aejax.experiments import checkpointing, compare, pretrain, training


@pytest.fixture(scope="module")
def experiment(request):
    """Returns the experiment of a file's `CONFIG`, before anything is trained."""
    return prepare(request.module.CONFIG)


@pytest.fixture
def killed_after(monkeypatch):
    """Returns a function that makes the n-th next call of a training program the last: a kill after its save."""
    left = [0]
    maybe_save = checkpointing.Checkpointer.maybe_save

    def counted(self, *args, **others):
        maybe_save(self, *args, **others)
        left[0] -= 1
        if left[0] == 0:
            self._saver.wait()
            raise Killed

    monkeypatch.setattr(checkpointing.Checkpointer, "maybe_save", counted)
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


DRAWN = {compare: "plot_comparison", pretrain: "plot_models"}
ORIGINALS = {module: getattr(module, name) for module, name in DRAWN.items()}


@pytest.fixture(scope="module", autouse=True)
def without_figures(request):
    """Draws figures of comparisons and pretrainings in modules with `DRAWS_FIGURES` only, as they take long."""
    with pytest.MonkeyPatch.context() as patch:
        if not getattr(request.module, "DRAWS_FIGURES", False):
            for module, name in DRAWN.items():
                patch.setattr(module, name, lambda *args: None)
        yield


@pytest.fixture(scope="module")
def draw_figures(without_figures):
    """Returns a context in which figures are drawn."""

    @contextlib.contextmanager
    def drawn():
        with pytest.MonkeyPatch.context() as patch:
            for module, name in DRAWN.items():
                patch.setattr(module, name, ORIGINALS[module])
            yield

    return drawn

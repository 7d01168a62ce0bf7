"""How much work a run is, and how long the rest of it takes."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

PRIOR_SECONDS = 2.0  # weight of what is known of all stages in the factor of one
MIN_SHARE_LEFT = 0.2  # of the seconds spent in a stage that takes longer than estimated


class Work(NamedTuple):
    """A part of a run: a method, a group of points, an analysis."""

    name: str
    seconds: Mapping[str, float]  # estimates by stage, in the order of the stages
    epochs: float = 0.0  # of the stage `train`
    is_counted: bool = True  # whether it ends with a line of its own


class TimeEstimate:
    """Seconds that are left of a run, from estimates by stage that measurements correct.

    The estimates of a stage are multiplied by the ratio of measured to estimated seconds, over the parts that had it.
    """

    def __init__(self, works: Sequence[Work] = (), clock: Callable[[], float] = time.monotonic) -> None:
        """Starts the clock.

        Args:
            works: the parts, in any order.
            clock: returns seconds.
        """
        self._clock, self._start = clock, clock()
        self._left = {work.name: dict(work.seconds) for work in works}
        self._epochs = {work.name: work.epochs for work in works}
        self._measured: dict[str, float] = {}
        self._estimated: dict[str, float] = {}
        self._name, self._stage, self._since = "", "", self._start
        self._epochs_done, self._epochs_before, self._advanced = 0.0, 0.0, self._start
        self._shown = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    def first_stage(self, name: str) -> str:
        """Returns the first stage of a part that has not taken place."""
        return next(iter(self._left.get(name, {})), "compile")

    def start(self, name: str, stage: str) -> None:
        """Ends the current stage and starts one of a part; a part that is not known counts for nothing."""
        if (name, stage) == (self._name, self._stage):
            return
        self._end_stage()
        if name != self._name:
            self._epochs_done = 0.0
        self._name, self._stage, self._since = name, stage, self._clock()
        self._epochs_before, self._advanced = self._epochs_done, self._since

    def advance(self, epochs: float) -> None:
        """Counts epochs of the current part, which is in its stage `train` from then on: it has been compiled."""
        self._epochs_done += epochs
        self.start(self._name, "train")
        self._advanced = self._clock()

    def finish(self) -> None:
        """Ends the current part, with stages that did not take place."""
        self._end_stage()
        self._left.pop(self._name, None)
        self._name, self._stage, self._since = "", "", self._clock()

    def _end_stage(self) -> None:
        """Compares the seconds of the current stage with their estimate."""
        estimate = self._left.get(self._name, {}).pop(self._stage, None)
        if estimate:
            self._measured[self._stage] = self._measured.get(self._stage, 0.0) + self._clock() - self._since
            self._estimated[self._stage] = self._estimated.get(self._stage, 0.0) + estimate

    def _measure(self) -> tuple[dict[str, float], dict[str, float]]:
        """Returns measured and estimated seconds by stage, with those of the current stage as far as it has come."""
        measured, estimated = dict(self._measured), dict(self._estimated)
        estimate = self._left.get(self._name, {}).get(self._stage, 0.0)
        spent, share = self._clock() - self._since, 1.0
        if self._stage == "train" and self._epochs.get(self._name):
            spent = self._advanced - self._since
            share = (self._epochs_done - self._epochs_before) / self._epochs[self._name]
        if estimate and spent > estimate * share:
            measured[self._stage] = measured.get(self._stage, 0.0) + spent
            estimated[self._stage] = estimated.get(self._stage, 0.0) + estimate * share
        return measured, estimated

    def _make_ratios(self) -> Callable[[str], float]:
        """Returns a function from a stage to the factor of its estimates: that of all, if little is known."""
        measured, estimated = self._measure()
        of_all = (sum(measured.values()) + PRIOR_SECONDS) / (sum(estimated.values()) + PRIOR_SECONDS)
        return lambda stage: (
            (measured.get(stage, 0.0) + PRIOR_SECONDS * of_all) / (estimated.get(stage, 0.0) + PRIOR_SECONDS)
        )

    def _left_of_stage(self, estimate: float) -> float:
        """Returns the seconds left of the current stage, of which all would take these."""
        since = self._since
        epochs = self._epochs.get(self._name, 0.0)
        if self._stage == "train" and epochs:
            each, since = estimate / epochs, self._advanced
            if (done := self._epochs_done - self._epochs_before) > 0:
                each = (self._advanced - self._since) / done
            estimate = each * max(epochs - self._epochs_done, 0.0)
        spent = self._clock() - since
        return max(estimate - spent, MIN_SHARE_LEFT * spent)

    def describe_epochs(self) -> str:
        """Returns the epoch of the current part: `epoch 45 of 100`; empty if it has none."""
        epochs = self._epochs.get(self._name, 0.0)
        return f"epoch {self._epochs_done:.4g} of {epochs:g}" if epochs and self._stage == "train" else ""

    @property
    def left(self) -> float:
        """Seconds that are left."""
        ratio, seconds = self._make_ratios(), 0.0
        for name, stages in list(self._left.items()):  # another thread may end a stage
            for stage, estimate in list(stages.items()):
                is_current = (name, stage) == (self._name, self._stage)
                corrected = estimate * ratio(stage)
                seconds += self._left_of_stage(corrected) if is_current else corrected
        return seconds

    @property
    def share(self) -> float:
        """The share of the run's seconds that have passed, which never decreases."""
        left = self.left
        self._shown = max(self._shown, self.elapsed / max(self.elapsed + left, 1e-9) if self._epochs else 0.0)
        return min(self._shown, 1.0)

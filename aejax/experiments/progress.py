"""Progress of a run: a live display on a terminal, lines elsewhere."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aejax.report.tables import LabelledText, plain_text, without_code_marks
from aejax.report.terminal import RunConsole

SECONDS_BETWEEN_LINES = 20.0
SPARKLINE = "▁▂▃▄▅▆▇█"
SPARKLINE_LENGTH = 12
PRIOR_SECONDS = 2.0  # weight of the estimates themselves in the ratio of measured to estimated seconds
MIN_SHARE_LEFT = 0.2  # of the seconds spent in a stage that takes longer than estimated


class Work(NamedTuple):
    """A part of a run: a method, a group of points, an analysis."""

    name: str
    seconds: Mapping[str, float]  # estimates by stage, in the order of the stages
    epochs: float = 0.0  # of the stage `train`
    is_counted: bool = True  # whether it ends with a line of its own


class TimeEstimate:
    """Seconds that are left of a run: those estimated, times the ratio of measured to estimated seconds so far.

    Args:
        works: the parts, in any order.
        clock: returns seconds.
    """

    def __init__(self, works: Sequence[Work] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._start = clock, clock()
        self._left = {work.name: dict(work.seconds) for work in works}  # estimates of what has not been done
        self._works = {work.name: work for work in works}
        self._name, self._stage, self._since = "", "", self._start
        self._done, self._epochs_done, self._shown = 0.0, 0.0, 0.0

    def first_stage(self, name: str) -> str:
        """Returns the first stage of a part that has not taken place."""
        return next((stage for stage, seconds in self._left.get(name, {}).items() if seconds), "compile")

    def start(self, name: str, stage: str) -> None:
        """Ends the current stage and starts one of a part; a part that is not known counts for nothing."""
        if (name, stage) == (self._name, self._stage):
            return
        if self._stage != "train":  # whose epochs tell what is left of it
            self._count_as_done(math.inf)
        if name != self._name:
            self._epochs_done = 0.0
        self._name, self._stage, self._since = name, stage, self._clock()

    def advance(self, epochs: float) -> None:
        """Counts epochs of the current part, which is in its stage `train` from then on: it has been compiled."""
        self.start(self._name, "train")
        self._epochs_done += epochs
        if work := self._works.get(self._name):
            share = epochs / work.epochs if work.epochs else 1.0
            self._count_as_done(share * work.seconds.get("train", 0.0))

    def finish(self) -> None:
        """Ends the current part, with stages that did not take place: a result from before takes no time."""
        self._count_as_done(self._clock() - self._since)
        self._left.pop(self._name, None)
        self._name, self._stage = "", ""

    def _count_as_done(self, seconds: float) -> None:
        """Counts estimated seconds of the current stage as done, at most those that are left of it."""
        stages = self._left.get(self._name, {})
        seconds = min(seconds, stages.get(self._stage, 0.0))
        if self._stage in stages:
            stages[self._stage] -= seconds
        self._done, self._since = self._done + seconds, self._clock()

    def describe_epochs(self) -> str:
        """Returns the epoch of the current part: `epoch 45 of 100`; empty if it has none."""
        epochs = self._works[self._name].epochs if self._name in self._works else 0.0
        return f"epoch {self._epochs_done:.4g} of {epochs:g}" if epochs and self._stage == "train" else ""

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self._clock() - self._start

    @property
    def left(self) -> float:
        """Seconds that are left."""
        estimate, spent = self._left.get(self._name, {}).get(self._stage, 0.0), self._clock() - self._since
        ratio = max(  # without the current stage, unless it takes longer already
            (self.elapsed - spent + PRIOR_SECONDS) / (self._done + PRIOR_SECONDS),
            (self.elapsed + PRIOR_SECONDS) / (self._done + estimate + PRIOR_SECONDS),
        )
        others = sum(sum(stages.values()) for stages in list(self._left.values())) - estimate
        return ratio * others + (max(ratio * estimate - spent, MIN_SHARE_LEFT * spent) if estimate else 0.0)

    @property
    def share(self) -> float:
        """The share of the run's seconds that have passed, which never decreases."""
        share = self.elapsed / max(self.elapsed + self.left, 1e-9) if self._works else 0.0
        self._shown = min(max(self._shown, share), 1.0)
        return self._shown


class ProgressReporter:
    """Receives the progress of a run. This one shows nothing: for use as a library."""

    is_shown = False  # whether anybody sees it
    verbose = False  # whether it shows models

    def describe(self, label: str, text: str, warnings: Sequence[str] = ()) -> None:
        """Called before anything is trained, with a fact about the run and what is suspicious about it."""

    def show(self, part: RenderableType) -> None:
        """Called with a table before anything is trained."""

    def begin(self, works: Sequence[Work]) -> None:
        """Called when everything has been described, with all parts of the run."""

    def start_method(self, method: str) -> None:
        """Called when a method, or another part of the run, starts."""

    def start_stage(self, stage: str) -> None:
        """Called when the method's next stage starts; `train` starts by `advance`."""

    def advance(self, epochs: float, loss: float) -> None:
        """Called after further epochs of the method, with the mean validation or training loss."""

    def set_status(self, text: str) -> None:
        """Called when a stage has something to show."""

    def finish_method(self, summary: str) -> None:
        """Called when the method has ended."""


SilentReporter = ProgressReporter


class ConsoleReporter(ProgressReporter):
    """Prints facts and finished methods, and knows what is done and how long the rest takes."""

    is_shown = True

    def __init__(self, console: Console) -> None:
        self.verbose = isinstance(console, RunConsole) and console.output.verbose
        self._console, self._estimate = console, TimeEstimate()
        self._method, self._stage, self._status = "data", "", ""
        self._names: dict[str, bool] = {}  # of methods: whether each has finished
        self._losses: list[float] = []

    def print_fact(self, label: str, text: str, style: str = "") -> None:
        """Prints a line with a label, or several on a terminal."""
        self._console.print(LabelledText(label, text, style), soft_wrap=not self._console.is_terminal)

    def describe(self, label: str, text: str, warnings: Sequence[str] = ()) -> None:
        self.print_fact(label, text)
        for warning in warnings:
            self.print_fact("warning", without_code_marks(warning), "yellow")

    def show(self, part: RenderableType) -> None:
        self._console.print(part)

    def begin(self, works: Sequence[Work]) -> None:
        """Starts the estimate of the time that is left."""
        self._estimate = TimeEstimate(works)
        self._names = {work.name: False for work in works if work.is_counted}

    def start_method(self, method: str) -> None:
        self._method, self._losses = method, []
        self.start_stage(self._estimate.first_stage(method))

    def start_stage(self, stage: str) -> None:
        self._stage, self._status = stage, ""
        self._estimate.start(self._method, stage)

    def advance(self, epochs: float, loss: float) -> None:
        self._stage, self._status = "train", ""
        self._estimate.advance(epochs)
        self._losses.append(loss)

    def set_status(self, text: str) -> None:
        self._status = text

    def finish_method(self, summary: str) -> None:
        self._estimate.finish()
        self._names[self._method] = True
        count = f"{sum(self._names.values())}/{len(self._names)}"
        self.print_fact(count, f"{self._method}: {summary}")

    def describe_stage(self) -> str:
        """Returns method, stage, epochs and loss."""
        parts = [self._stage if self._stage != self._method else "", self._estimate.describe_epochs(), self._status]
        if self._losses and not math.isnan(self._losses[-1]):
            parts.append(f"loss {self._losses[-1]:.4g}")
        return f"{self._method}: {', '.join(filter(None, parts))}".removesuffix(": ")

    def describe_time(self) -> str:
        """Returns the share that is done, the seconds that it took and those that are left."""
        share, elapsed, left = self._estimate.share, self._estimate.elapsed, self._estimate.left
        rest = f", about {format_clock(left)} left" if self._names else ""
        return f"{100 * share:.0f} %  {format_clock(elapsed)}{rest}"


class LineReporter(ConsoleReporter):
    """A line per method, and one every 20 seconds, for logs."""

    @contextmanager
    def shown(self) -> Iterator[ProgressReporter]:
        """Yields this reporter, while a thread prints regularly."""
        ended = threading.Event()

        def print_regularly() -> None:
            while not ended.wait(SECONDS_BETWEEN_LINES):
                self.print_fact("...", f"{self.describe_stage()}; {self.describe_time()}")

        thread = threading.Thread(target=print_regularly, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()


class LiveReporter(ConsoleReporter):
    """A bar that moves with time, and what is going on below it."""

    @contextmanager
    def shown(self) -> Iterator[ProgressReporter]:
        """Yields this reporter, while the bar is on the screen."""
        with Live(console=self._console, get_renderable=self._render, refresh_per_second=4, transient=True):
            yield self

    def _render(self) -> Group:
        line = Table.grid(padding=(0, 1, 0, 0), expand=True)
        line.add_column(ratio=1)
        line.add_column(no_wrap=True, overflow="crop")
        line.add_row(ProgressBar(total=1.0, completed=self._estimate.share), Text(self.describe_time()))
        sparkline = f" {format_sparkline(self._losses)}" if self._console.encoding.startswith("utf") else ""
        status = plain_text(self.describe_stage() + sparkline)
        status.no_wrap, status.overflow = True, "crop"
        return Group(line, status)


def format_clock(seconds: float) -> str:
    """Returns minutes and seconds, or hours before them.

    >>> format_clock(65.2), format_clock(3600)
    ('1:05', '1:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def format_sparkline(values: Sequence[float]) -> str:
    """Returns a bar for each of the values, or some of them, between the smallest and the largest.

    >>> format_sparkline([3.0, 2.0, float("nan"), 1.0])
    '█▄▁'
    """
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2 or min(finite) == max(finite):
        return ""
    count = min(len(finite), SPARKLINE_LENGTH)
    chosen = [finite[round(index * (len(finite) - 1) / (count - 1))] for index in range(count)]
    low, high = min(finite), max(finite)
    return "".join(SPARKLINE[int((value - low) / (high - low) * (len(SPARKLINE) - 1))] for value in chosen)


@contextmanager
def open_reporter(console: Console) -> Iterator[ProgressReporter]:
    """Yields the reporter that suits a console."""
    if console.quiet:
        yield SilentReporter()
        return
    with (LiveReporter if console.is_terminal else LineReporter)(console).shown() as reporter:
        yield reporter

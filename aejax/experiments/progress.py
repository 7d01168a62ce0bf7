"""Progress of a run: a live display on a terminal, lines elsewhere."""

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from aejax.experiments.time_estimate import TimeEstimate, Work
from aejax.report.tables import LabelledText, plain_text, without_code_marks
from aejax.report.terminal import RunConsole

SECONDS_BETWEEN_LINES = 20.0
SPARKLINE = "▁▂▃▄▅▆▇█"
SPARKLINE_LENGTH = 12


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
    """A line per method, and one for every 20 seconds without, for logs."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._ended, self._printed = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._print_regularly, daemon=True)

    def print_fact(self, label: str, text: str, style: str = "") -> None:
        """Prints a line, from which on the seconds count."""
        self._printed.set()
        super().print_fact(label, text, style)

    def _print_regularly(self) -> None:
        while not self._ended.wait(0):
            if not self._printed.wait(SECONDS_BETWEEN_LINES) and not self._ended.is_set():
                super().print_fact("...", f"{self.describe_stage()}; {self.describe_time()}")
            self._printed.clear()

    @contextmanager
    def shown(self) -> Iterator[ProgressReporter]:
        """Yields this reporter, while a thread prints regularly."""
        self._thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._printed.set()
            self._thread.join()


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

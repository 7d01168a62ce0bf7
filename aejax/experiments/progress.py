"""Progress of a run: a live display on a terminal, a line per method elsewhere."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text


class ProgressReporter:
    """Receives the progress of a run. This one shows nothing: for use as a library."""

    def describe_data(self, line: str, warnings: Sequence[str]) -> None:
        """Called once, before anything is trained, with what was understood of the data and what is suspicious."""

    def start_method(self, method: str) -> None:
        """Called when a method starts."""

    def advance(self, epochs: float, loss: float) -> None:
        """Called after further epochs of the method, with the mean validation or training loss."""

    def set_status(self, text: str) -> None:
        """Called when the method does something else than train."""

    def finish_method(self, summary: str) -> None:
        """Called when the method has ended."""


SilentReporter = ProgressReporter


class LineReporter(ProgressReporter):
    """One line per method, for logs."""

    def __init__(self, console: Console) -> None:
        self._console, self._method = console, ""

    def describe_data(self, line: str, warnings: Sequence[str]) -> None:
        """Prints a line each."""
        for text in (line, *(f"warning: {warning}" for warning in warnings)):
            self._console.print(Text(text), soft_wrap=True)

    def start_method(self, method: str) -> None:
        """Remember the name."""
        self._method = method

    def finish_method(self, summary: str) -> None:
        """Print the line."""
        self._console.print(f"{self._method}: {summary}", highlight=False, soft_wrap=True)


class LiveReporter(ProgressReporter):
    """A bar over all epochs of the run, with method, status, loss and time left."""

    def __init__(self, progress: Progress, total_epochs: int) -> None:
        self._progress, self._method = progress, ""
        self._task = progress.add_task("", total=total_epochs, what="loading")

    def describe_data(self, line: str, warnings: Sequence[str]) -> None:
        """Prints the line and the warnings above the bar, wrapped between words."""
        self._progress.console.print(Text(line))
        for warning in warnings:
            self._progress.console.print(Text(f"⚠ {warning}", style="yellow"))

    def start_method(self, method: str) -> None:
        """Show the name."""
        self._method = method
        self._progress.update(self._task, description=method, what="compiling")

    def advance(self, epochs: float, loss: float) -> None:
        """Advance the bar."""
        status = f"loss {loss:.4g}" if math.isfinite(loss) else "diverged"
        self._progress.update(self._task, advance=epochs, what=status)

    def set_status(self, text: str) -> None:
        """Show the status."""
        self._progress.update(self._task, what=text)

    def finish_method(self, summary: str) -> None:
        """Leave a line above the bar."""
        self._progress.console.print(f"[bold]{self._method}[/]  {summary}", highlight=False)


@contextmanager
def open_reporter(console: Console, total_epochs: int) -> Iterator[ProgressReporter]:
    """Yields the reporter that suits a console."""
    if not console.is_terminal:
        yield LineReporter(console)
        return
    columns = (
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs  {task.fields[what]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield LiveReporter(progress, total_epochs)

"""What a person sees while a run works: a live display on a terminal, a line per method elsewhere."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@runtime_checkable
class ProgressReporter(Protocol):
    """What the host loop tells."""

    def start_method(self, method: str) -> None:
        """A method starts."""

    def advance(self, epochs: float, loss: float) -> None:
        """`done` more epochs of the current method have ended; the latest mean validation or training loss."""

    def set_status(self, text: str) -> None:
        """What the current method does when it does not train."""

    def finish_method(self, summary: str) -> None:
        """The current method has ended."""


class SilentReporter:
    """Says nothing: for library use."""

    def start_method(self, method: str) -> None:
        """Nothing."""

    def advance(self, epochs: float, loss: float) -> None:
        """Nothing."""

    def set_status(self, text: str) -> None:
        """Nothing."""

    def finish_method(self, summary: str) -> None:
        """Nothing."""


class LineReporter(SilentReporter):
    """One line per method, for logs."""

    def __init__(self, console: Console) -> None:
        self._console, self._method = console, ""

    def start_method(self, method: str) -> None:
        """Remember the name."""
        self._method = method

    def finish_method(self, summary: str) -> None:
        """Print the line."""
        self._console.print(f"{self._method}: {summary}", highlight=False, soft_wrap=True)


class LiveReporter:
    """A bar over all epochs of the run: method, what it does, loss, time left."""

    def __init__(self, progress: Progress, total_epochs: int) -> None:
        self._progress, self._method = progress, ""
        self._task = progress.add_task("", total=total_epochs, what="loading")

    def start_method(self, method: str) -> None:
        """Show the name."""
        self._method = method
        self._progress.update(self._task, description=method, what="compiling")

    def advance(self, epochs: float, loss: float) -> None:
        """Advance the bar."""
        what = f"loss {loss:.4g}" if math.isfinite(loss) else "diverged"
        self._progress.update(self._task, advance=epochs, what=what)

    def set_status(self, text: str) -> None:
        """Show what goes on."""
        self._progress.update(self._task, what=text)

    def finish_method(self, summary: str) -> None:
        """Leave a line above the bar."""
        self._progress.console.print(f"[bold]{self._method}[/]  {summary}", highlight=False)


@contextmanager
def open_reporter(console: Console, total_epochs: int) -> Iterator[ProgressReporter]:
    """The reporter that suits a console."""
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

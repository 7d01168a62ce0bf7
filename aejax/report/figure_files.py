"""The figures of a run folder: one that cannot be drawn costs itself and a warning, and nothing else."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from matplotlib.figure import Figure

from aejax.errors import escape_unprintable, summarize_error
from aejax.report.page.blocks import PAGE_FILE
from aejax.report.run_page import write_page
from aejax.report.style import add_description, save_figure

FigureFormat = Literal["png", "svg", "pdf"]


@dataclasses.dataclass
class FigureFiles:
    """Writes figures and pages of a run whose results are written already, and collects what went wrong.

    Every figure is a PNG, which pages show, and in another `extra_format` also a file of that format.
    """

    folder: Path
    extra_format: FigureFormat = "png"
    description: str = ""  # a line that every figure has
    warnings: list[str] = dataclasses.field(default_factory=list)

    def write(self, name: str, draw: Callable[[], Figure]) -> None:
        """Draws and saves a figure; `name` ends in `.png`."""

        def save() -> None:
            figure = add_description(draw(), self.description)
            save_figure(figure, self.folder / name)
            if self.extra_format != "png":
                save_figure(figure, (self.folder / name).with_suffix(f".{self.extra_format}"))

        self.attempt(name, save)

    def attempt(self, name: str, write: Callable[[], object]) -> None:
        """Calls a function that writes a file; an exception becomes a warning."""
        try:
            write()
        except Exception as error:
            reason = escape_unprintable(f"{type(error).__name__}: {summarize_error(error)}")
            self.warnings.append(f"{name} could not be drawn ({reason}); every result is kept.")

    def write_page(self, results: dict[str, Any]) -> None:
        """Writes `report.html` with the figures and warnings so far, and adds all warnings to the results."""
        self.add_warnings(results)
        self.attempt(PAGE_FILE, lambda: write_page(results, self.folder))
        self.add_warnings(results)

    def add_warnings(self, results: dict[str, Any]) -> None:
        """Adds the warnings to `warnings` of the results, each once; results without warnings stay as they are."""
        if self.warnings:
            results["warnings"] = list(dict.fromkeys([*results.get("warnings", []), *self.warnings]))

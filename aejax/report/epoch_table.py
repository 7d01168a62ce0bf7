"""What is shown of a pretraining, every metric at some epochs: in Markdown, for a terminal, and its page."""

from functools import partial
from pathlib import Path

import numpy as np
from rich.console import RenderableType

from aejax.report.captions import all_warnings
from aejax.report.data_line import data_markdown
from aejax.report.examples import Examples, codes_section
from aejax.report.formatting import format_mean_ci, format_number, format_provenance, format_significant
from aejax.report.method_tables import code_metric_heading, code_metric_names
from aejax.report.page.blocks import PageTable, RunPage, Section
from aejax.report.page.training_pictures import picture_sections
from aejax.report.results import Results, diverged_seeds
from aejax.report.tables import Column, Paragraph, Table, TerminalTable, stack_parts, to_markdown


def epoch_table(results: Results) -> Table:
    """Returns the mean over seeds of every metric at up to twelve epochs, or rounds of a stream."""
    history = results["history"]

    def metric_at(name: str, epoch: int) -> str:
        value = history[name][epoch - 1]  # null is a number that is not finite
        return format_number(None if value is None else float(value))

    epochs = len(history["train_loss"])
    shown = sorted({*range(1, min(epochs, 7) + 1), *np.linspace(1, epochs, 6).astype(int).tolist()})
    columns = [Column("round" if "stream" in results["dataset"] else "epoch", str)]
    columns += [Column(name, partial(metric_at, name)) for name in history]
    return Table(columns, shown)


def code_table(results: Results) -> Table:
    """Returns a row for each metric of the test examples' codes, with its mean and 95 % interval over seeds."""

    def measure(name: str) -> str:
        return format_mean_ci(results["measures"][name], scale=1, decimals=3)

    columns = [
        Column("metric of the test examples", lambda name: code_metric_heading(name, results), "left"),
        Column("mean and 95 % interval", measure),
    ]
    return Table(columns, code_metric_names({**results, "methods": [results]}))


def render_pretrain_markdown(results: Results) -> str:
    """Returns `table.md` of a pretraining."""
    parts = [_heading(results), to_markdown(epoch_table(results)), *_codes(results)]
    return "\n\n".join([*parts, *data_markdown(results["dataset"])]) + "\n"


def render_pretrain_terminal(results: Results) -> RenderableType:
    """Returns the finding, the table and the warnings for a terminal."""
    warnings = all_warnings(results)
    if diverged := len(diverged_seeds(results)):
        warnings.append(f"{diverged} of {len(results['diverged_epoch'])} seeds diverged; lower `--learning-rate`.")
    caption = " ".join([f"{_heading(results)}.", *_codes(results)])
    return stack_parts([Paragraph(_finding(results)), TerminalTable(epoch_table(results))], caption, warnings)


def pretrain_page(results: Results, folder: Path | None, examples: Examples | None) -> RunPage:
    """Returns the page of a pretraining: what was trained, and how well it reconstructs."""
    title = f"{results['method']}, pretrained on {results['dataset']['name']}"
    sections = [
        *picture_sections(folder),
        codes_section(results, examples),
        Section("Codes", [PageTable("Codes", table)] if (table := code_table(results)).records else []),
        Section("Metrics by epoch", [PageTable("Metrics by epoch", epoch_table(results), "Means over seeds.")]),
    ]
    return RunPage(title, [_finding(results)], sections, format_provenance(results["environment"]))


def _finding(results: Results) -> str:
    """Returns how well a pretraining reconstructs, and its size."""
    mse = results["reconstruction_mse"]
    seeds = len(mse["per_seed"])
    count = f"{seeds} {'seed' if seeds == 1 else 'seeds'}"
    interval = "" if mse["ci95"] is None else f" [{', '.join(map(format_significant, mse['ci95']))}]"
    size = f"; {results['parameters']:,} parameters" if "parameters" in results else ""
    error = f"{format_significant(mse['mean'])}{interval}"
    return f"{results['method']}: reconstruction MSE {error} on the test examples, mean over {count}{size}."


def _heading(results: Results) -> str:
    monitored = {"valid": "validation rows", "test": "the test rows, as in the tutorial"}[results["config"]["monitor"]]
    return (
        f"{results['method']} on {results['dataset']['name']}, mean over {results['config']['seeds']} seed(s); "
        f"`valid_` is on {monitored}"
    )


def _codes(results: Results) -> list[str]:
    """Returns a sentence about the codes of the test examples, if there are metrics of them."""
    summary = "; ".join(
        f"{code_metric_heading(name, results)} {results['measures'][name]['mean']:.4g}"
        for name in code_metric_names({**results, "methods": [results]})
    )
    return [f"On the test examples, mean over seeds: {summary}."] if summary else []

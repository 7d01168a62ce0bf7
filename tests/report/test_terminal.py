"""What a terminal shows: nothing is cut at any width, and text from data is neither markup nor a control code."""

import io
import json
from pathlib import Path

import pytest

from aejax.config import OutputConfig
from aejax.report.captions import short_caption
from aejax.report.comparison_table import describe_reasons
from aejax.report.run_page import MARKDOWN, read_run, render_run_terminal
from aejax.report.tables import Column, Table, TerminalTable
from aejax.report.terminal import RunConsole, print_results

RESULTS = Path(__file__).parents[2] / "results"
HOSTILE = "[/bold] [red]x[/red] :smile: \x1b[31m\x07"


def committed(name):
    return read_run(RESULTS / name, MARKDOWN)


def shown(renderable, width=80, **options):
    console = RunConsole(width=width, file=io.StringIO(), **options)
    console.print(renderable)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [44, 80, 200])
@pytest.mark.parametrize("name", ["digits", "sweep-tabular"])
def test_nothing_is_cut_at_any_width(name, width):
    results = committed(name)
    text = shown(render_run_terminal(results, details=True), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    words = text.split()
    for row in (*results["comparisons"], *results.get("methods", ())):
        assert (row["method"] if "method" in row else row["name"]).split()[0] in words


@pytest.mark.parametrize("width", [60, 200])
def test_every_comparison_is_a_row_with_its_verdict(width):
    results = committed("digits")
    text = shown(render_run_terminal(results), width)
    for row in results["comparisons"]:
        lines = map(str.split, text.splitlines())
        line = next(line for line in lines if line[:2] == [row["method"], row["baseline"]])
        assert line[2] == f"{100 * row['mean_difference']:+.2f}"
        assert row["verdict"].split()[0] in line
    table, details = (shown(render_run_terminal(results, details=details)) for details in (False, True))
    assert all(reason in " ".join(details.split()) for reason in describe_reasons(results))
    for heading in ("NLL", "Brier", "p (Holm)"):
        assert heading not in table
        assert heading in details


@pytest.mark.parametrize("name", ["digits", "digits-labels-1", "sweep-tabular"])
def test_the_caption_has_at_most_four_lines_of_80(name):
    assert len(short_caption(committed(name))) <= 4 * 76


def test_columns_that_do_not_fit_become_another_table_with_the_keys():
    columns = [Column("key", str, "left"), *(Column(f"column{number}", lambda _: "x" * 12) for number in range(9))]
    text = shown(TerminalTable(Table(columns, ["a", "b"])), 40)
    assert text.count("x" * 12) == 18
    assert [line.split()[0] for line in text.splitlines() if "xxx" in line] == ["a", "b"] * 5


def with_hostile_names(value):
    """Returns results whose every name of a class, method or data set ends in markup and control codes."""
    if isinstance(value, dict):
        names = ("name", "method", "baseline", "family", "label_source", "layout")
        return {
            key: value[key] + HOSTILE
            if key in names and isinstance(value[key], str)
            else with_hostile_names(value[key])
            for key in value
        }
    if isinstance(value, list):
        return [with_hostile_names(item) for item in value]
    return value


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("name", ["digits", "sweep-tabular", "tutorial-tabular"])
def test_hostile_names_are_shown_as_they_are(name, terminal):
    results = committed(name)
    if name == "digits":
        results["dataset"]["class_names"] = [HOSTILE] * 10
        results["dataset"]["warnings"] = [HOSTILE]
    kept = {"config": results["config"]}
    results.pop("sensitivity", None)
    results = {**with_hostile_names(results), **kept}
    text = shown(render_run_terminal(results), 200, force_terminal=terminal, color_system=None)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert r"[/bold] [red]x[/red] :smile: \x1b[31m\x07" in " ".join(text.split())


def test_quiet_prints_the_findings_alone_and_json_the_results(capsys):
    file = io.StringIO()
    console = RunConsole(OutputConfig(quiet=True), file=file)
    console.print_line("progress")
    print_results(console, {"a": 1}, "finding [red]", Path("out[/bold]"), "files")
    assert file.getvalue() == "finding [red]\n"
    print_results(RunConsole(OutputConfig(json=True)), {"a": float("nan")}, "finding", Path("out"), "files")
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"a": None}
    console = RunConsole(file=(file := io.StringIO()))
    print_results(console, {}, "finding", Path("out[/bold]\x1b[31m"), "files")
    assert file.getvalue() == "finding\nout[/bold]\\x1b[31m: files\n"


@pytest.mark.parametrize(("columns", "width"), [("60", 60), (None, 100)])
def test_a_piped_console_is_as_wide_as_columns_or_100(monkeypatch, columns, width):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    assert RunConsole(file=io.StringIO()).width == width

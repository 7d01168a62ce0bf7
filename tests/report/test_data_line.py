"""The line about the data states each field, and shows text of the data as it is, never as markup."""

import io
import re

import markdown_it
import pytest
from rich.console import Console

from aejax.experiments.progress import LineReporter, open_reporter
from aejax.report.comparison_table import render_comparison_markdown, render_comparison_terminal
from aejax.report.data_line import data_markdown, escape_markdown, format_data_line
from tests.consoles import render

WINE = {
    "name": "wine.csv",
    "rows": 178,
    "features": 13,
    "class_names": ["a", "b", "c"],
    "class_counts": [59, 71, 48],
    "unlabelled": 0,
    "groups": None,
    "label_source": "column 'cultivar' (named by --label-column)",
    "layout": "CSV with header in line 1",
    "notes": ["dropped: 'Unnamed: 0' (row index)"],
    "warnings": [],
}


def test_the_line_has_every_field():
    assert format_data_line(WINE) == (
        "data: wine.csv, 178 rows, 13 features; label: column 'cultivar' (named by --label-column), 3 classes (a: 59, "
        "b: 71, c: 48; majority 39.9 %); CSV with header in line 1; dropped: 'Unnamed: 0' (row index)"
    )


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"class_counts": [50, 50, 50]}, "3 classes of 50 each (majority 33.3 %)"),
        (
            {"class_counts": [50] * 9 + [1], "class_names": list("abcdefghij")},
            "10 classes of 1 to 50 rows (majority 11",
        ),
        ({"class_counts": [5], "class_names": ["unlabelled"], "label_source": "none"}, "label: none;"),
        ({"unlabelled": 7}, "; 7 rows without a label, for autoencoders only;"),
        ({"groups": 1200}, "1,200 groups that no split divides"),
        ({"name": "two\nlines\x1b[31m"}, r"data: two\nlines\x1b[31m, 178 rows"),
    ],
)
def test_the_line_depends_on_the_data(fields, part):
    assert part in format_data_line({**WINE, **fields})


def test_earlier_results_have_no_line():
    assert format_data_line({"name": "old", "n_train": 3}) == ""
    assert data_markdown({"name": "old", "n_train": 3}) == []


HOSTILE = "[red]a[/red] | *b* _c_ `d` <script>e</script> ![f](g) [h][i] $j$ ~~k~~ #l \\m"


def test_markdown_shows_the_text_itself():
    html = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(escape_markdown(HOSTILE))
    text = html.removeprefix("<p>").removesuffix("</p>\n")
    assert text == HOSTILE.replace("<", "&lt;").replace(">", "&gt;")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_console_shows_the_text_itself_and_wraps_between_words(terminal):
    console = Console(file=io.StringIO(), width=80, force_terminal=terminal, color_system=None)
    with open_reporter(console) as reporter:
        assert isinstance(reporter, LineReporter) != terminal
        reporter.describe(
            "data", format_data_line({**WINE, "label_source": HOSTILE}), [f"column {HOSTILE} --drop-columns x"]
        )
    shown = console.file.getvalue()
    assert f"label: {HOSTILE}" in " ".join(shown.split())
    assert f"column {HOSTILE} --drop-columns x" in " ".join(shown.split())
    lines = [re.sub(r"\x1b\[\??\d+\w", "", line) for line in shown.splitlines() if "epochs" not in line]
    assert terminal or len(lines) == 2  # one line each in a log
    assert not terminal or max(map(len, lines)) <= 80


def test_a_page_and_a_terminal_show_what_is_suspicious(results):
    results["dataset"].update(WINE, warnings=["column 'x' is an id; --drop-columns x"])
    page = render_comparison_markdown(results)
    assert escape_markdown(format_data_line(results["dataset"])) in page
    assert "\n- ⚠ column 'x' is an id; --drop-columns x\n" in page
    assert "⚠ column 'x' is an id; --drop-columns x" in render(render_comparison_terminal(results))


@pytest.mark.parametrize(
    ("trainings", "unused", "shown"),
    [
        (10, 0, "test: 2 x 5-fold cross-validation, 359 rows each"),
        (7, 0, "test: 2 x 5-fold cross-validation, 359 rows each, of which 7 folds are used"),
        (10, 12, "test: 2 x 5-fold cross-validation, 359 rows each, up to 12 rows of larger folds left out"),
    ],
)
def test_the_folds_of_a_cross_validation_are_shown(trainings, unused, shown):
    dataset = {"name": "a", "rows": 1797, "features": 64, "class_names": ["0", "1"], "class_counts": [900, 897]}
    folds = {"folds": 5, "repetitions": 2, "n_test": 359, "trainings": trainings, "unused_in_folds": unused}
    assert shown in format_data_line({**dataset, **folds}).split("; ")
    assert "test:" not in format_data_line({**dataset, "folds": 1, "repetitions": 1, "n_test": 360})

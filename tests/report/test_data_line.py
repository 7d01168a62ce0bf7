"""The line about the data states each field, and shows text of the data as it is, never as markup."""

import markdown_it
import pytest

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


def test_a_page_and_a_terminal_show_what_is_suspicious(results):
    results["dataset"].update(WINE, warnings=["column 'x' is an id; --drop-columns x"])
    page = render_comparison_markdown(results)
    assert escape_markdown(format_data_line(results["dataset"])) in page
    assert "\n- ⚠ column 'x' is an id; --drop-columns x\n" in page
    assert "⚠ column 'x' is an id; --drop-columns x" in render(render_comparison_terminal(results))


@pytest.mark.parametrize(
    ("trainings", "unused", "shown"),
    [(10, 0, ""), (7, 12, ", of which 7 folds are used, up to 12 rows of larger folds left out")],
)
def test_the_folds_of_a_cross_validation_are_shown(trainings, unused, shown):
    folds = {"folds": 5, "repetitions": 2, "n_test": 359, "trainings": trainings, "unused_in_folds": unused}
    parts = format_data_line({**WINE, **folds}).split("; ")
    assert f"test: 2 x 5-fold cross-validation, 359 rows each{shown}" in parts
    assert "test:" not in format_data_line({**WINE, "folds": 1, "repetitions": 1, "n_test": 360})

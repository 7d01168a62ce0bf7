"""The page of a comparison: self-contained, escaped, and with the finding, every verdict and every figure."""

import html
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from aejax.report.differences_plot import plot_differences
from aejax.report.findings import describe_findings
from aejax.report.frames import methods_frame, per_seed_frame, verdicts_frame
from aejax.report.html_page import render_comparison_page
from aejax.report.results import with_roles

HOSTILE = '<img src=x onerror="alert(1)">'


def test_the_page_has_the_findings_the_verdicts_and_the_figures(results, tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "codes.png")
    page = render_comparison_page(results, tmp_path)
    text = html.unescape(page)
    assert all(sentence in text for sentence in describe_findings(results))
    assert page.count("<svg") == 2
    assert page.count("data:image/png;base64,") == 1
    assert results["environment"]["command"] in text
    verdicts = page.split("<h2>Verdicts</h2>")[1].split("</table>")[0]
    assert verdicts.count("<tr>") == 1 + len(results["comparisons"])


def test_text_from_data_is_never_markup_and_nothing_is_loaded(results):
    results["dataset"]["name"] = results["methods"][0]["name"] = HOSTILE
    results["dataset"]["class_names"] = [HOSTILE] * 10
    page = render_comparison_page(results)
    assert HOSTILE not in page
    assert "&lt;img src=x" in page
    addresses = set(re.findall(r'(?:src|href)="([^"]*)"', page))
    assert all(address.startswith(("#", "data:")) for address in addresses)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")
def test_a_browser_sorts_a_table_and_reports_no_error(results, tmp_path):
    click = "<script>document.querySelectorAll('table')[1].querySelectorAll('th button')[1].click()</script></body>"
    page = tmp_path / "page.html"
    page.write_text(render_comparison_page(results).replace("</body>", click))
    command = ["chromium", "--headless", "--no-sandbox", "--enable-logging=stderr", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr
    methods = done.stdout.split("<h2>Methods</h2>")[1].split("</table>")[0]
    widths = [int(width) for width in re.findall(r'<td class="right" data-number="(\d+)\.0">', methods)]
    sorted_first_column = widths[:: max(1, len(widths) // len(results["methods"]))]
    assert sorted_first_column == sorted(sorted_first_column, reverse=True)


def test_the_figure_has_a_marker_for_every_comparison(results):
    axes = plot_differences(with_roles(results)).axes[0]
    assert len(axes.get_yticks()) == len(results["comparisons"])
    points = [line.get_xdata()[0] for line in axes.lines if line.get_marker() not in ("None", "")]
    np.testing.assert_allclose(points, [100 * row["mean_difference"] for row in results["comparisons"]])


def test_frames_hold_the_numbers_of_the_results(results):
    results = with_roles(results)
    verdicts, methods, seeds = verdicts_frame(results), methods_frame(results), per_seed_frame(results)
    assert verdicts["difference"].tolist() == [row["mean_difference"] for row in results["comparisons"]]
    assert methods["accuracy"].tolist() == [method["test_accuracy"]["mean"] for method in results["methods"]]
    per_seed = [value for method in results["methods"] for value in method["test_accuracy"]["per_seed"]]
    assert seeds["accuracy"].tolist() == per_seed

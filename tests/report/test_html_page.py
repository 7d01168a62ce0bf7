"""The page of a run: self-contained, escaped, and with the finding, every verdict and every figure."""

import html
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aejax.report.comparison_figures import plot_differences
from aejax.report.examples import Examples, hardest_rows, read_examples, write_examples
from aejax.report.findings import describe_findings
from aejax.report.frames import methods_frame, per_seed_frame, verdicts_frame
from aejax.report.results import with_roles
from aejax.report.run_page import MARKDOWN, read_run, render_run_page, render_run_terminal, write_runs_page

HOSTILE = '<img src=x onerror="alert(1)">'
RESULTS = Path(__file__).parents[2] / "results"
OLD_RUNS = Path(__file__).parents[1] / "fixtures" / "version-0.1.0"
OTHER_RUNS = ("tutorial-deep", "tutorial-single-probe", "sweep-precision", "explore-conv")
needs_browser = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on this machine")


@pytest.fixture
def folder(results, tmp_path):
    """A run folder with pictures, learning curves, predictions and examples."""
    generator, names = np.random.default_rng(0), [method["name"] for method in results["methods"]]
    results["dataset"]["class_names"] = [HOSTILE, *"123456789"]
    for picture in ("learning_curves", "reconstructions"):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{picture}.png")
    labels, images = np.arange(40) % 10, generator.integers(0, 255, (40, 8, 8, 1), dtype=np.uint8)
    codes = {name: generator.standard_normal((30, 2)) for name in names[4:]}
    write_examples(tmp_path, Examples(np.arange(100, 140), labels, images, [], codes))
    predicted = np.stack([np.tile((labels + (generator.random(40) < 0.3)) % 10, (2, 1))] * len(names)).astype(np.uint8)
    log_prob = np.where(predicted == labels, -0.1, -3.0).astype(np.float32)
    index, truth = np.tile(np.arange(100, 140), (2, 1)), np.tile(labels, (2, 1))
    scores = {"predicted": predicted, "log_prob": log_prob, "test_index": index, "test_label": truth}
    np.savez(tmp_path / "scores.npz", method=np.array(names), **scores)
    return tmp_path


def section(page, title):
    return page.split(f">{title}</h2>")[1].split("</section>")[0]


def test_the_page_has_the_findings_the_verdicts_and_every_figure(results, folder):
    page = render_run_page(results, folder)
    text = html.unescape(page)
    assert all(sentence in text for sentence in describe_findings(with_roles(results)))
    assert results["environment"]["command"] in text
    assert section(page, "From raw inputs to the trained encoder").count("<svg") == 3
    assert section(page, "Verdicts").count("<svg") == 1 + len(results["comparisons"])
    assert section(page, "Methods").count("<svg") == 1 + len(results["methods"])
    for title in ("Learning curves", "Reconstructions and samples"):
        assert section(page, title).count("data:image/png;base64,") == 1
    assert section(page, "Codes in two dimensions").count("<circle") == 3 * 30
    assert section(page, "Confusion matrices").count("<caption>") == 2
    assert 'class="thumb"' in section(page, "The worst errors")
    assert len(page) < 3e6


def test_the_untrained_step_is_the_encoder_of_the_same_kind(results):
    untrained = {**results["methods"][2], "name": "random-denoising"}
    projection = {**results["methods"][2], "name": "random-projection"}
    results["methods"] += [untrained, projection]
    others = [row for row in results["comparisons"] if row["method"] == "denoising"]
    results["comparisons"] = [{**others[0], "baseline": m["name"]} for m in (projection, *results["methods"])]
    untrained["test_accuracy"] = {**untrained["test_accuracy"], "mean": 0.123}
    said = section(render_run_page(results), "From raw inputs to the trained encoder")
    assert "untrained 12.3" in said


def test_a_damaged_or_missing_file_costs_its_section_only(results, folder):
    for name in ("examples.npz", "scores.npz"):
        (folder / name).write_bytes(b"PK\x03\x04 damaged")
    (folder / "learning_curves.png").unlink()
    (folder / "metrics.jsonl").write_text("{}\n")
    page = render_run_page(results, folder)
    assert ">Learning curves</h2>" not in page
    assert section(page, "Verdicts")


def test_examples_are_the_same_after_writing_and_the_hardest_come_first(tmp_path):
    saved = Examples(np.arange(3), np.arange(3), np.ones((3, 2)), ["a", "$"], {"$": np.ones((2, 2), np.float32)})
    write_examples(tmp_path, saved)
    for before, after in zip(saved, read_examples(tmp_path), strict=True):
        np.testing.assert_equal(after, before)
    log_prob, index = np.array([[-1.0, -5.0], [-np.inf, -2.0]]), np.array([[7, 8], [9, 7]])
    assert hardest_rows(log_prob, index, 2).tolist() == [9, 8]


def test_text_from_data_is_never_markup_and_nothing_is_loaded(results, folder):
    results["dataset"]["name"] = results["methods"][0]["name"] = HOSTILE
    page = render_run_page(results, folder)
    assert HOSTILE not in page
    assert "&lt;img src=x" in page
    addresses = set(re.findall(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)', page))
    assert all(address.startswith(("#", "data:")) for pair in addresses for address in pair if address)


@pytest.mark.parametrize("run", ["sweep", "compare", "pretrain", "probe"])
def test_learning_curves_are_drawn_where_a_run_has_no_figure_of_them(run):
    page = render_run_page(read_run(OLD_RUNS / run, MARKDOWN), OLD_RUNS / run)
    assert section(page, "Learning curves").count("data:image/png;base64,") == 1


def test_the_page_of_a_pretraining_has_its_seeds_and_the_intervals_of_its_code_metrics():
    page = render_run_page(read_run(OLD_RUNS / "pretrain", MARKDOWN), OLD_RUNS / "pretrain")
    assert "mean over 2 seeds" in page
    for text in ("ELBO, nats", "-25.803 [-90.207, 38.601]", "KL, nats", "1.284 [0.161, 2.408]"):
        assert text in section(page, "Codes")


def test_every_kind_of_run_has_a_page_and_several_are_one_page_with_links(tmp_path):
    runs = {RESULTS / name: read_run(RESULTS / name, MARKDOWN) for name in OTHER_RUNS}
    assert all(map(render_run_terminal, runs.values()))
    write_runs_page(runs, tmp_path / "all.html")
    page = (tmp_path / "all.html").read_text()
    articles = page.split("<article")[1:]
    assert len(articles) == len(OTHER_RUNS)
    for article in articles:
        assert article.count('class="finding"')
        assert article.count("<section") > 1  # the last one says how it was made
        assert len(article) < 3e6
    identifiers = re.findall(r' id="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(identifiers)


def dump_in_browser(page, script, file):
    """Returns the page after a script, as chromium shows it; fails if anything was written to the console."""
    file.write_text(page.replace("</body>", f"<script>{script}</script></body>"))
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    done = subprocess.run([*command, file.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr
    return done.stdout


@needs_browser
def test_a_browser_sorts_hovers_and_draws_everything_without_an_error(results, folder):
    script = """
      document.querySelectorAll("table.sortable")[1].querySelectorAll("th button")[1].click();
      const svg = document.querySelector("svg[data-examples]"), out = (text) => document.body.append("|" + text);
      svg.querySelector("circle").dispatchEvent(new PointerEvent("pointerover", {bubbles: true}));
      out("hover " + document.getElementById("tip").textContent);
      svg.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
      out("key " + document.getElementById("tip").textContent);
      const shown = [...document.querySelectorAll("svg, img")].filter((e) => !e.closest("details"));
      const empty = shown.filter((e) => !e.getBoundingClientRect().height);
      out("undrawn " + empty.length + "; images " + document.querySelectorAll("img").length);
      const nameless = [...document.querySelectorAll("svg, [role=img]")].filter((e) => !e.getAttribute("aria-label"));
      out("nameless " + nameless.length + "; wide " + (document.documentElement.scrollWidth > innerWidth));
    """
    shown = dump_in_browser(render_run_page(results, folder), script, folder / "page.html")
    text = html.unescape(shown)
    assert f"|hover row 100, class {HOSTILE}|key row 101, class 1|undrawn 0; images 2|nameless 0; wide false" in text
    widths = re.findall(r'data-label="d">(\d+)<', section(shown, "Methods"))
    assert [int(width) for width in widths] == sorted(map(int, widths), reverse=True)


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

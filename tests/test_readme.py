"""The README and the pages under results/ agree with the numbers from which they are made."""

import functools
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmark import report as benchmark_report
from benchmark import stream as benchmark_stream
from benchmark.report import summary_table

from aejax.autoencoders.registry import KINDS
from aejax.config import CompareConfig, DataConfig, ProbeConfig, TrainConfig
from aejax.experiments.compare import compare
from aejax.methods.autoencoders import autoencoder_method
from aejax.methods.registry import METHODS
from aejax.report.analysis_page import render_analysis_page
from aejax.report.comparison_table import render_comparison_markdown
from aejax.report.index import render_index
from aejax.report.replication import ledger_headline, render_ledger_page
from aejax.report.results import read_results, with_roles
from aejax.report.sweep_table import render_sweep_markdown
from aejax.report.verification_page import render_verification_page
from tests.consoles import quiet
from tests.robustness import report as robustness_report

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_readme_has_the_two_commands_that_ci_runs():
    commands = re.findall(r"^python3 -m venv .*$", README, flags=re.MULTILINE)
    assert len(commands) == 2
    assert commands[0].endswith("scripts/compare.py")
    assert commands[1].endswith("-m pytest")


def test_the_results_page_is_rendered_from_the_committed_results():
    assert (ROOT / "results" / "README.md").read_text() == render_index(ROOT / "results")


PAGES: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "explore.json": ("explore.md", render_analysis_page),
    "ledger.json": ("ledger.md", render_ledger_page),
    "verify.json": ("verify.md", render_verification_page),
}
RESULTS_TABLES = {
    "compare": lambda results: render_comparison_markdown(with_roles(results)),
    "sweep": render_sweep_markdown,
}


def test_every_page_of_a_run_is_rendered_from_its_committed_numbers():
    expected = {}
    for path in (ROOT / "results").glob("*/*.json"):
        content = json.loads(path.read_text())
        if path.name in PAGES:
            name, render = PAGES[path.name]
            expected[path.with_name(name)] = render(content)
        elif path.name == "results.json" and content.get("kind", "compare") in RESULTS_TABLES:
            expected[path.with_name("table.md")] = RESULTS_TABLES[content.get("kind", "compare")](content)
    assert len(expected) >= 25
    assert [path for path, text in expected.items() if path.read_text() != text] == []


def test_every_committed_result_names_its_command_machine_and_seconds():
    for path in (ROOT / "results").glob("*/results.json"):
        environment = json.loads(path.read_text())["environment"]
        assert environment["command"].startswith("python scripts/"), path
        assert environment["machine"], path
        assert environment["seconds"] > 0, path


def test_the_readmes_comparison_is_the_committed_one():
    table = render_comparison_markdown(with_roles(read_results(ROOT / "results" / "digits" / "results.json")))
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert rows
    assert all(row in README for row in rows[: rows.index(next(row for row in rows if "sparse-l1" in row)) + 1])


def test_the_readmes_first_screen_has_the_ledgers_headline():
    ledger = json.loads((ROOT / "results" / "ledger" / "ledger.json").read_text())
    first_screen = " ".join(README.split("## Two commands")[0].split())
    assert ledger_headline(ledger) in first_screen


def test_the_readmes_speeds_are_the_committed_ones():
    measured = json.loads((ROOT / "results" / "benchmark" / "results.json").read_text())
    assert summary_table(measured["workloads"]) in README


def test_the_readmes_stream_rates_are_the_committed_ones():
    stream = json.loads((ROOT / "results" / "stream" / "stream.json").read_text())
    entries = stream["mnist"]["entries"]
    text = " ".join(README.split("### Data larger than memory")[1].split("\n## ")[0].split())
    shown = ["npy, windows of 16384", "array_record, windows of 16384", "array_record, one window"]
    assert re.findall(r"([\d.]+) %", text) == [f"{100 * entries[name]['ratio']:.1f}" for name in shown]
    assert f"a set of {stream['large']['bytes'] / 1e9:.1f} GB" in text
    assert f"used at most {stream['large']['memory']['resident_peak'] / 2**30:.1f} GiB of memory" in text


def test_the_readmes_command_times_and_memory_are_the_committed_ones():
    measured = json.loads((ROOT / "results" / "benchmark-commands" / "results.json").read_text())
    of = {entry["name"]: entry["contenders"][0] for entry in measured["workloads"]}
    text = " ".join(README.split())
    assert f"took {of['cold-start']['seconds']['median']:.1f} s on digits" in text
    assert f"on MNIST used at most {of['memory-mnist']['peak_memory_bytes'] / 1e9:.2f} GB of memory" in text


@pytest.mark.parametrize(
    ("source", "page", "render"),
    [
        ("benchmark-probe-path/results.json", "benchmark-probe-path/table.md", benchmark_report.render_markdown),
        ("faults/faults.json", "faults/faults.md", robustness_report.render_markdown),
        ("stream/stream.json", "stream/stream.md", benchmark_stream.render_markdown),
    ],
)
def test_the_pages_of_benchmarks_and_promises_are_their_rendering(source, page, render):
    assert (ROOT / "results" / page).read_text() == render(json.loads((ROOT / "results" / source).read_text()))


def test_the_readmes_robustness_table_is_the_committed_one():
    faults = json.loads((ROOT / "results" / "faults" / "faults.json").read_text())
    saves = json.loads((ROOT / "results" / "saves" / "saves.json").read_text())
    assert robustness_report.promises_table(faults, saves) in README


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README))))
def test_every_relative_link_of_the_readme_exists(target):
    assert (ROOT / target).exists()


def test_every_flag_in_the_readme_exists():
    folders = [ROOT / name for name in ("aejax/config", "scripts", "scripts/benchmark", "tests/robustness")]
    sources = [path for folder in folders for path in folder.glob("*.py")]
    known = "".join(path.read_text() for path in sources)
    ours = re.sub(r"^srun .*? python", "python", README, flags=re.MULTILINE)  # SLURM has flags of its own
    for flag in set(re.findall(r"--([a-z][a-z-]+)", ours)) - {"help"}:
        name = flag.removeprefix("no-").replace("-", "_")
        assert re.search(rf"^    {name}\b", known, flags=re.MULTILINE), f"--{flag}"


def test_the_readmes_custom_kind_trains(monkeypatch, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    code = next(block for block in blocks if "-> AutoencoderSpec" in block)
    names: dict = {}
    exec(code, names)
    kind = names["decorrelated"]
    monkeypatch.setitem(KINDS, "decorrelated", kind)
    monkeypatch.setitem(METHODS, "decorrelated", functools.partial(autoencoder_method, "decorrelated"))
    config = CompareConfig(
        data=DataConfig(dataset="wine"),
        train=TrainConfig(epochs=3),
        probe=ProbeConfig(probe_c=1.0),
        seeds=2,
        methods=("raw", "undercomplete", "decorrelated"),
    )
    results = compare(config, tmp_path / "run", quiet())
    plain, decorrelated = (method["reconstruction_mse"]["mean"] for method in results["methods"][1:])
    assert decorrelated != plain
    assert [c["method"] for c in results["comparisons"]] == ["undercomplete", "decorrelated"]

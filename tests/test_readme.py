"""README, documentation and the pages under results/ agree with the numbers from which they are made; links lead on."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmark import report as benchmark_report
from benchmark import stream as benchmark_stream
from benchmark import summaries, training_profile

from aejax.experiments.rejudge import rejudge_run
from aejax.report.analysis_page import render_analysis_page
from aejax.report.comparison_table import render_comparison_markdown
from aejax.report.index import render_index
from aejax.report.replication import ledger_headline, render_ledger_page
from aejax.report.results import with_roles
from aejax.report.study_table import render_study_markdown
from aejax.report.sweep_table import render_sweep_markdown
from aejax.report.verification_page import render_verification_page
from aejax.storage.results_file import read_results
from tests.robustness import report as robustness_report
from tests.robustness import save_overhead

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DOCS = {path.name: path.read_text() for path in (ROOT / "aejax" / "docs").glob("*.md")}
LINKS = re.compile(r"\]\((?!http)([^)\s]+)\)")
WORDS = {"README.md": 1100, **dict.fromkeys(DOCS, 1500)}


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
    "study": render_study_markdown,
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


SHOWN_RUNS = ("digits", "tabular")  # the others are checked by the slow tests
COMPARISONS = sorted(path.parent.name for path in (ROOT / "results").glob("*/correct.npz"))


@pytest.mark.parametrize(
    "run", [pytest.param(name, marks=() if name in SHOWN_RUNS else pytest.mark.slow) for name in COMPARISONS]
)
def test_a_committed_comparison_gets_its_numbers_from_its_predictions(run, tmp_path):
    for name in ("results.json", "correct.npz"):
        shutil.copy(ROOT / "results" / run / name, tmp_path)
    before = read_results(tmp_path / "results.json")
    after, changes = rejudge_run(tmp_path)
    assert [change for change in changes if "is not here" not in change] == []
    for old, new in zip(before["comparisons"], after["comparisons"], strict=True):
        assert new["ci95_adjusted"] == pytest.approx(old["ci95_adjusted"], abs=1e-9)


def test_every_committed_result_names_its_command_machine_and_seconds():
    for path in (ROOT / "results").glob("*/results.json"):
        environment = json.loads(path.read_text())["environment"]
        assert environment["command"].startswith("python scripts/"), path
        assert environment["machine"], path
        assert environment["seconds"] > 0, path


def test_the_readmes_comparison_is_the_committed_one():
    results = read_results(ROOT / "results" / "digits" / "results.json")
    accuracy = {method["name"]: f"{100 * method['test_accuracy']['mean']:.2f}" for method in results["methods"]}
    cells = {}
    for row in results["comparisons"]:
        low, high = row["ci95_adjusted"]
        interval = f"[{100 * low:+.2f}, {100 * high:+.2f}]"
        cells[row["baseline"], row["method"]] = f"{100 * row['mean_difference']:+.2f} {interval} {row['verdict']}"
    rows = [line.strip("|").split("|") for line in README.splitlines() if line.startswith("| `") and "[" in line]
    assert len(rows) == 6
    for name, *shown in ([cell.strip(" `") for cell in row] for row in rows):
        expected = [accuracy[name], *(cells.get((name, kind), "") for kind in ("undercomplete", "sparse-l1"))]
        assert shown == expected


def test_every_finding_of_the_readme_is_in_a_committed_table_and_holds_in_most_variations():
    findings = README.split("## What we found")[1].split("\n## ")[0]
    tables = "".join((ROOT / target).read_text() for target in LINKS.findall(findings))
    found = re.findall(r"([+-][\d.]+) (\[[^]]+\]), (\d) of (\d)[);]", findings)
    assert len(found) == findings.count(" of 5") + findings.count(" of 7") == 9
    for difference, interval, holds, variations in found:
        row = rf"\| {re.escape(difference)} \| \[[^]]+\] \| {re.escape(interval)} \|.* {holds} of {variations} \|"
        assert re.search(row, tables), (difference, interval)
        assert int(holds) >= 0.8 * int(variations)


def test_every_number_of_the_study_in_the_readme_is_in_its_committed_table():
    findings = README.split("## What we found")[1].split("\n## ")[0]
    table = (ROOT / "results" / "does-it-help" / "table.md").read_text()
    found = re.findall(r"([+-][\d.]+) (\[[^]]+\]) on (\d+)", findings)
    assert len(found) >= 6
    for difference, interval, datasets in found:
        assert f"| {datasets} | {difference} {interval} |" in table, (difference, interval)
    for correlation in re.findall(r"(?<![\d.+-])(0\.\d\d \[[^]]+\])", findings):
        assert f"| {correlation} |" in table, correlation


def test_what_became_of_earlier_findings_is_in_the_committed_tables():
    section = DOCS["ledger.md"].split("## What became of our own findings")[1]
    rows = [line for line in section.splitlines() if "/table.md" in line]
    assert len(rows) >= 8
    for row in rows:
        *_, today, _ = row.split("|")
        table = "".join((ROOT / "aejax" / "docs" / target).read_text() for target in LINKS.findall(today))
        for difference, interval, remark in re.findall(r"([+-][\d.]+) (\[[+-][^]]+\])([^[|]*)", today):
            (line,) = [one for one in table.splitlines() if f"| {difference} | [" in one and f"| {interval} |" in one]
            for holds in re.findall(r"(?:better|worse) in (\d of \d)", remark):
                assert f"| {holds} |" in line
        for accuracy in re.findall(r"\d\d\.\d\d \[\d[^]]+\]", today):
            assert f"| {accuracy} |" in table, accuracy


def test_the_ledgers_page_has_its_headline():
    ledger = json.loads((ROOT / "results" / "ledger" / "ledger.json").read_text())
    assert ledger_headline(ledger) in " ".join(DOCS["ledger.md"].split())


@pytest.mark.parametrize(
    ("source", "summarize"),
    [
        ("benchmark/results.json", summaries.summary_table),
        ("benchmark/profile.json", training_profile.profile_table),
        ("benchmark-commands/results.json", summaries.command_summary),
        ("benchmark-probe-path-64/results.json", summaries.path_summary),
        ("benchmark-probe-path-784/results.json", summaries.path_summary),
        ("benchmark-probe-path-784-rows/results.json", summaries.path_summary),
    ],
)
def test_the_speeds_shown_are_the_committed_ones(source, summarize):
    measured = json.loads((ROOT / "results" / source).read_text())
    assert summarize(measured["workloads"]) in DOCS["benchmark.md"]


def test_the_stream_rates_shown_are_the_committed_ones():
    stream = json.loads((ROOT / "results" / "stream" / "stream.json").read_text())
    entries = stream["mnist"]["entries"]
    text = " ".join(DOCS["scaling.md"].split("## Data larger than memory")[1].split())
    shown = ["npy, windows of 16384", "array_record, windows of 16384", "array_record, one window"]
    assert re.findall(r"([\d.]+) %", text) == [f"{100 * entries[name]['ratio']:.1f}" for name in shown]
    assert f"a set of {stream['large']['bytes'] / 1e9:.1f} GB" in text
    assert f"used at most {stream['large']['memory']['resident_peak'] / 2**30:.1f} GiB of memory" in text


@pytest.mark.parametrize(
    ("source", "page", "render"),
    [
        ("benchmark/results.json", "benchmark/table.md", benchmark_report.render_markdown),
        ("benchmark/profile.json", "benchmark/profile.md", training_profile.render_markdown),
        ("benchmark-commands/results.json", "benchmark-commands/table.md", benchmark_report.render_markdown),
        *(
            (f"{folder}/results.json", f"{folder}/table.md", benchmark_report.render_markdown)
            for folder in (f"benchmark-probe-path-{width}" for width in ("64", "784", "784-rows"))
        ),
        ("faults/faults.json", "faults/faults.md", robustness_report.render_markdown),
        ("saves/saves.json", "saves/saves.md", save_overhead.render_markdown),
        ("stream/stream.json", "stream/stream.md", benchmark_stream.render_markdown),
    ],
)
def test_the_pages_of_benchmarks_and_promises_are_their_rendering(source, page, render):
    assert (ROOT / "results" / page).read_text() == render(json.loads((ROOT / "results" / source).read_text()))


def test_the_promises_shown_are_the_committed_one():
    faults = json.loads((ROOT / "results" / "faults" / "faults.json").read_text())
    saves = json.loads((ROOT / "results" / "saves" / "saves.json").read_text())
    assert robustness_report.promises_table(faults, saves) in DOCS["storage.md"]


def anchors(text):
    """The fragments under which GitHub links to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", ["README.md", ".github/CONTRIBUTING.md", *(f"aejax/docs/{name}" for name in DOCS)])
def test_every_relative_link_of_a_page_leads_to_a_file_and_heading(page):
    text = (ROOT / page).read_text()
    for link in LINKS.findall(text):
        name, _, fragment = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target.read_text()), link


def test_pages_are_short_and_the_contents_list_them_all():
    words = {name: len(re.findall(r"\w[^\s|]*", text)) for name, text in {**DOCS, "README.md": README}.items()}
    assert not {name: n for name, n in words.items() if n > WORDS[name]}
    linked = {link for link in LINKS.findall(DOCS["README.md"]) if "/" not in link}
    assert linked == {path.name for path in (ROOT / "aejax" / "docs").iterdir()} - {"README.md"}
    assert {f"aejax/docs/{name}" for name in linked} <= set(LINKS.findall(README))


def test_every_flag_of_the_pages_exists():
    folders = [
        *(ROOT / name for name in ("scripts", "scripts/benchmark", "tests/robustness")),
        ROOT / "aejax" / "config",
    ]
    folders += [ROOT / "aejax" / "cli", ROOT / "aejax" / "cli" / "commands"]
    known = "".join(path.read_text() for folder in folders for path in folder.glob("*.py"))
    text = "\n".join([README, *DOCS.values()])
    ours = re.sub(r"^(srun .*? aejax|#SBATCH .*|.*sbatch .*)", "", text, flags=re.MULTILINE)  # flags of SLURM
    for flag in set(re.findall(r"--([a-z][a-z0-9-]+)", ours)) - {"help", "help-all"}:
        name = flag.removeprefix("no-").replace("-", "_")
        assert re.search(rf"^    {name}\b", known, flags=re.MULTILINE), f"--{flag}"

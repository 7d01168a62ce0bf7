"""`--versus`: comparisons with any row, as one family. `report.py --rejudge`: verdicts again from saved scores."""

import shutil
from pathlib import Path

import pytest
from preparing import configure

from aejax.errors import InputError
from aejax.evaluate import comparisons
from aejax.experiments.compare import compare
from aejax.experiments.rejudge import rejudge_run
from aejax.report.comparison_table import comparison_tables
from aejax.report.findings import describe_findings
from aejax.storage.results_file import read_results
from tests.consoles import quiet

METHODS = {"methods": ("raw", "undercomplete", "denoising", "sparse-l1"), "versus": ("undercomplete", "raw")}
CONFIG = configure(dataset="wine", hidden=(4,), latent_dim=3, epochs=1, probe="ridge", **METHODS, seeds=2)
PAIRS = [
    ("denoising", "undercomplete"),
    ("sparse-l1", "undercomplete"),
    ("undercomplete", "raw"),
    ("denoising", "raw"),
    ("sparse-l1", "raw"),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("versus") / "run"
    return folder, compare(CONFIG, folder, quiet())


@pytest.fixture
def results(run):
    return run[1]


@pytest.fixture
def copied(run, tmp_path):
    """A copy of the finished run."""
    return Path(shutil.copytree(run[0], tmp_path / "copied"))


def test_every_row_but_controls_is_compared_in_one_family(results):
    versus = [row for row in results["comparisons"] if row["family"] == "versus"]
    assert [(row["method"], row["baseline"]) for row in versus] == PAIRS
    accuracy = {method["name"]: method["test_accuracy"]["mean"] for method in results["methods"]}
    for row in versus:
        assert row["mean_difference"] == pytest.approx(accuracy[row["method"]] - accuracy[row["baseline"]])


def test_an_interval_is_wider_in_the_larger_family(results):
    controlled, versus = (
        next(row for row in results["comparisons"] if (row["method"], row["family"]) == ("denoising", family))
        for family in ("denoising", "versus")
    )
    raw = next(row for row in results["comparisons"] if row["baseline"] == "raw" and row["family"] == "versus")
    assert controlled["ci95_adjusted"] == controlled["ci95"]  # one comparison
    assert raw["ci95_adjusted"][1] - raw["ci95_adjusted"][0] > raw["ci95"][1] - raw["ci95"][0]
    assert "family of 5" in versus["reason"]


def test_sentences_and_tables_do_not_mix_families(results):
    sentences = describe_findings(results)
    with_controls = ["undercomplete", "denoising", "sparse-l1"]
    versus = [f"{name} (--versus)" for name in ("denoising", "sparse-l1", "undercomplete")]
    assert [sentence.split(":")[0] for sentence in sentences] == with_controls + versus
    assert not any("undercomplete (" in sentence for sentence in sentences[:3])
    (_, controlled), (_, versus) = comparison_tables(results)
    assert [len(table.records) for table in (controlled, versus)] == [3, 5]
    assert (controlled.columns[1].heading, versus.columns[1].heading) == ("control", "versus")


@pytest.mark.parametrize(
    ("versus", "message"),
    [
        ("denosing", "--versus denosing: no such method; did you mean denoising"),
        ("vae", "--versus vae: is not among --methods; add it there"),
    ],
)
def test_rows_that_are_not_compared_are_rejected(versus, message, tmp_path):
    with pytest.raises(InputError, match=message):
        compare(configure(CONFIG, versus=(versus,)), tmp_path / "run", quiet())


@pytest.mark.parametrize("removed", ["correct.npz", "scores.npz"])
def test_the_same_rules_give_the_same_numbers(copied, removed):
    before = read_results(copied / "results.json")
    (copied / removed).unlink()
    table = (copied / "table.md").read_text()
    assert rejudge_run(copied)[1] == []
    after = read_results(copied / "results.json")
    assert after.pop("rejudged_by")
    assert after == before
    assert (copied / "table.md").read_text() == table


def test_a_changed_rule_changes_verdicts_and_is_reported(copied, monkeypatch, load_script, capsys):
    (copied / "scores.npz").unlink()
    (copied / "accuracy.png").write_bytes(b"of the old intervals")
    monkeypatch.setattr(comparisons, "minimum_trainings", lambda family: 1)  # fewer seeds suffice
    load_script("report")(["--run", str(copied), "--rejudge", "--out", str(copied / "page.md")])
    printed = capsys.readouterr().out
    for row in read_results(copied / "results.json")["comparisons"]:
        assert row["verdict"] != "too few seeds"
        assert f"{row['method']} - {row['baseline']}: too few seeds -> {row['verdict']}" in printed
    assert (copied / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert not (copied / "differences.png").exists()  # a run gets no files that it had not
    assert (copied / "page.md").read_text() == f"# copied\n\n{(copied / 'table.md').read_text()}"


def test_a_run_without_scores_or_with_damaged_ones_is_rejected(copied):
    (copied / "scores.npz").unlink()
    (copied / "correct.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"correct.npz: is damaged"):
        rejudge_run(copied)
    (copied / "correct.npz").unlink()
    with pytest.raises(InputError, match=r"has neither scores.npz nor correct.npz"):
        rejudge_run(copied)

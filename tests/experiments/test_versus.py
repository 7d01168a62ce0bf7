"""`--versus`: comparisons with any row, as one family of their own."""

import dataclasses

import pytest

from aejax.config import CompareConfig, DataConfig, ModelConfig, ProbeConfig, TrainConfig
from aejax.errors import InputError
from aejax.experiments.compare import compare
from aejax.report.comparison_table import comparison_tables
from aejax.report.findings import describe_findings
from tests.consoles import quiet

CONFIG = CompareConfig(
    data=DataConfig(dataset="wine"),
    model=ModelConfig(hidden=(4,), latent_dim=3),
    train=TrainConfig(epochs=1),
    probe=ProbeConfig(probe="ridge"),
    methods=("raw", "undercomplete", "denoising", "sparse-l1"),
    versus=("undercomplete", "raw"),
    seeds=2,
)
PAIRS = [
    ("denoising", "undercomplete"),
    ("sparse-l1", "undercomplete"),
    ("undercomplete", "raw"),
    ("denoising", "raw"),
    ("sparse-l1", "raw"),
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return compare(CONFIG, tmp_path_factory.mktemp("versus") / "run", quiet())


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
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "undercomplete",
        "denoising",
        "sparse-l1",
        "denoising (--versus)",
        "sparse-l1 (--versus)",
        "undercomplete (--versus)",
    ]
    assert not any("undercomplete (" in sentence for sentence in sentences[:3])
    controlled, versus = comparison_tables(results)
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
        compare(dataclasses.replace(CONFIG, versus=(versus,)), tmp_path / "run", quiet())

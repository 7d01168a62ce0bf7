"""The metric that verdicts are about stands in results, comparisons, tables and scores of every command."""

import io
import json

import numpy as np
import pytest
from preparing import configure
from rich.console import Console

from aejax.config import PretrainConfig, ProbeRunConfig, SweepConfig
from aejax.experiments.compare import compare
from aejax.experiments.pretrain import pretrain
from aejax.experiments.probe_run import probe_run
from aejax.experiments.sweep import sweep
from aejax.report.sweep_table import render_sweep_terminal
from tests.consoles import quiet

SHARED = {"dataset": "wine", "hidden": (), "latent_dim": 2, "epochs": 1, "probe": "ridge", "seeds": 2}


@pytest.fixture(scope="module")
def aurocs(tmp_path_factory):
    """The folder of a comparison by AUROC."""
    out = tmp_path_factory.mktemp("metric") / "run"
    compare(configure(**SHARED, methods=("raw", "random", "undercomplete"), metric="auroc"), out, quiet())
    return out


def test_a_comparison_by_auroc_is_about_the_saved_values(aurocs):
    results, scores = json.loads((aurocs / "results.json").read_text()), np.load(aurocs / "scores.npz")
    assert results["metric"] == "auroc"
    by_name = dict(zip(scores["method"], scores["auroc_values"].mean(axis=2), strict=True))
    for method in results["methods"]:
        assert method["test_auroc"]["per_seed"] == pytest.approx(by_name[method["name"]])
    for row in results["comparisons"]:
        expected = by_name[row["method"]].mean() - by_name[row["baseline"]].mean()
        assert row["mean_difference"] == pytest.approx(expected)
        assert row["reason"] == "2 seeds; a verdict needs at least 4 for a family of 2"
    assert (aurocs / "table.md").read_text().startswith("| method | d | AUROC | accuracy, % |")


@pytest.mark.slow
def test_a_sweeps_table_is_about_its_metric(tmp_path):
    evaluation = {"metric": "balanced_accuracy", "margin": 0.02}
    config = configure(SweepConfig(), **SHARED, axis=("latent_dim=2,3",), method="undercomplete", **evaluation)
    results = sweep(config, tmp_path / "run", quiet())
    assert (results["metric"], results["margin"]) == ("balanced_accuracy", 0.02)
    entries = {entry["name"]: entry for entry in [*results["points"], *results["references"]]}
    for row in results["comparisons"]:
        method, baseline = (entries[row[name]]["test_balanced_accuracy"]["mean"] for name in ("method", "baseline"))
        assert row["mean_difference"] == pytest.approx(method - baseline)
    for entry in entries.values():
        assert entry["test_balanced_accuracy"]["per_seed"] == pytest.approx(entry["balanced_accuracy"]["per_seed"])
    text = (tmp_path / "run" / "table.md").read_text()
    assert "| balanced accuracy, % |" in text
    assert "Equivalence margin: 2 points of balanced accuracy." in text
    console = Console(file=io.StringIO(), width=60, record=True)
    console.print(render_sweep_terminal(results))
    assert "…" not in console.export_text()


@pytest.mark.slow
def test_a_probes_table_is_about_its_metric(tmp_path):
    pretrain(configure(PretrainConfig(), **SHARED), tmp_path / "pretrained", quiet())
    config = configure(ProbeRunConfig(), metric="nll", head_epochs=1)
    results = probe_run(tmp_path / "pretrained", config, tmp_path / "probe", quiet())
    assert results["metric"] == "nll"
    assert (
        (tmp_path / "probe" / "table.md").read_text().startswith("| method | d | NLL, nats | accuracy, % | recon. MSE")
    )

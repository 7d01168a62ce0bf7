"""Results are on disk before the first figure is drawn, and no figure costs more than itself."""

import json
from pathlib import Path

import pytest

from aejax.experiments import compare, plots
from aejax.experiments.experiment import Experiment
from aejax.experiments.progress import SilentReporter
from aejax.report import run_page
from aejax.report.results import with_roles
from aejax.report.run_page import FigureFiles
from aejax.storage.runs import Run

DRAWS_FIGURES = True
DIGITS = Path(__file__).parents[2] / "results" / "digits" / "results.json"


class NoExperiment(Experiment):
    """Nothing that figures could be drawn from."""

    design = None
    reporter = SilentReporter()

    def __init__(self):
        pass


@pytest.fixture
def results():
    return with_roles(json.loads(DIGITS.read_text()))


def fail(*args, **others):
    raise RuntimeError("cannot draw")


def test_results_and_table_are_there_when_the_figures_begin(results, tmp_path, monkeypatch):
    there = []
    monkeypatch.setattr(compare, "write_scores", lambda *args: None)
    monkeypatch.setattr(compare, "plot_comparison", lambda *args: there.extend(p.name for p in tmp_path.iterdir()))
    monkeypatch.setattr(run_page, "write_page", fail)
    compare.write_comparison(NoExperiment(), [], {}, results, Run(tmp_path, {}, 0.0, lock_identity=None))
    assert {"results.json", "table.md"} <= set(there)
    (warning,) = results["warnings"]
    assert warning.startswith("report.html could not be drawn")


def test_figures_that_fail_leave_the_others(results, tmp_path, monkeypatch):
    monkeypatch.setattr(plots, "plot_accuracy", fail)
    files = FigureFiles(tmp_path)
    plots.plot_comparison(NoExperiment(), [], results, files)
    assert [warning.split(" ")[0] for warning in files.warnings] == ["accuracy.png", "examples.npz"]
    assert {"differences.png", "diagnostics.png"} <= {path.name for path in tmp_path.iterdir()}

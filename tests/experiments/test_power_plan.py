"""plan.py prints what a gap needs, with assumed variances or with those of a run."""

import numpy as np
import pytest

from aejax.evaluate.simulation import SCENARIOS, simulate_latents, simulated_design
from aejax.experiments.rejudge import measure_power
from aejax.storage.saved_scores import CORRECT_FILE, serialize_correct
from scripts import plan

COMPARISONS = [{"method": "code", "baseline": name, "family": "code"} for name in ("raw", "random")]


@pytest.fixture
def run(tmp_path):
    """A folder with the scores of an autoencoder and two controls, the second with strong effects of seeds."""
    rng = np.random.default_rng(0)
    design = simulated_design("cross-validation", rng, 10, 100)
    alike = simulate_latents(SCENARIOS[1], rng, design, 1)
    other = simulate_latents(SCENARIOS[2], rng, design, 1, methods=1)
    correct = [alike.outcomes(0, 0.95)[0], alike.outcomes(1, 0.95)[0], other.outcomes(0, 0.8)[0]]
    names = ["code", "raw", "random"]
    (tmp_path / CORRECT_FILE).write_bytes(serialize_correct(names, np.concatenate(correct), design))
    return tmp_path


def test_the_variances_of_a_run_are_those_of_its_worst_and_median_comparison(run, monkeypatch):
    monkeypatch.setattr("aejax.experiments.rejudge.read_run", lambda folder: {"comparisons": COMPARISONS})
    measured = measure_power(run)
    assert (measured.sizes.name, measured.sizes.examples, measured.family_size) == ("cross-validation", 500, 2)
    median, worst = measured.sources.items()
    assert median[0].endswith("code - raw")
    assert worst[0].endswith("code - random")
    assert sum(worst[1]) > sum(median[1])


def test_the_script_prints_a_table_and_a_sentence(capsys):
    plan.main(["--gap", "2", "--seeds", "3", "10", "--family", "4"])
    text = " ".join(capsys.readouterr().out.split())
    assert "no verdict" in text  # three seeds
    assert "A gap of 2 points needs 10 seeds with" in text
    assert "family of 4" in text

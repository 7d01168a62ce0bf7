"""verify.py on a small scale: its files, and that the same command gives the same numbers."""

import numpy as np
import pytest

from aejax.errors import InputError
from aejax.evaluate.across_verification import CLAIMS
from aejax.evaluate.simulation import SCENARIOS, simulate_latents, simulated_design
from aejax.evaluate.verification import SimulationBudget
from aejax.experiments.verify import OUTPUT_FILES, SEEDS_PER_SET, count_verdicts, draw_pairs, verify
from aejax.storage.atomic_io import read_json
from tests.consoles import quiet

SMALL = SimulationBudget(40, (6,), (36, 60), (4,))


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "verify"
    verify(SMALL, folder, quiet())
    return folder


@pytest.mark.slow
def test_a_verification_leaves_its_files_and_every_number_in_them(out):
    assert {path.name for path in out.iterdir()} == OUTPUT_FILES
    found = read_json(out / "verify.json")
    assert len(found["coverage"]) == 13 * 2 * 4  # processes of both designs, examples, accuracies
    page = (out / "verify.md").read_text()
    for check in found["checks"]:
        assert f"| {check['claim']} |" in page
    for cell in found["coverage"]:
        (line,) = [
            line
            for line in page.split("**False verdicts")[0].splitlines()
            if line.startswith(f"| {cell['design']} | {cell['process']} | {cell['examples']} |")
        ]
        low, high = map(float, line.split(" | ")[4].split(" to "))
        assert low - 0.06 <= 100 * cell["difference"]["share"] <= high + 0.06
    assert found["environment"]["seconds"] > 0


@pytest.mark.slow
def test_statistics_over_data_sets_err_as_rarely_as_they_claim(out):
    checks = [check for check in read_json(out / "verify.json")["checks"] if "data sets: " in check["claim"]]
    assert len(checks) == len(CLAIMS)
    assert all(check["holds"] for check in checks), checks


@pytest.mark.slow
def test_the_same_effort_gives_the_same_numbers(out, tmp_path):
    again = verify(SMALL, tmp_path / "again", quiet())
    first = read_json(out / "verify.json")
    for name in ("false_verdicts", "false_equivalence", "power", "coverage", "checks"):
        assert again[name] == first[name], name


def test_sets_of_seeds_of_one_method_rarely_differ_and_those_of_two_methods_do(monkeypatch):
    monkeypatch.setattr("aejax.experiments.verify.PAIRS", 60)
    rng = np.random.default_rng(0)
    design = simulated_design("holdout", rng, 40, 500)
    latents = simulate_latents(SCENARIOS[2], rng, design, 1)
    (same,), (other,) = latents.outcomes(0, 0.95)[0], latents.outcomes(1, 0.80)[0]
    of_set = design.first(SEEDS_PER_SET)
    found = count_verdicts(draw_pairs(same, "same"), of_set)
    assert found["decisive"] <= 0.05 * found["pairs"]
    assert sum(found["verdicts"].values()) == found["pairs"]
    mixed = np.where(np.arange(40)[:, None] % 2 == 0, same, other)  # sets differ in how many of each they have
    assert count_verdicts(draw_pairs(mixed, "mixed"), of_set)["largest_difference"] > found["largest_difference"]


def test_what_cannot_be_done_is_refused_before_anything_is_simulated(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"thesis\.tex"):
        verify(SMALL, tmp_path, quiet())
    with pytest.raises(InputError, match="--experiments 3"):
        verify(SMALL._replace(experiments=3), tmp_path / "new", quiet())
    assert not (tmp_path / "new").exists()

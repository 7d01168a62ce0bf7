"""`--tune`: settings chosen by validation, for each seed, and what a larger budget is worth."""

import itertools

import numpy as np
import pytest
from preparing import configure

from aejax.errors import InputError
from aejax.evaluate.tuning import choose_settings, expected_of_best
from aejax.experiments.compare import compare
from aejax.methods import controls
from aejax.methods.tuning_space import draw_settings
from aejax.storage.atomic_io import read_json
from tests.consoles import quiet

KINDS = ("denoising", "knn-denoising", "frozen-encoder-denoising")
METHODS = ("raw", *KINDS, "label-spreading", "supervised", "kmeans", "random-fourier")
CONFIG = configure(dataset="wine", hidden=(), latent_dim=3, epochs=2, probe="ridge", methods=METHODS, seeds=3, tune=2)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tuning") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controls, "FOURIER_FEATURES", 16)
        compare(CONFIG, folder, quiet())
    return folder, read_json(folder / "results.json")


def test_each_seed_has_the_setting_of_lowest_validation_loss(run):
    _, results = run
    raw, denoising, knn, frozen, spreading, *_ = results["methods"]
    tuning = denoising["tuning"]
    assert tuning["chosen"] == np.argmin(tuning["valid_nll"], axis=0).tolist()
    chosen = [tuning["test_metric"][setting][seed] for seed, setting in enumerate(tuning["chosen"])]
    assert denoising["test_accuracy"]["per_seed"] == pytest.approx(chosen)
    assert denoising["probe"]["valid_nll"] == pytest.approx(np.min(tuning["valid_nll"], axis=0), rel=1e-4)
    assert denoising["settings"] == [tuning["settings"][setting] for setting in tuning["chosen"]]
    assert "tuning" not in raw
    assert "tuning" not in knn
    assert frozen["tuning"]["settings"] == tuning["settings"]
    accuracies = frozen["tuning"]["test_metric"]  # no setting moves a frozen encoder
    assert accuracies == [accuracies[0]] * CONFIG.tune
    chosen = spreading["tuning"]["chosen"]
    metric = np.array(spreading["tuning"]["test_metric"])[chosen, range(CONFIG.seeds)]
    assert spreading["test_accuracy"]["per_seed"] == pytest.approx(metric)
    assert len(spreading["tuning"]["settings"]) == CONFIG.tune


def test_a_setting_equals_a_run_of_its_own(run, tmp_path):
    tuning = run[1]["methods"][1]["tuning"]
    setting = tuning["settings"][1]
    alone = configure(CONFIG, tune=None, methods=("denoising",), **setting)
    (method,) = compare(alone, tmp_path / "alone", quiet())["methods"]
    assert method["probe"]["valid_nll"] == pytest.approx(tuning["valid_nll"][1], rel=1e-3)
    assert method["test_accuracy"]["per_seed"] == pytest.approx(tuning["test_metric"][1])


@pytest.mark.parametrize("name", ["supervised", "kmeans", "random-fourier"])
def test_a_control_chooses_among_settings_of_its_own(run, name):
    folder, results = run
    entry = next(method for method in results["methods"] if method["name"] == name)
    tuning, seeds = entry["tuning"], range(CONFIG.seeds)
    assert tuning["chosen"] == np.argmin(tuning["valid_nll"], axis=0).tolist()
    assert entry["test_accuracy"]["per_seed"] == pytest.approx(np.array(tuning["test_metric"])[tuning["chosen"], seeds])
    chosen = [tuning["settings"][index] for index in tuning["chosen"]]
    assert [{**settings, **own} for settings, own in zip(entry["settings"], chosen, strict=True)] == entry["settings"]
    assert len({tuple(settings.values()) for settings in tuning["settings"]}) == CONFIG.tune
    assert f"| {name} | " in (folder / "table.md").read_text().split("of the best of")[1]


def test_accuracy_against_budget_is_in_the_table(run):
    folder, results = run
    expected = results["methods"][1]["tuning"]["expected"]
    cells = " | ".join(f"{100 * expected[budget - 1]:.2f}" for budget in (1, 2))
    assert f"| denoising | {cells} |" in (folder / "table.md").read_text()


def test_the_expectation_is_the_mean_over_all_draws():
    rng = np.random.default_rng(0)
    losses, metric = rng.normal(size=(2, 4, 3))
    losses[1, 0] = np.nan  # a seed that diverged is chosen last
    expected = expected_of_best(losses, metric)
    for budget in (1, 2, 3):
        draws = list(itertools.product(range(4), repeat=budget))
        best = [[metric[list(draw)][choose_settings(losses[list(draw)])[s], s] for s in range(3)] for draw in draws]
        assert expected[budget - 1] == pytest.approx(np.mean(best))


def test_settings_are_drawn_around_the_configs_own_and_do_not_depend_on_their_number():
    few, many = (draw_settings("sparse-l1", CONFIG, count) for count in (2, 40))
    assert many[:2] == few
    assert few[0] == {"learning_rate": CONFIG.optimizer.learning_rate, "l1": CONFIG.objective.l1}
    penalties = [setting["l1"] / CONFIG.objective.l1 for setting in many]
    assert 0.03 <= min(penalties) < 0.1 < 10 < max(penalties) <= 30


def test_a_probe_without_validation_loss_is_rejected(tmp_path):
    with pytest.raises(InputError, match="--tune: chooses by the validation loss"):
        compare(configure(CONFIG, probe="knn"), tmp_path / "run", quiet())

"""A run is identified by its config and its data: nothing made from other data is reused, in any script."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from preparing import configure
from resuming import Killed
from sklearn.decomposition import PCA

import aejax
from aejax.cli.arguments import load_plugins
from aejax.config import CheckpointConfig, CompareConfig, DataConfig, PretrainConfig, ProbeRunConfig, SweepConfig
from aejax.config.experiment import ExploreConfig, ExportConfig
from aejax.data.registry import load_dataset
from aejax.errors import InputError
from aejax.experiments.compare import compare
from aejax.experiments.explore import explore
from aejax.experiments.export import export
from aejax.experiments.job import hash_data, identify_run
from aejax.experiments.pretrain import pretrain
from aejax.experiments.pretrained import load_pretrained, load_pretraining_data
from aejax.experiments.probe_run import probe_run
from aejax.experiments.sweep import sweep
from aejax.methods.external import encoder
from aejax.storage.atomic_io import read_json, write_json
from aejax.storage.pytree_io import save_variables
from aejax.storage.results_file import write_results
from aejax.storage.run_identity import FUNCTIONS_KEY, RunIdentity
from tests.consoles import quiet

pytestmark = pytest.mark.usefixtures("restore_registry")
DATASET = load_dataset(DataConfig(dataset="wine"))
EVERY_EPOCH, AGAIN = CheckpointConfig(save_every=0), CheckpointConfig(overwrite=True)
OTHER_DATA = r"holds a run of other data \(SHA-256 [0-9a-f]{8} there, [0-9a-f]{8} here\); give --overwrite .* --out$"
OTHER_THAN_TRAINED = r"other data than the run was trained on \(SHA-256 .* here, .* there\); give the same data, or"
SMALL = {"hidden": (4,), "latent_dim": 2, "epochs": 2, "batch_size": 64, "probe": "ridge", "seeds": 1}
CONFIGS = {
    compare: configure(methods=("undercomplete",), **SMALL),
    pretrain: configure(PretrainConfig(), **SMALL),
    sweep: configure(SweepConfig(), axis=("latent_dim=1",), **SMALL),
}
PROBE = configure(ProbeRunConfig(), probe="ridge", head_epochs=1)
EXPLORE = ExploreConfig(anomaly_class="none")


def write_table(folder, *, rows=60, swapped=0, header="a,b,c,label"):
    """Writes `table.csv`: two classes, of which `swapped` rows have each other's label."""
    numbers = np.random.default_rng(0).normal(size=(80, 3))
    labels = np.arange(rows) % 2
    labels[:swapped] = 1 - labels[:swapped]
    lines = [",".join([*map(str, numbers[row] + row % 2), "xy"[labels[row]]]) for row in range(rows)]
    (folder / "table.csv").write_text("\n".join([header, *lines]) + "\n")


EDITS = ({"swapped": 7}, {"rows": 80})  # rows edited, rows added


def run_script(script, folder, checkpoint=EVERY_EPOCH, **changes):
    """Runs an experiment that trains on `table.csv` of the folder into its `run`."""
    config = configure(CONFIGS[script], dataset=folder / "table.csv", **changes)
    return script(config, folder / "run", quiet(), checkpoint)


@pytest.mark.parametrize(
    "script",
    [compare, *(pytest.param(script, marks=pytest.mark.slow) for script in (pretrain, sweep))],
    ids=lambda script: script.__name__,
)
def test_neither_a_stopped_nor_a_finished_run_of_other_data_is_reused(tmp_path, killed_after, script):
    write_table(tmp_path)
    killed_after(1)
    with pytest.raises(Killed):
        run_script(script, tmp_path)
    for state in ("failed", "finished"):
        assert read_json(tmp_path / "run" / "run.json")["state"] == state
        for edit in EDITS:
            write_table(tmp_path, **edit)
            with pytest.raises(InputError, match=OTHER_DATA):
                run_script(script, tmp_path)
        write_table(tmp_path)
        run_script(script, tmp_path)
    assert len(read_json(tmp_path / "run" / "run.json")["attempts"]) == 2


def test_overwrite_makes_the_run_again_from_the_edited_data(tmp_path):
    write_table(tmp_path)
    old = run_script(compare, tmp_path, methods=("raw",))
    write_table(tmp_path, swapped=7)
    new = run_script(compare, tmp_path, AGAIN, methods=("raw",))
    assert new["dataset"]["sha256"] != old["dataset"]["sha256"]
    write_table(tmp_path)
    with pytest.raises(InputError, match=OTHER_DATA):
        run_script(compare, tmp_path, methods=("raw",))


def test_a_run_of_an_older_version_is_compared_by_the_hash_in_its_results(tmp_path):
    write_table(tmp_path)
    run_script(compare, tmp_path, methods=("raw",))
    record = read_json(tmp_path / "run" / "run.json")
    write_json(tmp_path / "run" / "run.json", {key: value for key, value in record.items() if key != "identity"})
    run_script(compare, tmp_path, methods=("raw",))
    write_table(tmp_path, swapped=7)
    with pytest.raises(InputError, match=OTHER_DATA):
        run_script(compare, tmp_path, methods=("raw",))


def test_the_same_values_in_another_notation_are_the_same_data_but_other_names_are_not(tmp_path):
    write_table(tmp_path)
    run_script(compare, tmp_path, methods=("raw",))
    text = (tmp_path / "table.csv").read_text()
    (tmp_path / "table.csv").write_text(text.replace("\n", "\r\n"))
    run_script(compare, tmp_path, methods=("raw",))
    assert len(read_json(tmp_path / "run" / "run.json")["attempts"]) == 1
    write_table(tmp_path, header="d,b,c,label")
    with pytest.raises(InputError, match="holds a run of other names of classes or columns"):
        run_script(compare, tmp_path, methods=("raw",))


def test_the_message_names_at_most_three_settings_that_differ():
    saved = {"train": {"epochs": 30, "batch_size": 64}, "seeds": 10, "methods": ["raw", "pca"], "margin": None}

    def refused(**changes):
        with pytest.raises(InputError) as refusal:
            RunIdentity(saved | changes).require_same_settings(Path("run"), saved)
        return str(refusal.value)

    epochs = {"epochs": 10, "batch_size": 64}
    assert "run: holds another run (epochs 30 there, 10 here); give --overwrite" in refused(train=epochs)
    assert "(methods raw pca there, raw here)" in refused(methods=["raw"])
    four = refused(train=epochs, seeds=2, methods=["raw"], margin=0.1)
    assert "(epochs 30 there, 10 here; seeds 10 there, 2 here; methods raw pca there, raw here; and 1 more)" in four


def test_a_setting_that_a_saved_run_lacks_has_its_default():
    defaults = {"data": {"missing": "refuse"}}
    RunIdentity({"seeds": 2, "data": {"missing": "refuse"}}, defaults=defaults).require_same_settings(
        Path("run"), {"seeds": 2, "data": {}}
    )
    with pytest.raises(InputError, match="missing refuse there, mean here"):
        RunIdentity({"data": {"missing": "mean"}}, defaults=defaults).require_same_settings(Path("run"), {"data": {}})


@pytest.mark.parametrize(
    "own", [lambda width: encoder(PCA(width)), lambda width: encoder(lambda rows: rows[:, :width])]
)
def test_a_run_of_another_function_or_transformer_is_not_returned(tmp_path, own):
    def run(width):
        rows = {"raw": "raw", "mine": own(width)}
        return aejax.compare("wine", methods=rows, seeds=2, probe="ridge", design="holdout", out=tmp_path / "run")

    assert run(2).results == run(2).results
    with pytest.raises(InputError, match=r"holds a run of other functions, transformers or kinds of one's own"):
        run(3)
    record = read_json(tmp_path / "run" / "run.json")
    old = {name: value for name, value in record["identity"].items() if name != FUNCTIONS_KEY}
    write_json(tmp_path / "run" / "run.json", record | {"identity": old})
    assert run(3).results["methods"][1]["features"] == 2  # of a version that did not save the hash


PLUGIN = """
import dataclasses, aejax
from aejax.autoencoders.deterministic import undercomplete

def kind(problem):
    return undercomplete(dataclasses.replace(problem, model=dataclasses.replace(problem.model, latent_dim={width})))

aejax.register("of-plugin", kind)
"""


def write_plugin(folder, width):
    (folder / "kind.py").write_text(PLUGIN.format(width=width))
    load_plugins(["--plugin", str(folder / "kind.py")])


@pytest.mark.parametrize("methods", [("of-plugin",), ("raw", "random-of-plugin")])
def test_a_kind_that_was_edited_is_another_run(tmp_path, methods):
    def identify(width):
        write_plugin(tmp_path, width)
        return [identify_run(CompareConfig(), DATASET, names).hashes for names in (methods, ("raw", "random-vae"))]

    edited, same, unconcerned = identify(3), identify(2), identify(2)
    assert edited[0] != same[0]
    assert same == unconcerned
    assert edited[1] == same[1] == hash_data(DATASET)


USES = {
    "probe": lambda run, out: probe_run(run, PROBE, out, quiet()),
    "explore": lambda run, out: explore(run, EXPLORE, out, quiet()),
    "export": lambda run, out: export(run, out, ExportConfig()),
}
ANALYSES = pytest.mark.parametrize("name", ["probe", "explore"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Returns a folder with `table.csv` and a pretraining run of it, with finished analyses."""
    folder = tmp_path_factory.mktemp("trained")
    write_table(folder)
    run_script(pretrain, folder)
    for name in ("probe", "explore"):
        USES[name](folder / "run", folder / name)
    return folder


@ANALYSES
def test_a_finished_analysis_of_a_run_is_refused_once_the_data_are_edited(trained, name):
    USES[name](trained / "run", trained / name)
    assert len(read_json(trained / name / "run.json")["attempts"]) == 1
    for edit in EDITS:
        write_table(trained, **edit)
        for out in (name, "new"):
            with pytest.raises(InputError, match=OTHER_THAN_TRAINED):
                USES[name](trained / "run", trained / out)
    write_table(trained)
    assert not (trained / "new").exists()


def test_an_analysis_of_a_run_of_a_kind_that_was_edited_is_another(trained, tmp_path):
    opened = load_pretrained(trained / "run")
    config = dataclasses.replace(opened.config, method="of-plugin")
    hashes = {**opened.hashes, "functions-another": "0"}  # saved by another version of Python
    of_plugin = dataclasses.replace(opened, config=config, hashes=hashes)

    def identify(width):
        write_plugin(tmp_path, width)
        return [model.identify_analysis(PROBE).hashes for model in (of_plugin, opened)]

    edited, same, unconcerned = identify(3), identify(2), identify(2)
    assert edited[0] != same[0]
    assert edited[1] == same[1]
    assert edited[0].keys() == {*edited[1], FUNCTIONS_KEY}
    assert same == unconcerned


@ANALYSES
def test_a_finished_analysis_of_other_weights_is_refused(trained, tmp_path, name):
    shutil.copytree(trained / "run", tmp_path / "run")
    opened = load_pretrained(tmp_path / "run")
    scaler = {**opened.scaler.as_variables(), "shift": opened.scaler.shift + 1}
    save_variables(tmp_path / "run" / "checkpoint", {**opened.variables, "scaler": scaler})
    with pytest.raises(InputError, match="holds a run of other pretrained weights"):
        USES[name](tmp_path / "run", trained / name)


@pytest.mark.parametrize("name", USES)
def test_parts_of_different_runs_are_not_used(trained, tmp_path, name):
    shutil.copytree(trained / "run", tmp_path / "run")
    results = read_json(tmp_path / "run" / "results.json")
    changes = {
        "of different data": {"dataset": {**results["dataset"], "sha256": "0" * 64}},
        "of different runs": {"config": {**results["config"], "recipe": "another"}},
    }
    for message, change in changes.items():
        write_results(tmp_path / "run" / "results.json", results | change)
        with pytest.raises(InputError, match=message):
            USES[name](tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", USES)
def test_a_stopped_run_is_not_used(trained, tmp_path, name):
    shutil.copytree(trained / "run", tmp_path / "run")
    write_json(tmp_path / "run" / "run.json", read_json(tmp_path / "run" / "run.json") | {"state": "interrupted"})
    with pytest.raises(InputError, match=r"is not finished \(interrupted\); run the command that made it again"):
        USES[name](tmp_path / "run", tmp_path / "out")


def test_data_that_have_moved_are_found_by_the_folder_given(trained, tmp_path, monkeypatch):
    opened = load_pretrained(trained / "run")
    shutil.move(trained / "table.csv", tmp_path)
    try:
        with pytest.raises(InputError, match=r"was trained on .*table\.csv, which is not here; give --data-dir"):
            load_pretraining_data(opened, None)
        assert load_pretraining_data(opened, tmp_path)[0].sha256 == opened.hashes["data"]
        monkeypatch.setenv("AEJAX_DATA", str(tmp_path))
        assert load_pretraining_data(opened, None)[0].sha256 == opened.hashes["data"]
    finally:
        shutil.move(tmp_path / "table.csv", trained)

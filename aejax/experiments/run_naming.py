"""Names of default run folders: those of different runs differ, and the same command always finds its own."""

import hashlib
import json
from pathlib import Path

from aejax.config import ExperimentConfig, ProbeRunConfig, to_dict
from aejax.config.experiment import ExploreConfig
from aejax.data.registry import NAMED_DATASETS, expand_path
from aejax.storage.run_identity import setting_differences

RunConfig = ExperimentConfig | ProbeRunConfig | ExploreConfig
HASH_DIGITS = 6  # one chance in 16 million that two runs share a name; their configs are compared anyway


def default_run_dir(folder: Path, config: RunConfig, defaults: RunConfig) -> Path:
    """Returns a folder with a short hash of everything in which a run differs from the defaults, if anything does.

    A file or folder of data is part of the hash, since `dataset_slug` leaves out where it lies and its suffix. The
    config is not resolved; `folder` is that of the run with the defaults, such as `runs/compare-digits`.
    """
    changed = [[*path, here] for path, _, here in setting_differences(to_dict(defaults), to_dict(config), {})]
    if isinstance(config, ExperimentConfig) and is_path(config.data.dataset):
        changed.append(["path", config.data.dataset])
    digest = hashlib.sha256(json.dumps(changed, sort_keys=True).encode()).hexdigest()
    return folder.with_name(f"{folder.name}-{digest[:HASH_DIGITS]}") if changed else folder


def is_path(dataset: str) -> bool:
    """Returns whether `--dataset` is a path: neither a name nor `SCHEME:NAME`."""
    scheme, colon, _ = dataset.partition(":")
    return dataset not in NAMED_DATASETS and not (colon and "/" not in scheme)


def dataset_slug(dataset: str) -> str:
    """Returns the dataset's part of a run folder's name: `digits`, `photos` for a path to photos/, `tfds-mnist`.

    >>> dataset_slug("tfds:mnist_corrupted/zigzag"), dataset_slug("data/table.csv")
    ('tfds-mnist_corrupted-zigzag', 'table')
    """
    if not is_path(dataset):
        return dataset.replace("/", "-").replace(":", "-")
    stem = expand_path(dataset).resolve().stem
    return "".join(mark if mark.isprintable() else "_" for mark in stem) or "data"

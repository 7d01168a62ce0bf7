"""The identity of an experiment's run: its resolved config and its data."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aejax.config import CompareConfig, ExperimentConfig, SweepConfig, absent_values, to_dict
from aejax.data.dataset import Dataset
from aejax.experiments.checkpointing import ResultCache
from aejax.experiments.experiment import Experiment
from aejax.methods.external import Representation
from aejax.storage.run_identity import RunIdentity
from aejax.storage.runs import Run

COMPARISON_PROTOCOL = 2  # of comparisons and sweeps: 1 until version 0.1.0, 2 with the methods and designs since


def hash_data(dataset: Dataset) -> dict[str, str]:
    """Returns the SHA-256 of the examples, and of their names, by name in `HASH_SUBJECTS`."""
    names: list[Any] = [dataset.class_names, dataset.feature_names]
    if dataset.table is not None:  # one-hot categories are names of features, too; the codes of others are only here
        names.append([[column.name, column.categories] for column in dataset.table.columns])
    digest = hashlib.sha256(json.dumps(names).encode()).hexdigest()
    hashes = {"data": dataset.sha256, "names": digest}
    return hashes if dataset.stream is None else {**hashes, "stream": dataset.stream.fingerprint}


def identify_run(
    config: ExperimentConfig, dataset: Dataset, representations: Mapping[str, Representation] | None = None
) -> RunIdentity:
    """Returns the identity of a run of a resolved config on this dataset, with representations of the user's."""
    hashes = hash_data(dataset)
    if representations:
        named = sorted((name, one.sha256) for name, one in representations.items())
        hashes["representations"] = hashlib.sha256(json.dumps(named).encode()).hexdigest()
    protocol = COMPARISON_PROTOCOL if isinstance(config, CompareConfig | SweepConfig) else 1
    return RunIdentity(to_dict(config), hashes, absent_values(type(config)()), protocol)


def open_experiment(experiment: Experiment, run: Run, cache: ResultCache) -> Experiment:
    """Returns the experiment with what an earlier attempt at the run saved.

    Raises:
        InputError: the earlier attempt drew another split, as another version may.
    """
    run.require_hash("split", experiment.split.sha256)
    warnings = (run.warning,) if run.warning else ()
    attempts = tuple(run.describe_attempts())
    return dataclasses.replace(experiment, result_cache=cache, attempts=attempts, run_warnings=warnings)

"""The setup of a run: data, splits, scalers, keys, and the plan of the seeds."""

import dataclasses
import functools
import math
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int, Key

from aejax.autoencoders.spec import ProblemSpec
from aejax.config import DataConfig, EvaluationConfig, ExperimentConfig, SplitConfig
from aejax.data.batching import Examples
from aejax.data.dataset import UNLABELLED, Dataset
from aejax.data.label_budget import add_label_noise, with_some_class
from aejax.data.memory import require_device_memory, require_host_memory
from aejax.data.near_duplicates import find_copies
from aejax.data.registry import load_dataset
from aejax.data.scalers import Scaler, fit_scalers
from aejax.data.selection_folds import SelectionFolds, make_selection_folds
from aejax.data.splits import Split, make_split
from aejax.data.suspicions import add_warnings, find_suspicions
from aejax.errors import require
from aejax.evaluate.estimates import EvaluationDesign
from aejax.experiments.checkpointing import ResultCache
from aejax.experiments.environment import describe_machine
from aejax.experiments.multihost import primary_first
from aejax.experiments.progress import ProgressReporter
from aejax.report.captions import duplicate_warnings
from aejax.report.data_line import format_data_line, format_data_warnings
from aejax.train.keys import KeyUse, seed_keys
from aejax.train.plan import Plan, make_plan

HISTORY_BYTES = 64  # that an epoch of a seed leaves in memory and in the results, at least


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A resolved config with its data on the devices.

    The plan has one row per seed. Where several settings are trained at once it has one per seed and setting: all seeds
    of the first setting, then all seeds of the second, and so on.
    """

    config: ExperimentConfig
    dataset: Dataset
    split: Split
    selection_folds: SelectionFolds  # of the labelled rows, for choosing a classifier's settings
    plan: Plan
    scaler: Scaler  # (seeds, d) or (seeds, 1), on the host
    examples: Examples  # on every device
    device_scaler: Scaler  # `scaler`, sharded over the devices
    reporter: ProgressReporter
    result_cache: ResultCache = dataclasses.field(default_factory=ResultCache)
    """Saved results and checkpoints; saves nothing outside of a run."""
    duplicates: dict[str, int] = dataclasses.field(default_factory=dict)  # for `dataset` of results
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)  # what verdicts are about
    first_seed: int = 0  # of the keys
    attempts: tuple[dict[str, Any], ...] = ()  # at the run; for `environment` of results
    run_warnings: tuple[str, ...] = ()  # about the attempts

    def keys(self, use: KeyUse) -> Key[Array, " padded"]:
        """Returns one key per seed, sharded over the devices."""
        return self.plan.shard(self.tile_rows(seed_keys(self.config.seeds, use, self.first_seed)))

    @property
    def problem(self) -> ProblemSpec:
        """What the methods share."""
        return problem_spec_for(self.config, self.dataset)

    @property
    def test_labels(self) -> Int[np.ndarray, "seeds n_test"]:
        """The labels of every seed's test rows."""
        return self.dataset.labels[self.split.test]

    @functools.cached_property
    def training_labels(self) -> Int[np.ndarray, " n"]:
        """The labels of all rows that classifiers are fitted to, with noise if the config has any."""
        return add_label_noise(self.dataset, self.config.split)

    @property
    def design(self) -> EvaluationDesign:
        """Which examples each seed is tested on; training rows without a label are not among those that overlap."""
        split = self.split
        rows = np.concatenate([split.train, split.valid], axis=1)
        return EvaluationDesign(
            name="holdout" if split.shared_test else "cross-validation",
            test_index=split.test,
            labels=self.test_labels,
            n_train=int(np.count_nonzero(self.dataset.labels[rows] != UNLABELLED, axis=1).min()),
            folds=split.folds,
        )

    def tile_rows(self, arrays: Any) -> Any:
        """Repeats arrays with a leading axis of seeds, or of seeds and some settings, for every row of the plan."""
        return jax.tree.map(lambda leaf: leaf[np.arange(self.plan.seeds) % len(leaf)], arrays)

    def describe_data(self) -> dict[str, Any]:
        """Returns `dataset` of `results.json`."""
        return {
            "name": self.dataset.name,
            "sha256": self.dataset.sha256,
            **self._describe_source(),
            "shape": list(self.dataset.example_shape),
            "dtype": self.dataset.inputs.dtype.name,
            "classes": self.dataset.n_classes,
            "class_names": list(self.dataset.class_names),
            "n_train": self.split.train.shape[1],
            "n_valid": self.split.valid.shape[1],
            "n_test": self.split.test.shape[1],
            "n_labelled_train": self.split.labelled_train.shape[1],
            "n_labelled_valid": self.split.labelled_valid.shape[1],
            "selection_folds": self.selection_folds.n_folds,
            "trainings": len(self.split.test),
            "folds": self.split.folds,
            "repetitions": -(-len(self.split.test) // self.split.folds),
            "unused_in_folds": self._count_unused(),
            **self._describe_regime(),
            "split_sha256": self.split.sha256,
            "unlabelled_split_sha256": self.split.unlabelled_sha256,
            "duplicates": self.duplicates,
            "majority_share": float(np.bincount(self.test_labels.ravel()).max() / self.test_labels.size),
        }

    def _describe_regime(self) -> dict[str, Any]:
        """Returns the classes of the labels that each training has, and how many labels are wrong, if made so."""
        labelled, labels, regime = self.split.labelled, self.dataset.labels, self.config.split
        entry: dict[str, Any] = {}
        if regime.class_imbalance is not None:
            counts = np.bincount(labels[labelled[0]], minlength=self.dataset.n_classes)
            entry["labelled_class_counts"] = counts.tolist()
        if regime.label_noise:
            wrong = self.training_labels[labelled] != labels[labelled]
            entry["wrong_labels"] = wrong.mean(axis=1).tolist()  # share, by training
        return entry

    def _describe_source(self) -> dict[str, Any]:
        """Returns what was understood of the data; counts of a stream's classes are those of its sample."""
        dataset, description = self.dataset, self.dataset.description
        labels, stream = dataset.labels, dataset.stream
        has_label = labels != UNLABELLED
        return {
            "rows": len(labels) + (0 if stream is None else stream.n_train),
            "features": math.prod(dataset.example_shape),
            "class_counts": np.bincount(labels[has_label], minlength=dataset.n_classes).tolist(),
            "unlabelled": int(np.count_nonzero(~has_label)),
            "groups": None if dataset.groups is None else len(np.unique(dataset.groups)),
            **dataclasses.asdict(description),
        }

    def _count_unused(self) -> int:
        """Returns the most labelled rows of groups of a test fold that are no test rows, as folds have one size."""
        groups = self.dataset.groups
        if groups is None or self.split.shared_test:
            return 0
        is_labelled = self.dataset.labels != UNLABELLED
        sizes = [np.count_nonzero(is_labelled & np.isin(groups, groups[test])) for test in self.split.test]
        return int(max(sizes)) - self.split.test.shape[1]


def load_examples(config: DataConfig) -> Dataset:
    """Returns the dataset; if no row has a label, all are of one class, so that they are split like any others.

    Raises:
        InputError: the data cannot be loaded.
    """
    return with_some_class(primary_first(lambda: load_dataset(config)))


def load_labelled_examples(config: DataConfig) -> Dataset:
    """Returns a dataset with at least two classes.

    Raises:
        InputError: the data cannot be loaded, or have no labels.
    """
    dataset = load_examples(config)
    require_classes(dataset)
    return dataset


def require_classes(dataset: Dataset) -> None:
    """Raises `InputError` if a dataset has no labels to classify by."""
    require(
        dataset.n_classes >= 2,
        f"{dataset.name}: has no labels to classify by; name a column of labels by --label-column (for a stream, add "
        "labels.npy), and pretrain.py trains without",
    )


def problem_spec_for(config: ExperimentConfig, dataset: Dataset) -> ProblemSpec:
    """Returns the problem that the methods of a resolved config share."""
    return make_problem_spec(config, dataset.example_shape, dataset.n_classes)


def make_problem_spec(config: ExperimentConfig, shape: tuple[int, ...], classes: int) -> ProblemSpec:
    """Returns the same from the shape of an example and the number of classes."""
    bounded = config.data.scaler in ("range", "minmax")
    return ProblemSpec(config.model, config.objective, shape, classes, bounded)


def prepare_experiment(
    config: ExperimentConfig, dataset: Dataset, reporter: ProgressReporter, plan: Plan | None = None
) -> Experiment:
    """Draws the split, fits the scalers, copies the data to the devices, and reports what was understood of them.

    The config is resolved; the default plan is the one that suits the machine.

    Raises:
        InputError: the split cannot be drawn, it has no validation rows for the probe, or memory is too small.
    """
    require_host_memory(
        config.seeds * (8 * len(dataset.labels) + HISTORY_BYTES * config.train.epochs),
        f"--seeds {config.seeds} with --epochs {config.train.epochs}: rows and histories of all trainings",
    )
    split = make_split(dataset, config.split, config.seeds)
    cause, fix = explain_no_validation(config.split)
    require(
        make_selection_folds(dataset, split).can_select or config.probe.probe_c or config.probe.probe == "knn",
        f"{cause}: leaves no validation rows to choose the probe's strength by; {fix}, or fix it with --probe-c",
    )
    dataset = add_warnings(dataset, find_suspicions(dataset, split.test[0]))  # outside the test set or the first fold
    experiment = place_experiment(config, dataset, split, reporter, plan)
    experiment = dataclasses.replace(experiment, duplicates=_count_duplicates(dataset, split, config.split))
    described = experiment.describe_data()
    warnings = [*format_data_warnings(described), *duplicate_warnings(described)]
    reporter.describe("data", format_data_line(described).removeprefix("data: "), warnings)
    reporter.describe("device", f"{describe_machine()}: {experiment.plan.describe()}")
    return experiment


def _count_duplicates(dataset: Dataset, split: Split, config: SplitConfig) -> dict[str, int]:
    """Returns how many rows equal a test row, or in cross-validation another row, and how many nearly do."""
    exact, near = (len(found.rows) for found in find_copies(dataset, split.test[0] if split.shared_test else None))
    drops_exact, drops_near = config.duplicates in ("drop", "drop-near"), config.duplicates == "drop-near"
    return {
        "train_test": 0 if drops_exact else exact,
        "dropped": exact if drops_exact else 0,
        "near_train_test": 0 if drops_near else near,
        "near_dropped": near if drops_near else 0,
    }


def explain_no_validation(split: SplitConfig) -> tuple[str, str]:
    """Returns the flag that leaves no labelled validation rows, and how to change it."""
    if split.class_imbalance is not None and split.valid_fraction:
        return f"--class-imbalance {split.class_imbalance:g}", "lower it, give --labels-per-class"
    return f"--valid-fraction {split.valid_fraction}", "raise it"


def place_experiment(
    config: ExperimentConfig, dataset: Dataset, split: Split, reporter: ProgressReporter, plan: Plan | None = None
) -> Experiment:
    """Returns the experiment of a split, with scalers fitted and data on the devices; duplicates are not looked for.

    Raises:
        InputError: memory is too small.
    """
    plan = plan or make_plan(config.plan, config.seeds)
    assert config.data.scaler is not None
    training_rows = split.check_training_rows(split.train, "a scaler")
    scaler = fit_scalers(config.data.scaler, dataset, training_rows, config.data.missing)
    flat = dataset.inputs.reshape(len(dataset.inputs), -1)
    other_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(scaler))
    require_device_memory(dataset.name, flat.nbytes + dataset.labels.nbytes, other_bytes, plan.mesh.local_devices)
    return Experiment(
        config=config,
        dataset=dataset,
        split=split,
        selection_folds=make_selection_folds(dataset, split),
        plan=plan,
        scaler=scaler,
        examples=Examples(inputs=plan.replicate(flat), labels=plan.replicate(add_label_noise(dataset, config.split))),
        device_scaler=plan.shard(scaler),
        reporter=reporter,
    )


def shard_rows(experiment: Experiment, rows: Int[np.ndarray, "entries *m"]) -> Int[jax.Array, "padded *m"]:
    """Returns index arrays, repeated for every row of the plan, sharded over the devices."""
    return experiment.plan.shard(experiment.tile_rows(rows.astype(np.int32)))

"""The config of each experiment."""

import dataclasses
from pathlib import Path
from typing import Literal

from aejax.config.data import DataConfig, SplitConfig, require_valid_labels
from aejax.config.evaluate import EvaluationConfig, HeadConfig, ProbeConfig
from aejax.config.model import ModelConfig
from aejax.config.objective import ObjectiveConfig
from aejax.config.shard import parse_shard
from aejax.config.train import OptimizerConfig, PlanConfig, TrainConfig
from aejax.config.validation import require_at_least


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """Settings that all experiments share."""

    data: DataConfig = DataConfig()
    split: SplitConfig = SplitConfig()
    model: ModelConfig = ModelConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    train: TrainConfig = TrainConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    probe: ProbeConfig = ProbeConfig()
    plan: PlanConfig = PlanConfig()
    seeds: int = 10  # independent repetitions: seeds 0, 1, ..., each with its own split, order and initialisation

    def __post_init__(self) -> None:
        require_at_least(1, self, "seeds")


COMPARE_METHODS = (
    "raw",
    "pca",
    "random-projection",
    "random",
    "random-sparse-l1",  # sparse-l1 has another architecture
    "supervised",
    "svm",
    "knn",
    "undercomplete",
    "denoising",
    "sparse-l1",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareConfig(ExperimentConfig):
    """Autoencoder features against every control: same splits, same probe, same budget.

    Methods that learn from labels have the budget for each training, and choose their settings in several.
    """

    methods: tuple[str, ...] = COMPARE_METHODS  # rows of the table, controls and autoencoders
    tune: int | None = None
    """Settings that a method tries: every kind of autoencoder and its frozen controls, supervised networks (learning
    rates; weight decay and epochs are always chosen), kmeans and random-fourier (all declared in
    aejax/methods/tuning_space.py), svm, boosting, forest and label-spreading (at most all that they declare, which
    they try without --tune). Each seed chooses by validation loss."""
    features: tuple[str, ...] = ()
    """NAME=FILE of .npy, .npz, .safetensors or .parquet, or FILE:KEY: rows of features that were made elsewhere, one
    for each example in the order of the data, or of an array or column `row` of row numbers in the file. KEY: an array,
    or the beginning of a table's column names."""
    encoder: tuple[str, ...] = ()
    """NAME=FOLDER or NAME=hf:OWNER/NAME: rows of encoders that `aejax export` published, or that SAELens or sparsify
    saved as cfg.json and safetensors."""
    versus: tuple[str, ...] = ()
    """Compare every row that is no control with these rows, too, which may be autoencoders. These comparisons are one
    family: their verdicts are adjusted together."""
    shard: str | None = None
    """I/N, I from 1 to N: train the I-th of every N methods, on a machine of its own if you like. `aejax report
    --merge` makes one run of the folders of all N."""
    evaluation: EvaluationConfig = EvaluationConfig()

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(1, self, "tune")
        if self.shard is not None:
            parse_shard(self.shard)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepConfig(ExperimentConfig):
    """One kind of autoencoder at every combination of some settings: same splits, same probe."""

    axis: tuple[str, ...] = ()
    """FIELD=VALUE,VALUE,..., once for each axis: a setting of model, objective, optimizer or training and its values,
    or labels_per_class. Widths of several layers are joined by x (hidden=128x64,64); none: no value."""
    method: str | None = None  # the kind of autoencoder; default: the first that uses every axis
    shard: str | None = None
    """I/N, I from 1 to N: train the I-th of every N settings and baselines, on a machine of its own if you like. `aejax
    report --merge` makes one run of the folders of all N."""
    evaluation: EvaluationConfig = EvaluationConfig()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.shard is not None:
            parse_shard(self.shard)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainConfig(ExperimentConfig):
    """Training of one autoencoder."""

    recipe: str = "tutorial-deep"  # the settings to start from; other flags change them
    method: str = "undercomplete"  # the kind of autoencoder
    monitor: Literal["valid", "test"] = "valid"
    """Rows of each epoch's validation loss. test: as in the tutorials, to reproduce their curves; nothing is chosen
    by it."""
    head: HeadConfig = HeadConfig()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeRunConfig:
    """Classification with a pretrained encoder."""

    probe: ProbeConfig = ProbeConfig()
    head: HeadConfig = HeadConfig()
    label_fraction: float = 1.0  # share of the labels a classifier may see, class-balanced
    labels_per_class: int | None = None
    """Labels of each class that a classifier may see; default: as given by --label-fraction."""
    class_imbalance: float | None = None  # labels of the first class by those of the last, in training and validation
    label_noise: float = 0.0  # share of the labels in training and validation that are replaced by another class
    data_dir: Path | None = None  # folder of the run's dataset, if it has moved
    evaluation: EvaluationConfig = EvaluationConfig()

    def __post_init__(self) -> None:
        require_valid_labels(self)

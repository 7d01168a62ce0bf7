"""Whole experiments: what each script can be asked for."""

import dataclasses
from pathlib import Path
from typing import Literal

from aejax.config.data import DataConfig, SplitConfig, require_label_budget
from aejax.config.evaluate import EvaluationConfig
from aejax.config.model import ModelConfig
from aejax.config.objective import ObjectiveConfig
from aejax.config.probe import HeadConfig, ProbeConfig
from aejax.config.train import OptimizerConfig, PlanConfig, TrainConfig
from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """What every experiment is made of."""

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
        require(self.seeds >= 1, f"--seeds {self.seeds}: expected at least 1")


COMPARE_METHODS = (
    "raw",
    "pca",
    "random-projection",
    "random",
    "random-sparse-l1",  # the last one has an architecture of its own
    "supervised",
    "knn",
    "undercomplete",
    "denoising",
    "sparse-l1",
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareConfig(ExperimentConfig):
    """Autoencoder features against every control: same splits, same probe, same budget."""

    methods: tuple[str, ...] = COMPARE_METHODS  # rows of the table, controls and autoencoders
    evaluation: EvaluationConfig = EvaluationConfig()


@dataclasses.dataclass(frozen=True, kw_only=True)
class SweepConfig(ExperimentConfig):
    """One kind of autoencoder at every combination of some settings: same splits, same probe."""

    axis: tuple[str, ...] = ()
    """FIELD=VALUE,VALUE,..., once for each axis: a flag of model, objective, optimizer or training and what it takes in
    turn. Widths in a row are joined by x (hidden=128x64,64); none stands for no value."""
    method: str | None = None  # the kind of autoencoder; default: the first that uses every axis


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainConfig(ExperimentConfig):
    """One autoencoder, trained and kept."""

    recipe: str = "tutorial-deep"  # the settings to start from; other flags change them
    method: str = "undercomplete"  # the kind of autoencoder
    monitor: Literal["valid", "test"] = "valid"
    """The rows behind each epoch's validation loss. test: as the tutorials did, to reproduce their printed curves;
    nothing is chosen by it."""
    head: HeadConfig = HeadConfig()


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeRunConfig:
    """How to classify with a pretrained encoder."""

    probe: ProbeConfig = ProbeConfig()
    head: HeadConfig = HeadConfig()
    label_fraction: float = 1.0  # share of the labels a classifier may see, class-balanced
    labels_per_class: int | None = None  # all labels of each class that a classifier may see; default: --label-fraction
    data_dir: Path | None = None  # where the run's dataset is looked for, if it has moved

    def __post_init__(self) -> None:
        require_label_budget(self.label_fraction, self.labels_per_class)

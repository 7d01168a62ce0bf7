"""The config of each experiment, of an exploration and of an export, and the part of it that a shard computes."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from aejax.config.data import DataConfig, SplitConfig, require_valid_labels
from aejax.config.evaluate import EvaluationConfig, HeadConfig, ProbeConfig
from aejax.config.model import ModelConfig
from aejax.config.train import ObjectiveConfig, OptimizerConfig, PlanConfig, TrainConfig
from aejax.config.validation import require_at_least
from aejax.errors import require

Item = TypeVar("Item")
ExportFormat = Literal["orbax", "safetensors", "stablehlo"]
WeightsChoice = Literal["last", "best"]


class Shard(NamedTuple):
    """One of several parts of a list that is divided by index."""

    number: int  # from 1
    total: int

    def select(self, items: Iterable[Item]) -> list[Item]:
        """Returns every `total`-th item. Raises `InputError` if there are none for this shard.

        >>> Shard(2, 3).select("abcdef")
        ['b', 'e']
        """
        every = list(items)
        require(
            self.number <= len(every), f"--shard {self.number}/{self.total}: there are {len(every)} parts at most here"
        )
        return every[self.number - 1 :: self.total]


def parse_shard(text: str) -> Shard:
    """Returns the shard of a flag's value. Raises `InputError` if it is none."""
    number, slash, count = text.partition("/")
    is_number = number.isdecimal() and count.isdecimal() and slash
    require(
        is_number and 1 <= int(number) <= int(count), f"--shard {text}: expected I/N with I from 1 to N, such as 1/4"
    )
    return Shard(int(number), int(count))


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
    """Rows of each epoch's validation loss. test: as in the tutorials, to reproduce their curves; no published
    encoder is chosen by it."""
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExploreConfig:
    """Settings of `explore.py`."""

    seed: int = 0  # seed whose autoencoder is drawn; errors, PSNR and compression cover every seed
    anomaly_class: str | None = None
    """Class left out when seed 0 is trained again for anomaly detection: a name, `all` (each class once) or `none`.
    Default: the first class."""
    anomaly_epochs: int | None = None  # epochs of the anomaly training; default: those of the run
    data_dir: Path | None = None  # folder of the run's dataset, if it has moved

    def __post_init__(self) -> None:
        require_at_least(0, self, "seed")
        require_at_least(1, self, "anomaly_epochs")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Settings of `export.py`."""

    seed: str = "best"
    """The seed to publish. best: lowest validation loss (training loss without validation rows or with --monitor
    test) among seeds that did not diverge; all: every seed, stacked; or the number of a seed."""
    weights: WeightsChoice = "last"
    """After the last epoch, or after each seed's epoch of lowest validation loss; only last with --monitor test."""
    formats: tuple[ExportFormat, ...] = ("orbax", "safetensors", "stablehlo")
    """orbax, safetensors: the arrays. stablehlo: the whole program, weights inside, for jax.export. The last two need
    pip install 'aejax[export]'."""

    def __post_init__(self) -> None:
        require(
            self.seed in ("best", "all") or (self.seed.isascii() and self.seed.isdigit() and len(self.seed) < 10),
            f"--seed {self.seed[:20]}: expected best, all or a seed's number",
        )
        given = " ".join(self.formats)
        require(self.formats, "--formats: name at least one of orbax, safetensors, stablehlo")
        require(len(set(self.formats)) == len(self.formats), f"--formats {given}: each format once")

"""What can be asked for: frozen dataclasses whose fields say their meaning and unit.

Every field is also a command-line flag (`latent_dim` is `--latent-dim`), so no two fields here share a name.
`None` means "decided from the data"; a run's `config.json` holds what was decided.
"""

import dataclasses
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from aejax.errors import InputError, require

Config = TypeVar("Config")
Activation = Literal["relu", "leaky_relu", "gelu", "tanh", "sigmoid", "linear"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where examples come from and how they are scaled."""

    dataset: str = "digits"  # digits, breast_cancer, wine, tabular, mnist, or a path: .npz, .csv, folder of IDX files
    data_dir: Path | None = None  # where downloads live and offline copies are looked for first; default AEJAX_DATA
    label_column: str | None = None  # the label's column in a .csv file; default: label, target, class or y, else last
    scaler: Literal["range", "minmax", "standard", "none"] | None = None
    """Fitted on training rows. range: by the storage format's limits (/255 for bytes); minmax and standard: each
    feature to [0, 1] or to mean 0 and deviation 1. Default: range where the data declare one, else standard."""

    tabular_samples: int = 1000  # examples that make_classification draws for --dataset tabular
    tabular_features: int = 100  # its features in all
    tabular_informative: int = 10  # its informative features
    tabular_redundant: int = 90  # its features that are linear combinations of the informative ones
    tabular_seed: int = 1  # its random_state


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Who is trained on, who chooses, who judges."""

    split: Literal["stratified", "tutorial"] = "stratified"
    """stratified: an official test set where there is one, else one stratified draw; validation rows are drawn per
    seed from the rest. tutorial: without an official test set, train_test_split(test_size=0.33, random_state=1);
    autoencoders train on everything outside the test, and only classifiers hold validation rows out."""
    test_fraction: float = 0.2  # share of all rows held out for the test, where no official test set exists
    test_seed: int = 0  # seed of that one draw, the same for every training seed
    valid_fraction: float = 0.1  # share of the rows outside the test that each seed holds out for validation
    label_fraction: float = 1.0  # share of the training and validation labels a classifier may see, class-balanced

    def __post_init__(self) -> None:
        require(0 < self.test_fraction < 1, f"--test-fraction {self.test_fraction}: expected between 0 and 1")
        require(0 <= self.valid_fraction < 1, f"--valid-fraction {self.valid_fraction}: expected at least 0, below 1")
        require(0 < self.label_fraction <= 1, f"--label-fraction {self.label_fraction}: expected above 0, at most 1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A dense autoencoder: encoder widths, code, decoder widths."""

    hidden: tuple[int, ...] = (128, 64)  # widths of the encoder's hidden layers, from the input inwards
    latent_dim: int | None = None  # width of the code; default: a quarter of the inputs, from 2 to 32
    decoder_hidden: tuple[int, ...] | None = None  # the decoder's hidden widths, code outwards; default: mirrored
    activation: Activation = "relu"  # after every hidden layer
    code_activation: Activation = "linear"  # after the code layer
    batch_norm: bool = False  # batch normalisation between each hidden layer and its activation
    output: Literal["sigmoid", "linear"] | None = None  # last activation; default: sigmoid for range-scaled data
    conventions: Literal["flax", "keras"] = "flax"
    """Initialisation and constants. flax: LeCun normal, BatchNorm epsilon 1e-5, leaky slope 0.01. keras: Glorot
    uniform, BatchNorm epsilon 1e-3, leaky slope 0.3."""

    def __post_init__(self) -> None:
        widths = (*self.hidden, *(self.decoder_hidden or ()))
        require(all(w >= 1 for w in widths), f"--hidden/--decoder-hidden {widths}: every width must be at least 1")
        require(self.latent_dim is None or self.latent_dim >= 1, f"--latent-dim {self.latent_dim}: at least 1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """What an autoencoder is trained for."""

    reconstruction: Literal["mse", "bce"] | None = None  # default: bce for a sigmoid and range-scaled data, else mse
    noise_std: float = 0.3  # denoising: standard deviation of the added Gaussian noise, in scaled input units
    l1: float = 1e-3  # sparse-l1: weight of the code's mean absolute activity, summed over units

    def __post_init__(self) -> None:
        require(self.noise_std >= 0, f"--noise-std {self.noise_std}: expected at least 0")
        require(self.l1 >= 0, f"--l1 {self.l1}: expected at least 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long and in what portions."""

    epochs: int = 100  # passes over the training rows
    batch_size: int = 64  # examples per step; at most the training rows

    def __post_init__(self) -> None:
        require(self.epochs >= 1, f"--epochs {self.epochs}: expected at least 1")
        require(self.batch_size >= 1, f"--batch-size {self.batch_size}: expected at least 1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """An optax optimizer and its schedule."""

    optimizer: Literal["adam", "adamw", "adadelta", "sgd"] = "adam"
    learning_rate: float = 1e-3  # peak step size (adadelta: use 1.0)
    schedule: Literal["constant", "cosine"] = "constant"  # after the warm-up
    warmup_epochs: float = 0.0  # epochs of linear rise from 0 to the peak
    momentum: float = 0.9  # sgd only
    weight_decay: float = 1e-4  # adamw only, decoupled
    clip_norm: float | None = None  # largest global gradient norm; default: none

    def __post_init__(self) -> None:
        require(self.learning_rate > 0, f"--learning-rate {self.learning_rate}: expected above 0")
        require(self.warmup_epochs >= 0, f"--warmup-epochs {self.warmup_epochs}: expected at least 0")
        require(0 <= self.momentum < 1, f"--momentum {self.momentum}: expected at least 0, below 1")
        require(self.weight_decay >= 0, f"--weight-decay {self.weight_decay}: expected at least 0")
        require(self.clip_norm is None or self.clip_norm > 0, f"--clip-norm {self.clip_norm}: expected above 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """The convex probe: L2 multinomial logistic regression on features."""

    probe_c: float | None = None  # scikit-learn's C, fixed; default: the strength is chosen on validation rows
    probe_standardize: bool = True  # features to mean 0 and deviation 1 on the probe's training rows first

    def __post_init__(self) -> None:
        require(self.probe_c is None or self.probe_c > 0, f"--probe-c {self.probe_c}: expected above 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """The tutorials' second stage: a softmax layer trained by gradient steps on the frozen encoder."""

    head_epochs: int = 5  # passes over the labelled training rows
    head_batch_size: int = 32  # examples per step
    head_learning_rate: float = 1e-3  # Adam's step size

    def __post_init__(self) -> None:
        require(self.head_epochs >= 1, f"--head-epochs {self.head_epochs}: expected at least 1")
        require(self.head_batch_size >= 1, f"--head-batch-size {self.head_batch_size}: expected at least 1")
        require(self.head_learning_rate > 0, f"--head-learning-rate {self.head_learning_rate}: expected above 0")


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlanConfig:
    """How seeds are laid over the machine."""

    within_device: Literal["vmap", "serial"] | None = None  # several seeds on one device; default: by the backend
    devices: int | None = None  # how many of JAX's devices to use; default: all

    def __post_init__(self) -> None:
        require(self.devices is None or self.devices >= 1, f"--devices {self.devices}: expected at least 1")


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


COMPARE_METHODS = ("raw", "pca", "random", "supervised", "undercomplete", "denoising", "sparse-l1")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareConfig(ExperimentConfig):
    """Autoencoder features against every control: same splits, same probe, same budget."""

    methods: tuple[str, ...] = COMPARE_METHODS  # rows of the table, controls and autoencoders


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
class ProbingConfig:
    """How to classify with a pretrained encoder."""

    probe: ProbeConfig = ProbeConfig()
    head: HeadConfig = HeadConfig()
    label_fraction: float = 1.0  # share of the labels a classifier may see, class-balanced
    data_dir: Path | None = None  # where the run's dataset is looked for, if it has moved

    def __post_init__(self) -> None:
        require(0 < self.label_fraction <= 1, f"--label-fraction {self.label_fraction}: expected above 0, at most 1")


def to_dict(config: Any) -> dict[str, Any]:
    """A nested dict of plain JSON values: paths as text, tuples as lists."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, tuple | list):
            return [plain(item) for item in value]
        return str(value) if isinstance(value, Path) else value

    return plain(dataclasses.asdict(config))


def from_dict(kind: type[Config], values: Any, where: str = "config") -> Config:
    """The config that `to_dict` wrote.

    Args:
        kind: a dataclass of this module.
        values: what its JSON holds.
        where: named in errors.

    Raises:
        InputError: fields that are unknown or of another type.
    """
    hints = get_type_hints(kind)
    require(isinstance(values, dict), f"{where}: expected an object of fields")
    unknown = sorted(values.keys() - hints.keys())
    require(
        not unknown, f"{where}: unknown field {unknown[0] if unknown else ''}; written by another version of aejax?"
    )
    return kind(**{name: _typed(hints[name], value, f"{where}.{name}") for name, value in values.items()})


def _typed(hint: Any, value: Any, where: str) -> Any:
    """A JSON value as the annotated type."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return from_dict(hint, value, where)
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for option in options:
        if option is type(None):
            matched = value is None
        elif get_origin(option) is Literal:
            matched = value in get_args(option)
        elif get_origin(option) is tuple:
            if isinstance(value, list):
                return tuple(_typed(get_args(option)[0], item, where) for item in value)
            matched = False
        elif option is Path:
            if isinstance(value, str):
                return Path(value)
            matched = False
        elif option is float:
            matched = isinstance(value, int | float) and not isinstance(value, bool)
        else:
            matched = type(value) is option
        if matched:
            return value
    raise InputError(f"{where}: {value!r} is not {hint}; written by another version of aejax?")

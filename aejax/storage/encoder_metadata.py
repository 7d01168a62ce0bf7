"""Metadata of a published encoder, `encoder.json`: a closed schema with limits that are checked before use.

It has only the fields below. The architecture is a name in the registry and numbers; nothing is a path, and nothing is
imported by name.
"""

import dataclasses
import math
from pathlib import Path
from typing import Any, Literal

from aejax.config import ModelConfig, ObjectiveConfig, from_dict, to_dict
from aejax.config.experiment import ExportFormat, WeightsChoice
from aejax.data.table_schema import TableSchema
from aejax.errors import require
from aejax.storage.atomic_io import write_json
from aejax.storage.manifest import read_bounded_json

SCHEMA_VERSION: Literal[1] = 1
METADATA_FILE = "encoder.json"
MAX_WIDTH = 2**24  # numbers of the largest example
MAX_LAYERS = 64
MAX_SEEDS = 2**16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Maps raw examples to the inputs of the first layer.

    The rows of a table are encoded by its columns; other examples are flattened in C order. `offsets` are subtracted in
    float64. Missing values (NaN) are replaced by `fill`. The result is `(x - shift) * scale` in float32.
    """

    scaler: Literal["range", "minmax", "standard", "none"]
    shift: tuple[tuple[float, ...], ...]  # for each seed: one number per feature, or one for all
    scale: tuple[tuple[float, ...], ...]
    fill: tuple[tuple[float, ...], ...] | None = None  # for each seed: one number per feature
    offsets: tuple[float, ...] | None = None  # one number per feature
    table: TableSchema | None = None

    @property
    def scaler_arrays(self) -> dict[str, tuple[tuple[float, ...], ...]]:
        """The part that was fitted for each seed, by name."""
        fitted = {"shift": self.shift, "scale": self.scale}
        return fitted if self.fill is None else {**fitted, "fill": self.fill}


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderMetrics:
    """Metrics of each seed, in the order of `seeds`; null if unknown."""

    epoch: tuple[int, ...]  # of the weights; 0: before the first
    train_loss: tuple[float | None, ...]  # after that epoch
    valid_loss: tuple[float | None, ...]
    test_reconstruction_mse: tuple[float | None, ...]  # in scaled units; of the last weights only
    test_explained_variance: tuple[float | None, ...]
    diverged_epoch: tuple[int | None, ...]  # the weights are the last finite ones; null: did not diverge


@dataclasses.dataclass(frozen=True, kw_only=True)
class Provenance:
    """The origin of an encoder."""

    dataset: str
    dataset_sha256: str  # of inputs, labels and test rows
    n_train: int  # unlabelled examples that each seed was trained on
    recipe: str
    epochs: int
    trained_by: str  # a command line
    exported_by: str
    commit: str | None  # of aejax
    versions: tuple[str, ...]  # "NAME VERSION" of the packages that exported it


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderMetadata:
    """The content of `encoder.json`."""

    schema: Literal[1]
    kind: str  # a name in aejax/autoencoders/registry.py
    model: ModelConfig  # resolved
    objective: ObjectiveConfig  # resolved; for some kinds, the sparsity of the encoder
    shape: tuple[int, ...]  # of one raw example
    dtype: Literal["uint8", "float32"]  # of raw examples as stored
    classes: int
    preprocessing: Preprocessing
    code_width: int
    seeds: tuple[int, ...]
    stacked: bool  # every array has a leading axis of seeds
    weights: WeightsChoice
    formats: tuple[ExportFormat, ...]
    arrays_sha256: str  # of every array's name, type, shape and bytes
    metrics: EncoderMetrics
    origin: Provenance

    @property
    def n_features(self) -> int:
        """d, the number of entries of one example."""
        return math.prod(self.shape)

    def select_seed(self, seed: int) -> "EncoderMetadata":
        """Returns the metadata of one seed, unstacked. Raises `InputError` if it is not among `seeds`."""
        require(seed in self.seeds, f"seed {seed}: is not among those published, {', '.join(map(str, self.seeds))}")
        index = self.seeds.index(seed)
        fitted: dict[str, Any] = {name: (rows[index],) for name, rows in self.preprocessing.scaler_arrays.items()}
        metrics = {name: (values[index],) for name, values in vars(self.metrics).items()}
        return dataclasses.replace(
            self,
            seeds=(seed,),
            stacked=False,
            preprocessing=dataclasses.replace(self.preprocessing, **fitted),
            metrics=EncoderMetrics(**metrics),
        )


def write_metadata(folder: Path, metadata: EncoderMetadata) -> None:
    """Writes `encoder.json` into a folder."""
    write_json(folder / METADATA_FILE, to_dict(metadata))


def read_metadata(folder: Path) -> EncoderMetadata:
    """Reads `encoder.json` from a folder.

    Raises:
        CorruptedFileError: it is missing or not JSON.
        InputError: it has another schema, or a field that is unknown, of another type, or beyond its limits.
    """
    path = folder / METADATA_FILE
    metadata = from_dict(EncoderMetadata, read_bounded_json(path), str(path))
    _require_limits(metadata, str(path))
    return metadata


def _require_limits(metadata: EncoderMetadata, where: str) -> None:
    """Raises `InputError` for sizes beyond the limits, before shapes are computed from them, and for contradictions."""
    require(len(metadata.shape) >= 1, f"{where}: an example of shape () has no features")
    valid = all(size >= 1 for size in metadata.shape) and metadata.n_features <= MAX_WIDTH
    require(valid, f"{where}: shape {metadata.shape}: expected sizes from 1, of at most {MAX_WIDTH} numbers")
    for name in ("hidden", "decoder_hidden", "sparse_hidden", "channels"):  # whose widths the model's config checks
        layers = len(getattr(metadata.model, name) or ())
        require(layers <= MAX_LAYERS, f"{where}: model.{name} has {layers} entries; at most {MAX_LAYERS} are read")
    seeds = metadata.seeds
    require(1 <= len(seeds) <= MAX_SEEDS, f"{where}: has {len(seeds)} seeds; expected from 1 to {MAX_SEEDS}")
    require(len(set(seeds)) == len(seeds) and min(seeds) >= 0, f"{where}: seeds must be distinct and at least 0")
    require(metadata.stacked or len(seeds) == 1, f"{where}: {len(seeds)} seeds that are not stacked")
    _require_preprocessing(metadata, where)
    rows = {len(values) for values in vars(metadata.metrics).values()}
    require(rows == {len(seeds)}, f"{where}: every metric needs {len(seeds)} numbers, one for each seed")


def _require_preprocessing(metadata: EncoderMetadata, where: str) -> None:
    seeds, n_features, preprocessing = len(metadata.seeds), metadata.n_features, metadata.preprocessing
    shift, scale, fill = preprocessing.shift, preprocessing.scale, preprocessing.fill
    widths = {len(row) for row in (*shift, *scale)}
    valid = len(shift) == len(scale) == seeds and widths in ({1}, {n_features})
    require(valid, f"{where}: preprocessing needs {seeds} rows of 1 or {n_features} numbers")
    valid = fill is None or (len(fill) == seeds and {len(row) for row in fill} == {n_features})
    require(valid, f"{where}: preprocessing.fill needs {seeds} rows of {n_features} numbers")
    offsets, table = preprocessing.offsets, preprocessing.table
    valid = offsets is None or len(offsets) == n_features
    require(valid, f"{where}: preprocessing.offsets needs {n_features} numbers")
    if table is not None:
        _require_table(table, metadata.shape, where)


def _require_table(table: TableSchema, shape: tuple[int, ...], where: str) -> None:
    names = [column.name for column in table.columns]
    require(len(set(names)) == len(names), f"{where}: preprocessing.table has two columns of one name")
    for column in table.columns:
        is_category = column.kind == "category"
        valid = is_category == (column.encoding is not None) == bool(column.categories)
        valid = valid and len(set(column.categories)) == len(column.categories)
        require(valid, f"{where}: preprocessing.table: column {column.name!r} needs distinct categories if it has any")
    width = len(table.feature_names)
    n_features = math.prod(shape)
    require(width == n_features, f"{where}: preprocessing.table gives {width} numbers, the shape {n_features}")
    require(len(shape) == 1, f"{where}: preprocessing.table: a row has shape (d), not {shape}")

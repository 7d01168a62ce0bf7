"""What `encoder.json` says of a published encoder: a closed schema, held to its limits before anything is built.

Only the fields below, of these types; the architecture by its name in a registry and numbers. Nothing in it is a path,
and nothing that it names is imported.
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, Literal

from aejax.config import ModelConfig, ObjectiveConfig, from_dict, to_dict
from aejax.config.export import ExportFormat, WeightsChoice
from aejax.errors import require
from aejax.storage.atomic_io import write_json
from aejax.storage.manifest import CorruptedFileError, read_bounded

SCHEMA_VERSION = 1
METADATA_FILE = "encoder.json"
MAX_WIDTH = 2**24  # numbers in an example, and units in a layer
MAX_LAYERS = 64  # layers
MAX_SEEDS = 2**16


@dataclasses.dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """From a raw example, flat in C order, to what the first layer takes: `(x - shift) * scale`, in float32."""

    scaler: Literal["range", "minmax", "standard", "none"]
    shift: tuple[tuple[float, ...], ...]  # for each seed: one for each feature, or one for all
    scale: tuple[tuple[float, ...], ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderMetrics:
    """What is known of each seed, in the order of `seeds`; null: nothing is."""

    epoch: tuple[int, ...]  # after which the weights are
    train_loss: tuple[float | None, ...]  # of that epoch
    valid_loss: tuple[float | None, ...]
    test_reconstruction_mse: tuple[float | None, ...]  # in scaled units; of the last weights only
    test_explained_variance: tuple[float | None, ...]
    diverged_epoch: tuple[int | None, ...]  # its weights are the last that were finite; null: it did not diverge


@dataclasses.dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where an encoder comes from."""

    dataset: str
    dataset_sha256: str  # of inputs, labels and test rows
    n_train: int  # examples that each seed saw, without their labels
    recipe: str
    epochs: int
    trained_by: str  # a command line
    exported_by: str
    commit: str | None  # of aejax
    versions: tuple[str, ...]  # NAME VERSION, of what exported it


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderMetadata:
    """All that `encoder.json` says."""

    schema: int
    kind: str  # a name in aejax/autoencoders/registry.py
    model: ModelConfig  # resolved
    objective: ObjectiveConfig  # resolved; of some kinds, the encoder's sparsity
    shape: tuple[int, ...]  # of one raw example
    dtype: Literal["uint8", "float32"]  # of raw examples, as they were stored
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
        """d, numbers in one example."""
        return math.prod(self.shape)

    def select_seed(self, seed: int) -> "EncoderMetadata":
        """The same of one seed, unstacked.

        Raises:
            InputError: it is not among `seeds`.
        """
        require(seed in self.seeds, f"seed {seed}: is not among those published, {', '.join(map(str, self.seeds))}")
        at = self.seeds.index(seed)
        shift, scale = (self.preprocessing.shift[at],), (self.preprocessing.scale[at],)
        one = {field.name: (getattr(self.metrics, field.name)[at],) for field in dataclasses.fields(EncoderMetrics)}
        return dataclasses.replace(
            self,
            seeds=(seed,),
            stacked=False,
            preprocessing=dataclasses.replace(self.preprocessing, shift=shift, scale=scale),
            metrics=EncoderMetrics(**one),
        )


def write_metadata(folder: Path, metadata: EncoderMetadata) -> None:
    """Write it into a folder."""
    write_json(folder / METADATA_FILE, to_dict(metadata))


def read_metadata(folder: Path) -> EncoderMetadata:
    """Read it from a folder.

    Raises:
        DamagedError: it is missing, or no JSON.
        InputError: it is of another schema, or holds something else than the schema has, or beyond its limits.
    """
    path = folder / METADATA_FILE
    try:
        said = json.loads(read_bounded(path), parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        raise CorruptedFileError(f"{path}: is no JSON") from None
    require(isinstance(said, dict), f"{path}: expected an object of fields")
    require(
        type(said.get("schema")) is int and said["schema"] == SCHEMA_VERSION,
        f"{path}: is of schema {said.get('schema')!r}, and this aejax reads {SCHEMA_VERSION}; take the aejax that wrote it",
    )
    try:
        description = from_dict(EncoderMetadata, said, str(path))
    except RecursionError:
        raise CorruptedFileError(f"{path}: is nested too deeply") from None
    _require_limits(description, str(path))
    return description


def _reject_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _require_limits(metadata: EncoderMetadata, where: str) -> None:
    """Refuse sizes that nobody trains, before a shape is computed from them, and parts that contradict each other."""
    require(len(metadata.shape) >= 1, f"{where}: an example of shape () has no features")
    _require_widths(metadata.shape, "shape", where)
    require(metadata.n_features <= MAX_WIDTH, f"{where}: shape {metadata.shape} has more than {MAX_WIDTH} numbers")
    model = metadata.model
    for name in ("hidden", "decoder_hidden", "sparse_hidden", "channels"):
        _require_widths(getattr(model, name) or (), f"model.{name}", where)
    single = (model.latent_dim, model.overcomplete_dim, model.sparse_dim, metadata.code_width)
    _require_widths(tuple(width for width in single if width is not None), "model's code", where)
    seeds = metadata.seeds
    require(1 <= len(seeds) <= MAX_SEEDS, f"{where}: has {len(seeds)} seeds; expected from 1 to {MAX_SEEDS}")
    require(len(set(seeds)) == len(seeds) and min(seeds) >= 0, f"{where}: each seed is a number of its own, from 0")
    require(metadata.stacked or len(seeds) == 1, f"{where}: {len(seeds)} seeds that are not stacked")
    own = metadata.preprocessing
    widths = {len(row) for row in (*own.shift, *own.scale)}
    whole = len(own.shift) == len(own.scale) == len(seeds) and widths in ({1}, {metadata.n_features})
    require(whole, f"{where}: preprocessing needs {len(seeds)} rows of 1 or {metadata.n_features} numbers")
    rows = {len(getattr(metadata.metrics, field.name)) for field in dataclasses.fields(EncoderMetrics)}
    require(rows == {len(seeds)}, f"{where}: every metric needs {len(seeds)} numbers, one for each seed")


def _require_widths(widths: tuple[int, ...], name: str, where: str) -> None:
    require(len(widths) <= MAX_LAYERS, f"{where}: {name} has {len(widths)} entries; at most {MAX_LAYERS} are read")
    require(
        all(1 <= width <= MAX_WIDTH for width in widths), f"{where}: {name} {widths}: expected from 1 to {MAX_WIDTH}"
    )

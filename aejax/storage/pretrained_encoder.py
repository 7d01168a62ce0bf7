"""Loads published encoders: a pure function from raw inputs to codes, and its arrays.

Loading is safe with files from others. Before an array is read, every file is checked against the manifest,
`encoder.json` against its schema and limits, and the names, shapes and dtypes of all arrays against the architecture in
the registry. Nothing is unpickled, executed, or imported by name.
"""

import dataclasses
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from aejax.autoencoders.registry import KINDS
from aejax.autoencoders.spec import ProblemSpec
from aejax.data.description import TrainingData
from aejax.data.input_encoding import InputEncoding, RawInputs
from aejax.data.scalers import Scaler, apply_scaler
from aejax.errors import InputError, require, summarize_error
from aejax.models.autoencoder import Autoencoder
from aejax.storage.encoder_metadata import METADATA_FILE, EncoderMetadata, read_metadata
from aejax.storage.formats import FORMAT_READERS, ORBAX, arrays_sha256
from aejax.storage.hub import open_encoder_folder
from aejax.storage.manifest import CorruptedFileError, verify_manifest
from aejax.storage.pytree_io import ArrayTree, named_leaves, require_memory_for
from aejax.storage.sparse_coders import CONFIG_FILE, SparseCoder, is_sparse_coder, load_sparse_coder

ENCODER_NAME = "encoder"  # in a model's variables


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class PretrainedEncoder:
    """A trained encoder: call it on raw inputs for codes. Pure; works under `jit`, `vmap` and differentiation.

    Inputs are raw examples of any real dtype, `(batch, *shape)`, or flat, `(batch, d)`; a single example `(*shape)` or
    `(d)` gives a single code. An encoder of a table also takes a DataFrame with the table's columns, outside `jit`, and
    its `d` features are those of `metadata.preprocessing.table.encode`, NaN where a number is missing. Codes are
    float32 `(batch, width)`, and `(seeds, batch, width)` if seeds are stacked. A code depends on its example alone:
    BatchNorm uses the statistics from training.

    Features in which float32 would merge distinct values have offsets, which are subtracted in float64 from NumPy
    arrays and DataFrames, and in float32 from JAX arrays, so under `jit`.

    Matrix products have JAX's default precision, which is below float32 on GPU and TPU; under
    `jax.default_matmul_precision("highest")` codes agree with those of a CPU up to rounding.
    """

    metadata: EncoderMetadata  # the content of `encoder.json`
    model: Autoencoder  # only its encoder is used
    variables: (
        ArrayTree  # {"params", "scaler", and "batch_stats" if any}; every leaf has a leading axis of seeds if stacked
    )

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Shape of one raw example."""
        return self.metadata.shape

    @property
    def width(self) -> int:
        """Size of a code."""
        return self.metadata.code_width

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the encoders."""
        return self.metadata.seeds

    @property
    def trained_on(self) -> TrainingData:
        """The dataset that it was trained on."""
        return TrainingData(self.metadata.origin.dataset_sha256, self.metadata.preprocessing.table)

    def __call__(self, inputs: RawInputs) -> Float[Array, "..."]:
        """Returns the codes of raw inputs.

        Raises:
            InputError: a DataFrame lacks a column or has values that cannot be encoded.
            ValueError: the inputs have the wrong shape.
        """
        if not self.metadata.stacked:
            return self.apply(self.variables, inputs)
        flat, batched = self._to_rows(inputs)
        codes = jax.vmap(self._encode_rows, in_axes=(0, None))(self.variables, flat)
        return codes if batched else codes[:, 0]

    def apply(self, variables: ArrayTree, inputs: RawInputs) -> Float[Array, "..."]:
        """Returns codes computed with the given variables of one seed, for fine-tuning or for `vmap` over seeds.

        Raises:
            ValueError: the inputs have the wrong shape.
        """
        flat, batched = self._to_rows(inputs)
        codes = self._encode_rows(variables, flat)
        return codes if batched else codes[0]

    def __repr__(self) -> str:
        kind, dataset = self.metadata.kind, self.metadata.origin.dataset
        seeds = ", ".join(map(str, self.seeds))
        return f"PretrainedEncoder({kind} on {dataset}: {self.example_shape} to {self.width}, seed {seeds})"

    def _to_rows(self, inputs: RawInputs) -> tuple[Float[Array, "batch d"], bool]:
        preprocessing = self.metadata.preprocessing
        encoding = InputEncoding(table=preprocessing.table, offsets=preprocessing.offsets)
        return encoding.to_rows(inputs, self.example_shape)

    def _encode_rows(self, variables: ArrayTree, flat: Float[Array, "batch d"]) -> Float[Array, "batch width"]:
        scaled = apply_scaler(Scaler(**variables["scaler"]), flat)
        return self.model.encode(_to_model_variables(variables), scaled)

    def select_seed(self, seed: int) -> "PretrainedEncoder":
        """Returns the encoder of one seed. Raises `InputError` if that seed is not among `seeds`."""
        metadata, index = self.metadata.select_seed(seed), self.seeds.index(seed)
        variables = jax.tree.map(lambda leaf: leaf[index], self.variables) if self.metadata.stacked else self.variables
        return PretrainedEncoder(metadata, self.model, variables)


def load_encoder(folder: str | os.PathLike[str], sha256: str | None = None) -> PretrainedEncoder | SparseCoder:
    """Loads a published encoder: a pure function from raw inputs to codes.

    Example::

        encode = aejax.load_encoder("ENCODER")
        codes = jax.jit(encode)(images)  # raw uint8 images (batch, 28, 28, 1) to float32 codes (batch, width)

    An encoder that was trained on a table takes a DataFrame with the table's columns, in any order:
    `encode(pandas.read_csv("table.csv"))`.

    It works under `jit`, `vmap` and differentiation. `encode.apply(variables, inputs)` is the same function of the
    arrays in `encode.variables`, `{"params", "scaler", "batch_stats"}`, for fine-tuning and for use in other modules.
    The encoders of several seeds are one stacked tree: `encode(images)` is `(seeds, batch, width)`, and
    `encode.select_seed(3)` is the encoder of seed 3.

    `hf:OWNER/NAME[/FOLDER][@REVISION]` is on the Hugging Face Hub (`pip install 'aejax[hub]'`).

    A folder of SAELens or sparsify (`cfg.json` and safetensors) gives a `SparseCoder`, a function from activations to
    codes with `apply` and `variables`, too.

    Loading is safe with files from others: only arrays and JSON of a fixed schema are read, sizes are checked before
    memory is allocated, and nothing is unpickled, executed, imported by name, or read from outside the folder.

    Args:
        folder: made by `scripts/export.py`, by SAELens or by sparsify, or a repository on the Hub.
        sha256: expected SHA-256 of its `manifest.json`, as announced by the publisher; it covers every file. Of a
            sparse coder: its `sha256`.

    Raises:
        CorruptedFileError: a file is not what was published.
        InputError: there is no encoder, this version cannot build it, or it does not fit into memory.
    """
    with open_encoder_folder(folder) as local:
        if not is_sparse_coder(local):
            return _load_folder(local, sha256)
        coder = load_sparse_coder(local)
        _require_sha256(coder.sha256, sha256, f"{local}: {CONFIG_FILE} and weights have")
        return coder


def _require_sha256(actual: str, expected: str | None, what: str) -> None:
    if expected is not None and expected.lower() != actual:
        raise CorruptedFileError(f"{what} SHA-256 {actual}, expected {expected}")


def _load_folder(folder: Path, sha256: str | None) -> PretrainedEncoder:
    _require_sha256(verify_manifest(folder), sha256, f"{folder}: manifest.json has")
    metadata = read_metadata(folder)
    model, like = build_architecture(metadata, str(folder / METADATA_FILE))
    readable = [name for name in FORMAT_READERS if name in metadata.formats]
    require(
        readable,
        f"{folder}: holds only a compiled program, which this function does not run; its README.md shows how to "
        f"run it with jax.export, and export.py --formats {ORBAX} writes arrays",
    )
    tree = FORMAT_READERS[readable[0]](folder, like)
    if arrays_sha256(tree) != metadata.arrays_sha256:
        raise CorruptedFileError(f"{folder}: the arrays and {METADATA_FILE} do not belong together")
    _require_usable(folder, tree)
    return PretrainedEncoder(metadata, model, jax.tree.map(jnp.asarray, tree))


def _require_usable(folder: Path, tree: ArrayTree) -> None:
    """Raises `InputError` for arrays that give NaN, or the same code for every input."""
    for name, array in named_leaves({part: tree[part] for part in tree if part != "scaler"}).items():
        count = np.size(array) - np.count_nonzero(np.isfinite(array))
        require(count == 0, f"{folder}: {name} has {count} values that are NaN or infinite; export another run or seed")
    scale = np.asarray(tree["scaler"]["scale"])
    require(
        np.isfinite(scale).all() and scale.any(axis=-1).all(),
        f"{folder}: the scaler's scale is 0 for every feature, or not finite, so that no input would matter; export it "
        "again",
    )


def build_architecture(metadata: EncoderMetadata, where: str) -> tuple[Autoencoder, ArrayTree]:
    """Returns the architecture, and the shapes and dtypes of its arrays, without allocating them.

    Raises:
        InputError: the kind is unknown, cannot be built with this config, or its arrays do not fit into memory.
    """
    kinds = ", ".join(KINDS)
    require(metadata.kind in KINDS, f"{where}: kind {metadata.kind!r} is not in this aejax's registry: {kinds}")
    bounded = metadata.preprocessing.scaler in ("range", "minmax")
    problem = ProblemSpec(metadata.model, metadata.objective, metadata.shape, metadata.classes, bounded)
    try:
        model = KINDS[metadata.kind](problem).model
        variables = jax.eval_shape(lambda: _init_encoder(model))
        inputs = jax.ShapeDtypeStruct((1, model.n_features), np.float32)
        width = jax.eval_shape(model.encode, _to_model_variables(variables), inputs).shape[1]
    except InputError:
        raise
    except Exception as error:  # an unresolved config fails in a different way for each kind
        reason = summarize_error(error)
        raise InputError(f"{where}: a {metadata.kind} encoder cannot be built from it ({reason})") from error
    require(width == metadata.code_width, f"{where}: code_width {metadata.code_width}, the model gives {width}")
    fitted = metadata.preprocessing.scaler_arrays
    scaler = {name: jax.ShapeDtypeStruct((len(rows[0]),), np.float32) for name, rows in fitted.items()}
    one = {**variables, "scaler": scaler}
    leading = (len(metadata.seeds),) if metadata.stacked else ()
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((*leading, *leaf.shape), leaf.dtype), one)
    require_memory_for(like, where)
    return model, like


def _init_encoder(model: Autoencoder) -> ArrayTree:
    """Returns the encoder's variables by collection."""
    return dict(model.encoder.init(jax.random.key(0), jnp.zeros((1, model.n_features), jnp.float32), train=False))


def _to_model_variables(variables: ArrayTree) -> ArrayTree:
    """Returns the encoder's variables in the layout of a whole model, without the decoder's."""
    return {collection: {ENCODER_NAME: variables.get(collection, {})} for collection in ("params", "batch_stats")}

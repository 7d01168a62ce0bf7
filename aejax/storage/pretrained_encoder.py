"""Published encoders, opened: a pure function from raw inputs to codes, and the arrays that it computes with.

Opening is closed: every file is held to the manifest's sums, `encoder.json` to its schema and limits, every array's
name, shape and type to what the registry's architecture makes of that, all before an array is read. No pickle, no
program and no import by name is among what is read.
"""

import dataclasses
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from aejax.autoencoders.registry import KINDS
from aejax.autoencoders.spec import ProblemSpec
from aejax.data.memory import available_host_memory, format_bytes
from aejax.data.scalers import Scaler, apply_scaler
from aejax.errors import InputError, require
from aejax.models.autoencoder import Autoencoder
from aejax.storage.encoder_metadata import METADATA_FILE, EncoderMetadata, read_metadata
from aejax.storage.formats import FORMAT_READERS, ORBAX, arrays_sha256
from aejax.storage.manifest import CorruptedFileError, verify_manifest
from aejax.storage.pytree_io import ArrayTree

ENCODER_NAME = "encoder"  # of a model's variables


@dataclasses.dataclass(frozen=True, eq=False)
class PretrainedEncoder:
    """A trained encoder: call it on raw inputs for codes. Pure; works under `jit`, `vmap` and differentiation.

    Inputs are raw examples of any real dtype, `(batch, *shape)`, or flat, `(batch, d)`; a single example `(*shape)` or
    `(d)` gives a single code. Codes are float32 `(batch, width)`, and `(seeds, batch, width)` of stacked seeds. Each
    depends on its example alone: batch statistics are those of the training.

    Products have JAX's default precision, which is below float32 on GPU and TPU; there, codes agree with those of a CPU
    to rounding under `jax.default_matmul_precision("highest")`.
    """

    metadata: EncoderMetadata  # what `encoder.json` says
    model: Autoencoder  # of which the encoder is used
    variables: ArrayTree  # {"params", "scaler", and "batch_stats" if there are any}; stacked seeds lead every leaf

    @property
    def example_shape(self) -> tuple[int, ...]:
        """Of one raw example."""
        return self.metadata.shape

    @property
    def width(self) -> int:
        """Numbers in one code."""
        return self.metadata.code_width

    @property
    def seeds(self) -> tuple[int, ...]:
        """Which seeds' encoders these are."""
        return self.metadata.seeds

    def __call__(self, inputs: Shaped[Array | np.ndarray, "..."]) -> Float[Array, "..."]:
        """Codes of raw inputs.

        Raises:
            ValueError: inputs of another shape.
        """
        if self.metadata.stacked:
            return jax.vmap(self.apply, in_axes=(0, None))(self.variables, inputs)
        return self.apply(self.variables, inputs)

    def apply(self, variables: ArrayTree, inputs: Shaped[Array | np.ndarray, "..."]) -> Float[Array, "..."]:
        """Codes by one seed's `variables`, which may be others than its own: to fine-tune, or to vmap over seeds.

        Raises:
            ValueError: inputs of another shape.
        """
        alike, given = (self.example_shape, (self.metadata.n_features,)), jnp.shape(inputs)
        batched = given[1:] in alike
        if not batched and given not in alike:
            expected = " or ".join(f"(batch, {', '.join(map(str, own))})" for own in dict.fromkeys(alike))
            raise ValueError(f"inputs of shape {given}: expected {expected}")
        flat = jnp.asarray(inputs, jnp.float32).reshape(given[0] if batched else 1, self.metadata.n_features)
        codes = self.model.encode(_to_model_variables(variables), apply_scaler(Scaler(**variables["scaler"]), flat))
        return codes if batched else codes[0]

    def select_seed(self, seed: int) -> "PretrainedEncoder":
        """One seed's encoder, by the seed's number.

        Raises:
            InputError: that seed is not here.
        """
        one = self.metadata.select_seed(seed)
        at = self.seeds.index(seed)
        variables = jax.tree.map(lambda leaf: leaf[at], self.variables) if self.metadata.stacked else self.variables
        return PretrainedEncoder(one, self.model, variables)


def load_encoder(folder: str | os.PathLike[str], sha256: str | None = None) -> PretrainedEncoder:
    """Open a published encoder.

    Args:
        folder: what `scripts/export.py` made.
        sha256: of its `manifest.json`, as it was told by who published it; it stands for every file.

    Raises:
        DamagedError: a file is not what was published.
        InputError: there is none, or it is not one that this version can build, or it takes more memory than there is.
    """
    folder = Path(folder).expanduser()
    found = verify_manifest(folder)
    if sha256 is not None and sha256.lower() != found:
        raise CorruptedFileError(f"{folder}: manifest.json has SHA-256 {found}, and {sha256} was asked for")
    description = read_metadata(folder)
    model, like = build_architecture(description, str(folder / METADATA_FILE))
    readable = [name for name in FORMAT_READERS if name in description.formats]
    require(
        readable,
        f"{folder}: holds a compiled program alone, which is not opened here; its README.md shows how to run it with "
        f"jax.export, and export.py --formats {ORBAX} writes arrays",
    )
    tree = FORMAT_READERS[readable[0]](folder, like)
    _require_consistent(folder, description, tree)
    return PretrainedEncoder(description, model, jax.tree.map(jnp.asarray, tree))


def build_architecture(metadata: EncoderMetadata, where: str) -> tuple[Autoencoder, ArrayTree]:
    """The described architecture, and the shapes and dtypes of the arrays that belong to it. Allocates nothing.

    Raises:
        InputError: the registry has no such kind, or it cannot be built so, or its arrays would not fit the memory.
    """
    kinds = ", ".join(KINDS)
    require(metadata.kind in KINDS, f"{where}: kind {metadata.kind!r} is not in this aejax's registry: {kinds}")
    bounded = metadata.preprocessing.scaler in ("range", "minmax")
    setting = ProblemSpec(metadata.model, metadata.objective, metadata.shape, metadata.classes, bounded)
    try:
        model = KINDS[metadata.kind](setting).model
        variables = jax.eval_shape(lambda: _init_encoder(model))
        inputs = jax.ShapeDtypeStruct((1, model.n_features), np.float32)
        width = jax.eval_shape(model.encode, _to_model_variables(variables), inputs).shape[1]
    except InputError:
        raise
    except Exception as error:  # a config that no run has resolved fails in as many ways as there are kinds
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"{where}: a {metadata.kind} encoder cannot be built of it ({reason})") from error
    require(width == metadata.code_width, f"{where}: code_width {metadata.code_width}, the model gives {width}")
    numbers = jax.ShapeDtypeStruct((len(metadata.preprocessing.shift[0]),), np.float32)
    one = {**variables, "scaler": {"shift": numbers, "scale": numbers}}
    leading = (len(metadata.seeds),) if metadata.stacked else ()
    like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((*leading, *leaf.shape), leaf.dtype), one)
    need = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(like))
    fault = (
        f"its arrays take {format_bytes(need)}, {format_bytes(available_host_memory())} are free; use a larger machine"
    )
    require(need <= available_host_memory(), f"{where}: {fault}")
    return model, like


def _init_encoder(model: Autoencoder) -> ArrayTree:
    """The encoder's own variables, by collection."""
    return dict(model.encoder.init(jax.random.key(0), jnp.zeros((1, model.n_features)), train=False))


def _to_model_variables(variables: ArrayTree) -> ArrayTree:
    """The encoder's variables as those of a whole model, of which the rest is missing."""
    return {collection: {ENCODER_NAME: variables.get(collection, {})} for collection in ("params", "batch_stats")}


def _require_consistent(folder: Path, metadata: EncoderMetadata, tree: ArrayTree) -> None:
    """Refuse arrays that are not those that `encoder.json` was written with."""
    if arrays_sha256(tree) != metadata.arrays_sha256:
        raise CorruptedFileError(f"{folder}: the arrays and {METADATA_FILE} do not belong together")
    for name in ("shift", "scale"):
        said = np.asarray(getattr(metadata.preprocessing, name), np.float32)
        if not np.array_equal(said.reshape(tree["scaler"][name].shape), tree["scaler"][name], equal_nan=True):
            raise CorruptedFileError(f"{folder}: the scaler's {name} is another in {METADATA_FILE}")

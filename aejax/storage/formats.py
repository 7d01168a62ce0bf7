"""The formats of a published encoder: arrays as Orbax or safetensors, and a program serialised by jax.export.

The names, shapes and dtypes of arrays are checked before they are read. Programs are written, never read.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from aejax.config.experiment import ExportFormat
from aejax.data.packages import require_package
from aejax.errors import InputError, require, summarize_error
from aejax.storage.atomic_io import write_atomically
from aejax.storage.manifest import CorruptedFileError, read_bounded_json
from aejax.storage.pytree_io import ArrayTree, from_state_dict, load_tree, named_leaves, save_tree

ORBAX: ExportFormat = "orbax"
SAFETENSORS: ExportFormat = "safetensors"
STABLEHLO: ExportFormat = "stablehlo"
FORMAT_FILES: dict[str, str] = {ORBAX: "orbax", SAFETENSORS: "encoder.safetensors", STABLEHLO: "encode.stablehlo"}
REQUIRED_PACKAGES: dict[str, str] = {SAFETENSORS: "safetensors", STABLEHLO: "flatbuffers"}  # optional dependencies
ZARR_METADATA_FILE = ".zarray"  # Zarr's description of an array
EXPORT_PLATFORMS = ("cpu", "cuda", "tpu")
SAFETENSORS_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "I32": "int32", "U8": "uint8"}


def require_format_packages(formats: Sequence[str]) -> None:
    """Raises `InputError` if the package that a format needs is not installed."""
    for name in formats:
        if name in REQUIRED_PACKAGES:
            require_package(REQUIRED_PACKAGES[name], "export", f"--formats {name}")


def arrays_sha256(tree: ArrayTree) -> str:
    """Returns a SHA-256 of the names, dtypes, shapes and bytes of all arrays, independent of the format."""
    digest = hashlib.sha256()
    for name, leaf in sorted(named_leaves(tree).items()):
        digest.update(f"{name} {leaf.dtype.str} {leaf.shape};".encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()


def write_orbax(folder: Path, tree: ArrayTree) -> None:
    """Writes `orbax/` without OCDBT, so that it also opens by a relative path."""
    save_tree(folder / FORMAT_FILES[ORBAX], tree, use_ocdbt=False)


def read_orbax(folder: Path, like: ArrayTree) -> ArrayTree:
    """Reads `orbax/`.

    Raises:
        CorruptedFileError: it cannot be read, or is not stored as `write_orbax` stores it.
        InputError: its arrays differ from `like`.
    """
    inner = folder / FORMAT_FILES[ORBAX]
    _require_uncompressed(inner / "state", like)
    return from_state_dict(load_tree(inner, like).tree, like, str(inner))


def _require_uncompressed(folder: Path, like: ArrayTree) -> None:
    """Raises if arrays differ from `like`, or could need more memory than they have bytes on disk.

    Those are compressed arrays and arrays with chunks larger than their shape. Only JSON is read to check this.
    """
    described = {path.parent.name: _read_zarr_metadata(path) for path in sorted(folder.glob(f"*/{ZARR_METADATA_FILE}"))}
    from_state_dict({name: array for name, (array, _) in described.items()}, like, str(folder.parent))
    known = {"_METADATA"}
    for name, (array, uncompressed) in described.items():
        chunk = folder / name / (".".join("0" * len(array.shape)) or "0")
        complete = chunk.is_file() and chunk.stat().st_size == array.size * array.dtype.itemsize
        if not uncompressed or not complete:
            raise CorruptedFileError(f"{folder / name}: its array is not one uncompressed chunk")
        known |= {f"{name}/{ZARR_METADATA_FILE}", f"{name}/{chunk.name}"}
    for name in sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()):
        require(name in known, f"{folder}: {name} does not belong to a published encoder")


def _read_zarr_metadata(path: Path) -> tuple[jax.ShapeDtypeStruct, bool]:
    """Returns an array's shape and dtype, and whether it is stored as one uncompressed chunk."""
    zarr = read_bounded_json(path)
    try:
        array = jax.ShapeDtypeStruct(tuple(map(int, zarr["shape"])), np.dtype(str(zarr["dtype"])))
        uncompressed = zarr["compressor"] is None and zarr["filters"] is None and tuple(zarr["chunks"]) == array.shape
    except (ValueError, KeyError, TypeError, OverflowError):
        raise CorruptedFileError(f"{path}: is damaged") from None
    return array, uncompressed


def write_safetensors(folder: Path, tree: ArrayTree) -> None:
    """Writes `encoder.safetensors`, with names joined by dots."""
    from safetensors.numpy import save

    content = save({name: np.array(leaf, order="C") for name, leaf in named_leaves(tree).items()})
    write_atomically(folder / FORMAT_FILES[SAFETENSORS], content)


def read_safetensors(folder: Path, like: ArrayTree) -> ArrayTree:
    """Reads `encoder.safetensors`.

    Raises:
        CorruptedFileError: it is not a safetensors file.
        InputError: its arrays differ from `like`, or the package is not installed.
    """
    require_format_packages([SAFETENSORS])
    from safetensors import SafetensorError, safe_open

    path = folder / FORMAT_FILES[SAFETENSORS]
    try:
        with safe_open(path, framework="numpy") as file:
            described = {name: _slice_shape_dtype(file.get_slice(name), path) for name in file.keys()}  # noqa: SIM118
            from_state_dict(described, like, str(path))
            return from_state_dict({name: file.get_tensor(name) for name in described}, like, str(path))
    except (SafetensorError, OSError) as error:
        raise CorruptedFileError(f"{path}: cannot be read ({summarize_error(error)})") from None


def _slice_shape_dtype(part: Any, path: Path) -> jax.ShapeDtypeStruct:
    name = part.get_dtype()
    require(name in SAFETENSORS_DTYPES, f"{path}: has arrays of type {name}, which encoders do not use")
    return jax.ShapeDtypeStruct(tuple(part.get_shape()), np.dtype(SAFETENSORS_DTYPES[name]))


def serialize_program(encode: Callable[[Any], Any], shape: tuple[int, ...], dtype: str) -> bytes:
    """Serialises the program from raw inputs `(b, *shape)`, for any `b`, to codes, for CPU, CUDA and TPU.

    Matrix products are computed in full float32, so that the codes agree on all platforms. Raises `InputError` if the
    encoder cannot be exported.
    """
    from jax import export

    try:
        (batch,) = export.symbolic_shape("b")
        inputs = jax.ShapeDtypeStruct((batch, *shape), np.dtype(dtype))
        with jax.default_matmul_precision("highest"):
            exported = export.export(jax.jit(lambda inputs: encode(inputs)), platforms=EXPORT_PLATFORMS)(inputs)
        return bytes(exported.serialize())
    except Exception as error:  # primitives without an export rule raise various types
        reason = summarize_error(error)
        raise InputError(f"--formats stablehlo: this encoder cannot be exported ({reason}); leave it out") from error


FORMAT_READERS: dict[str, Callable[[Path, ArrayTree], ArrayTree]] = {ORBAX: read_orbax, SAFETENSORS: read_safetensors}

"""The formats of a published encoder: arrays by Orbax, arrays by safetensors, a program by jax.export.

Arrays are read only when their names, shapes and types have been held to what is expected. Programs are written, and
never read.
"""

import hashlib
import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from aejax.config.export import ExportFormat
from aejax.errors import InputError, require
from aejax.storage.atomic_io import write_atomically
from aejax.storage.manifest import CorruptedFileError, read_bounded
from aejax.storage.pytree_io import ArrayTree, from_state_dict, load_tree, named_leaves, save_tree

ORBAX: ExportFormat = "orbax"
SAFETENSORS: ExportFormat = "safetensors"
STABLEHLO: ExportFormat = "stablehlo"
FORMAT_FILES: dict[str, str] = {ORBAX: "orbax", SAFETENSORS: "encoder.safetensors", STABLEHLO: "encode.stablehlo"}
REQUIRED_PACKAGES = {SAFETENSORS: "safetensors", STABLEHLO: "flatbuffers"}  # packages
ZARR_METADATA_FILE = ".zarray"  # Zarr's name for an array's shape and type
EXPORT_PLATFORMS = ("cpu", "cuda", "tpu")
SAFETENSORS_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "I32": "int32", "U8": "uint8"}


def require_format_packages(formats: Sequence[str]) -> None:
    """Refuse formats whose package is not installed.

    Raises:
        InputError: with the package's name and how to get it.
    """
    for name in formats:
        package = REQUIRED_PACKAGES.get(name)  # type: ignore[call-overload]
        require(
            package is None or importlib.util.find_spec(package) is not None,
            f"--formats {name}: needs {package}; pip install 'aejax[export]', or leave {name} out",
        )


def arrays_sha256(tree: ArrayTree) -> str:
    """One sum over every array's name, type, shape and bytes, whatever format they lie in."""
    digest = hashlib.sha256()
    for name, leaf in sorted(named_leaves(tree).items()):
        digest.update(f"{name} {leaf.dtype.str} {leaf.shape};".encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()


def write_orbax(folder: Path, tree: ArrayTree) -> None:
    """Write `orbax/`, which opens by a relative path, too."""
    save_tree(folder / FORMAT_FILES[ORBAX], tree, use_ocdbt=False)


def read_orbax(folder: Path, like: ArrayTree) -> ArrayTree:
    """Read `orbax/`, if its arrays are those of `like`, and stored as `write_orbax` stores them.

    Raises:
        DamagedError: it cannot be read, or is stored otherwise.
        InputError: its arrays are others.
    """
    inner = folder / FORMAT_FILES[ORBAX]
    _require_uncompressed(inner / "state", like)
    return from_state_dict(load_tree(inner, like).tree, like, str(inner))


def _require_uncompressed(folder: Path, like: ArrayTree) -> None:
    """Refuse arrays that are others, or that could take more memory than they have bytes: compressed, or in chunks
    beyond their shape. Only JSON is read for that."""
    described = {path.parent.name: _read_zarr_metadata(path) for path in sorted(folder.glob(f"*/{ZARR_METADATA_FILE}"))}
    from_state_dict({name: array for name, (array, _) in described.items()}, like, str(folder.parent))
    known = {"_METADATA"}
    for name, (array, plain) in described.items():
        chunk = folder / name / (".".join("0" * len(array.shape)) or "0")
        whole = chunk.is_file() and chunk.stat().st_size == array.size * array.dtype.itemsize
        if not plain or not whole:
            raise CorruptedFileError(f"{folder / name}: does not hold its array as it is, in one piece")
        known |= {f"{name}/{ZARR_METADATA_FILE}", f"{name}/{chunk.name}"}
    for found in sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()):
        require(found in known, f"{folder}: {found} is no part of a published encoder")


def _read_zarr_metadata(path: Path) -> tuple[jax.ShapeDtypeStruct, bool]:
    """An array's shape and type, and whether its bytes are stored as they are."""
    try:
        said = json.loads(read_bounded(path))
        array = jax.ShapeDtypeStruct(tuple(map(int, said["shape"])), np.dtype(str(said["dtype"])))
        plain = said["compressor"] is None and said["filters"] is None and tuple(said["chunks"]) == array.shape
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise CorruptedFileError(f"{path}: is damaged") from None
    return array, plain


def write_safetensors(folder: Path, tree: ArrayTree) -> None:
    """Write `encoder.safetensors`; names are joined by dots."""
    from safetensors.numpy import save

    content = save({name: np.array(leaf, order="C") for name, leaf in named_leaves(tree).items()})
    write_atomically(folder / FORMAT_FILES[SAFETENSORS], content)


def read_safetensors(folder: Path, like: ArrayTree) -> ArrayTree:
    """Read `encoder.safetensors`, if its arrays are those of `like`.

    Raises:
        DamagedError: it is no such file.
        InputError: its arrays are others, or the package is missing.
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
        raise CorruptedFileError(f"{path}: cannot be read ({str(error)[:200]})") from None


def _slice_shape_dtype(part: Any, path: Path) -> jax.ShapeDtypeStruct:
    name = part.get_dtype()
    require(name in SAFETENSORS_DTYPES, f"{path}: holds arrays of type {name}, which no encoder has")
    return jax.ShapeDtypeStruct(tuple(part.get_shape()), np.dtype(SAFETENSORS_DTYPES[name]))


def serialize_program(encode: Callable[[Any], Any], shape: tuple[int, ...], dtype: str) -> bytes:
    """The serialized program from raw inputs `(b, *shape)`, for any `b`, to codes; for CPU, CUDA and TPU.

    Products are computed in full float32 on each of them, so that the codes agree.

    Raises:
        InputError: something in it cannot be exported.
    """
    from jax import export

    try:
        (batch,) = export.symbolic_shape("b")
        inputs = jax.ShapeDtypeStruct((batch, *shape), np.dtype(dtype))
        with jax.default_matmul_precision("highest"):
            exported = export.export(jax.jit(lambda inputs: encode(inputs)), platforms=EXPORT_PLATFORMS)(inputs)
        return bytes(exported.serialize())
    except Exception as error:  # every primitive has its own way to say that it has no rule
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"--formats stablehlo: this encoder cannot be exported ({reason}); leave it out") from error


FORMAT_READERS: dict[str, Callable[[Path, ArrayTree], ArrayTree]] = {ORBAX: read_orbax, SAFETENSORS: read_safetensors}

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

from aejax.config.export import Format
from aejax.errors import InputError, require
from aejax.store.files import write_atomically
from aejax.store.manifest import DamagedError, read_bounded
from aejax.store.trees import Tree, leaves, load_folder, save_folder, unnamed

ORBAX: Format = "orbax"
SAFETENSORS: Format = "safetensors"
STABLEHLO: Format = "stablehlo"
FILES: dict[str, str] = {ORBAX: "orbax", SAFETENSORS: "encoder.safetensors", STABLEHLO: "encode.stablehlo"}
NEEDS = {SAFETENSORS: "safetensors", STABLEHLO: "flatbuffers"}  # packages
ARRAY = ".zarray"  # Zarr's name for an array's shape and type
PLATFORMS = ("cpu", "cuda", "tpu")
SAFETENSORS_TYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "I32": "int32", "U8": "uint8"}


def require_formats(formats: Sequence[str]) -> None:
    """Refuse formats whose package is not installed.

    Raises:
        InputError: with the package's name and how to get it.
    """
    for name in formats:
        package = NEEDS.get(name)  # type: ignore[call-overload]
        require(
            package is None or importlib.util.find_spec(package) is not None,
            f"--formats {name}: needs {package}; pip install 'aejax[export]', or leave {name} out",
        )


def arrays_sha256(tree: Tree) -> str:
    """One sum over every array's name, type, shape and bytes, whatever format they lie in."""
    digest = hashlib.sha256()
    for name, leaf in sorted(leaves(tree).items()):
        digest.update(f"{name} {leaf.dtype.str} {leaf.shape};".encode())
        digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()


def write_orbax(folder: Path, tree: Tree) -> None:
    """Write `orbax/`, which opens by a relative path, too."""
    save_folder(folder / FILES[ORBAX], tree, packed=False)


def read_orbax(folder: Path, like: Tree) -> Tree:
    """Read `orbax/`, if its arrays are those of `like`, and stored as `write_orbax` stores them.

    Raises:
        DamagedError: it cannot be read, or is stored otherwise.
        InputError: its arrays are others.
    """
    inner = folder / FILES[ORBAX]
    _require_plain(inner / "state", like)
    return unnamed(load_folder(inner, like).tree, like, str(inner))


def _require_plain(folder: Path, like: Tree) -> None:
    """Refuse arrays that are others, or that could take more memory than they have bytes: compressed, or in chunks
    beyond their shape. Only JSON is read for that."""
    described = {path.parent.name: _zarr(path) for path in sorted(folder.glob(f"*/{ARRAY}"))}
    unnamed({name: array for name, (array, _) in described.items()}, like, str(folder.parent))
    known = {"_METADATA"}
    for name, (array, plain) in described.items():
        chunk = folder / name / (".".join("0" * len(array.shape)) or "0")
        whole = chunk.is_file() and chunk.stat().st_size == array.size * array.dtype.itemsize
        if not plain or not whole:
            raise DamagedError(f"{folder / name}: does not hold its array as it is, in one piece")
        known |= {f"{name}/{ARRAY}", f"{name}/{chunk.name}"}
    for found in sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()):
        require(found in known, f"{folder}: {found} is no part of a published encoder")


def _zarr(path: Path) -> tuple[jax.ShapeDtypeStruct, bool]:
    """An array's shape and type, and whether its bytes are stored as they are."""
    try:
        said = json.loads(read_bounded(path))
        array = jax.ShapeDtypeStruct(tuple(map(int, said["shape"])), np.dtype(str(said["dtype"])))
        plain = said["compressor"] is None and said["filters"] is None and tuple(said["chunks"]) == array.shape
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise DamagedError(f"{path}: is damaged") from None
    return array, plain


def write_safetensors(folder: Path, tree: Tree) -> None:
    """Write `encoder.safetensors`; names are joined by dots."""
    from safetensors.numpy import save

    content = save({name: np.array(leaf, order="C") for name, leaf in leaves(tree).items()})
    write_atomically(folder / FILES[SAFETENSORS], content)


def read_safetensors(folder: Path, like: Tree) -> Tree:
    """Read `encoder.safetensors`, if its arrays are those of `like`.

    Raises:
        DamagedError: it is no such file.
        InputError: its arrays are others, or the package is missing.
    """
    require_formats([SAFETENSORS])
    from safetensors import SafetensorError, safe_open

    path = folder / FILES[SAFETENSORS]
    try:
        with safe_open(path, framework="numpy") as file:
            described = {name: _described(file.get_slice(name), path) for name in file.keys()}  # noqa: SIM118
            unnamed(described, like, str(path))
            return unnamed({name: file.get_tensor(name) for name in described}, like, str(path))
    except (SafetensorError, OSError) as error:
        raise DamagedError(f"{path}: cannot be read ({str(error)[:200]})") from None


def _described(part: Any, path: Path) -> jax.ShapeDtypeStruct:
    name = part.get_dtype()
    require(name in SAFETENSORS_TYPES, f"{path}: holds arrays of type {name}, which no encoder has")
    return jax.ShapeDtypeStruct(tuple(part.get_shape()), np.dtype(SAFETENSORS_TYPES[name]))


def program(encode: Callable[[Any], Any], shape: tuple[int, ...], dtype: str) -> bytes:
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
            exported = export.export(jax.jit(lambda inputs: encode(inputs)), platforms=PLATFORMS)(inputs)
        return bytes(exported.serialize())
    except Exception as error:  # every primitive has its own way to say that it has no rule
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"--formats stablehlo: this encoder cannot be exported ({reason}); leave it out") from error


READERS: dict[str, Callable[[Path, Tree], Tree]] = {ORBAX: read_orbax, SAFETENSORS: read_safetensors}

"""Trees of arrays on disk: an Orbax checkpoint of NumPy leaves, a few words in JSON, and a manifest over both.

A folder appears whole or not at all, opens on any device with Orbax alone, and is read only after its manifest and the
names, shapes and types of its arrays have been held to what is expected.
"""

import contextlib
import errno
import json
import logging
import math
import os
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from aejax.data.memory import available_host_memory, format_bytes
from aejax.errors import InputError, require
from aejax.storage.local_process import in_local_process
from aejax.storage.manifest import CorruptedFileError, read_bounded, verify_manifest, write_manifest

ArrayTree = dict[str, Any]  # nested; names to NumPy arrays
META_FILE = "meta.json"
NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,128}")  # Orbax joins names by dots and slashes
ORBAX_LOCK = threading.Lock()  # two threads that save at once remove each other's folders (orbax-checkpoint 0.12)
OCDBT_WARNING = "Skipping merge of OCDBT"  # what Orbax warns of where it was told not to pack
SIGNALING_THREAD_WARNING = "_SignalingThread"  # by whose names it says once more what it raises
ALL_MESSAGES = ""  # which every line holds: of what cannot be read it logs pages before it raises
BYTES_PER_LEAF, BYTES_PER_CHECKPOINT = 2048, 65536  # bytes on disk beside the numbers, roughly
EMPTY_ARRAYS_KEY = "arrays without entries"  # Orbax refuses them; their shapes and types stand in the JSON


class SavedTree(NamedTuple):
    """What a folder holds."""

    tree: ArrayTree
    meta: dict[str, Any]


def to_state_dict(tree: Any) -> ArrayTree:
    """Any pytree as nested dicts: fields, positions and keys by their names, leaves copied to the host."""
    found: ArrayTree = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        *outer, last = _path_names(path)
        place = found
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = np.array(leaf)
    return found


def from_state_dict(saved: ArrayTree, like: Any, where: str) -> Any:
    """The tree that `named` took apart, in the structure of `like`.

    Args:
        saved: nested dicts.
        like: a tree with the leaves' shapes and dtypes, as from `jax.eval_shape`.
        where: named in errors.

    Raises:
        InputError: a leaf is missing, extra, or of another shape or dtype.
    """
    found, wanted = named_leaves(saved), named_leaves(like)
    for name in sorted(found.keys() ^ wanted.keys()):
        fault = "is missing" if name in wanted else "is not in this architecture"
        raise InputError(f"{where}: {name} {fault}; the checkpoint and its config do not belong together")
    for name, leaf in wanted.items():
        require(
            found[name].shape == leaf.shape and found[name].dtype == leaf.dtype,
            f"{where}: {name} is {found[name].dtype}{list(found[name].shape)}, the config makes it "
            f"{leaf.dtype}{list(leaf.shape)}; the checkpoint and its config do not belong together",
        )
    return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in wanted])


def named_leaves(tree: Any) -> dict[str, Any]:
    """Every leaf by its names, joined by dots."""
    return {".".join(_path_names(path)): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


@in_local_process
def save_tree(folder: Path, tree: ArrayTree, meta: Mapping[str, Any] | None = None, *, use_ocdbt: bool = True) -> str:
    """Save nested dicts of NumPy arrays, and JSON values beside them. Returns the manifest's SHA-256.

    Args:
        folder: to be made.
        tree: what to save.
        meta: what to write beside it.
        packed: in Orbax's database of few files, which opens by absolute paths only; else each array is a folder with
            its shape in JSON and its bytes as they are.

    Raises:
        InputError: the folder exists, or cannot be written; nothing is left of it then.
        ValueError: a name in the tree is no plain word.
    """
    from orbax.checkpoint import v1 as ocp

    require(not folder.exists(), f"{folder}: exists already")
    empty = {name: [str(leaf.dtype), *leaf.shape] for name, leaf in named_leaves(tree).items() if leaf.size == 0}
    full = _drop_leaves(tree, set(empty))
    for name in (name for path, _ in jax.tree_util.tree_leaves_with_path(tree) for name in _path_names(path)):
        if not NAME_PATTERN.fullmatch(name):
            raise ValueError(f"{name!r}: names of saved arrays are letters, digits, _ and -")
    temporary = folder.absolute().with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        _require_disk_space(temporary.parent, full)
        if full:
            context = ocp.Context()
            if not use_ocdbt:
                saving = context.array.saving
                saving.use_ocdbt = saving.use_zarr3 = saving.use_compression = False
            with ORBAX_LOCK, context, _suppress_logs(OCDBT_WARNING, SIGNALING_THREAD_WARNING):
                ocp.save(temporary, full)
        temporary.mkdir(exist_ok=True)
        words = {"schema": 1, **(meta or {}), **({EMPTY_ARRAYS_KEY: empty} if empty else {})}
        (temporary / META_FILE).write_text(json.dumps(words, allow_nan=False) + "\n", encoding="utf-8")
        digest = write_manifest(temporary)
        fsync_folder(temporary)
        os.rename(temporary, folder)
    except Exception as error:  # Orbax and TensorStore raise many kinds; all of them mean that nothing was saved
        for left_over in temporary.parent.glob(f"{temporary.name}*"):  # Orbax begins under a longer name
            shutil.rmtree(left_over, ignore_errors=True)
        raise InputError(
            f"{folder}: cannot be saved ({_summarize_error(error)}); make room, then run the same again"
        ) from error
    return digest


@in_local_process
def load_tree(folder: Path, like: ArrayTree | None = None) -> SavedTree:
    """Load what `save_folder` saved.

    Args:
        folder: of the checkpoint.
        like: what its arrays must be by name; refused before any of them is read if they are not. Without it they may
            be any that fit the memory.

    Raises:
        DamagedError: it is not what was saved, or cannot be read.
        InputError: there is none, or its arrays are not those of `like`.
    """
    from orbax.checkpoint import v1 as ocp

    verify_manifest(folder)
    meta = read_meta_file(folder)
    try:
        empty = {
            name: np.zeros(shape, dtype)
            for name, (dtype, *shape) in meta.pop(EMPTY_ARRAYS_KEY, {}).items()
            if 0 in shape
        }
        if not (folder / "orbax.checkpoint").exists():
            return SavedTree(_nest(empty), meta)
        with ORBAX_LOCK, _suppress_logs(ALL_MESSAGES):
            described = named_leaves(ocp.metadata(folder.absolute()).metadata)
        if like is not None:
            from_state_dict(_nest(described | empty), like, str(folder))
        need = sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in described.values())
        fault = f"its arrays take {format_bytes(need)}, {format_bytes(available_host_memory())} are free; use a larger machine"
        require(need <= available_host_memory(), f"{folder}: {fault}")
        with ORBAX_LOCK, _suppress_logs(ALL_MESSAGES):
            loaded = named_leaves(ocp.load(folder.absolute()))
    except InputError:
        raise
    except Exception as error:  # Orbax raises many kinds; all of them mean that this folder cannot be read
        raise CorruptedFileError(f"{folder}: the checkpoint cannot be read ({_summarize_error(error)})") from error
    return SavedTree(_nest(loaded | empty), meta)


def read_meta_file(folder: Path) -> dict[str, Any]:
    """The JSON beside the arrays.

    Raises:
        DamagedError: it is missing or damaged.
    """
    try:
        meta = json.loads(read_bounded(folder / META_FILE))
    except (ValueError, RecursionError):
        raise CorruptedFileError(f"{folder}: {META_FILE} is damaged") from None
    if not isinstance(meta, dict) or meta.pop("schema", None) != 1:
        raise CorruptedFileError(f"{folder}: {META_FILE} is not of schema 1")
    return meta


@contextlib.contextmanager
def _suppress_logs(*words: str) -> Iterator[None]:
    """Keep known lines out of Orbax's log."""
    log = logging.getLogger("absl")

    def other(record: logging.LogRecord) -> bool:
        return not any(known in str(record.msg) for known in words)

    log.addFilter(other)
    try:
        yield
    finally:
        log.removeFilter(other)


def _path_names(path: Any) -> list[str]:
    return [jax.tree_util.keystr((entry,), simple=True) for entry in path]


def _nest(flat: Mapping[str, Any]) -> ArrayTree:
    found: ArrayTree = {}
    for path, leaf in flat.items():
        *outer, last = path.split(".")
        place = found
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = leaf
    return found


def _drop_leaves(tree: ArrayTree, dropped: set[str]) -> ArrayTree:
    """The tree without some leaves, and without branches that hold none."""
    return _nest({name: leaf for name, leaf in named_leaves(tree).items() if name not in dropped})


def _summarize_error(error: Exception) -> str:
    """Why, in a few words: TensorStore says it at the end of a page."""
    known = (os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG))
    said = next((reason for reason in known if reason in str(error)), None)
    return said or (str(error).splitlines() or [type(error).__name__])[0][:200]


def _require_disk_space(place: Path, tree: ArrayTree) -> None:
    """Refuse what the disk has no room for before anything is written. Raises `OSError`."""
    need = BYTES_PER_CHECKPOINT + sum(leaf.nbytes + BYTES_PER_LEAF for leaf in jax.tree.leaves(tree))
    if need > shutil.disk_usage(place).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fsync_folder(folder: Path) -> None:
    """Have every file and folder on the disk, so that a rename after it is a commit even if the power fails."""
    for where, _, names in os.walk(folder):
        for path in [*(Path(where) / name for name in names), Path(where)]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

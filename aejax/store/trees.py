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

from aejax.data.memory import host_room, in_units
from aejax.errors import InputError, require
from aejax.store.elsewhere import alone
from aejax.store.manifest import DamagedError, read_bounded, verify_manifest, write_manifest

Tree = dict[str, Any]  # nested; names to NumPy arrays
META = "meta.json"
NAME = re.compile(r"[A-Za-z0-9_-]{1,128}")  # Orbax joins names by dots and slashes
ORBAX = threading.Lock()  # two threads that save at once remove each other's folders (orbax-checkpoint 0.12)
NOTHING_PACKED = "Skipping merge of OCDBT"  # what Orbax warns of where it was told not to pack
RAISED_ANYWAY = "_SignalingThread"  # by whose names it says once more what it raises
ANYTHING = ""  # which every line holds: of what cannot be read it logs pages before it raises
PER_LEAF, PER_FOLDER = 2048, 65536  # bytes on disk beside the numbers, roughly
EMPTY = "arrays without entries"  # Orbax refuses them; their shapes and types stand in the JSON


class Saved(NamedTuple):
    """What a folder holds."""

    tree: Tree
    meta: dict[str, Any]


def named(tree: Any) -> Tree:
    """Any pytree as nested dicts: fields, positions and keys by their names, leaves copied to the host."""
    found: Tree = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        *outer, last = _names(path)
        place = found
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = np.array(leaf)
    return found


def unnamed(saved: Tree, like: Any, where: str) -> Any:
    """The tree that `named` took apart, in the structure of `like`.

    Args:
        saved: nested dicts.
        like: a tree with the leaves' shapes and dtypes, as from `jax.eval_shape`.
        where: named in errors.

    Raises:
        InputError: a leaf is missing, extra, or of another shape or dtype.
    """
    found, wanted = leaves(saved), leaves(like)
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


def leaves(tree: Any) -> dict[str, Any]:
    """Every leaf by its names, joined by dots."""
    return {".".join(_names(path)): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


@alone
def save_folder(folder: Path, tree: Tree, meta: Mapping[str, Any] | None = None, *, packed: bool = True) -> str:
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
    empty = {name: [str(leaf.dtype), *leaf.shape] for name, leaf in leaves(tree).items() if leaf.size == 0}
    full = _without(tree, set(empty))
    for name in (name for path, _ in jax.tree_util.tree_leaves_with_path(tree) for name in _names(path)):
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r}: names of saved arrays are letters, digits, _ and -")
    temporary = folder.absolute().with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.parent.mkdir(parents=True, exist_ok=True)
        _require_disk(temporary.parent, full)
        if full:
            context = ocp.Context()
            if not packed:
                saving = context.array.saving
                saving.use_ocdbt = saving.use_zarr3 = saving.use_compression = False
            with ORBAX, context, _unsaid(NOTHING_PACKED, RAISED_ANYWAY):
                ocp.save(temporary, full)
        temporary.mkdir(exist_ok=True)
        words = {"schema": 1, **(meta or {}), **({EMPTY: empty} if empty else {})}
        (temporary / META).write_text(json.dumps(words, allow_nan=False) + "\n", encoding="utf-8")
        digest = write_manifest(temporary)
        sync(temporary)
        os.rename(temporary, folder)
    except Exception as error:  # Orbax and TensorStore raise many kinds; all of them mean that nothing was saved
        for left_over in temporary.parent.glob(f"{temporary.name}*"):  # Orbax begins under a longer name
            shutil.rmtree(left_over, ignore_errors=True)
        raise InputError(f"{folder}: cannot be saved ({_reason(error)}); make room, then run the same again") from error
    return digest


@alone
def load_folder(folder: Path, like: Tree | None = None) -> Saved:
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
    meta = read_meta(folder)
    try:
        empty = {name: np.zeros(shape, dtype) for name, (dtype, *shape) in meta.pop(EMPTY, {}).items() if 0 in shape}
        if not (folder / "orbax.checkpoint").exists():
            return Saved(_nested(empty), meta)
        with ORBAX, _unsaid(ANYTHING):
            described = leaves(ocp.metadata(folder.absolute()).metadata)
        if like is not None:
            unnamed(_nested(described | empty), like, str(folder))
        need = sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in described.values())
        fault = f"its arrays take {in_units(need)}, {in_units(host_room())} are free; use a larger machine"
        require(need <= host_room(), f"{folder}: {fault}")
        with ORBAX, _unsaid(ANYTHING):
            loaded = leaves(ocp.load(folder.absolute()))
    except InputError:
        raise
    except Exception as error:  # Orbax raises many kinds; all of them mean that this folder cannot be read
        raise DamagedError(f"{folder}: the checkpoint cannot be read ({_reason(error)})") from error
    return Saved(_nested(loaded | empty), meta)


def read_meta(folder: Path) -> dict[str, Any]:
    """The JSON beside the arrays.

    Raises:
        DamagedError: it is missing or damaged.
    """
    try:
        meta = json.loads(read_bounded(folder / META))
    except (ValueError, RecursionError):
        raise DamagedError(f"{folder}: {META} is damaged") from None
    if not isinstance(meta, dict) or meta.pop("schema", None) != 1:
        raise DamagedError(f"{folder}: {META} is not of schema 1")
    return meta


@contextlib.contextmanager
def _unsaid(*words: str) -> Iterator[None]:
    """Keep known lines out of Orbax's log."""
    log = logging.getLogger("absl")

    def other(record: logging.LogRecord) -> bool:
        return not any(known in str(record.msg) for known in words)

    log.addFilter(other)
    try:
        yield
    finally:
        log.removeFilter(other)


def _names(path: Any) -> list[str]:
    return [jax.tree_util.keystr((entry,), simple=True) for entry in path]


def _nested(flat: Mapping[str, Any]) -> Tree:
    found: Tree = {}
    for path, leaf in flat.items():
        *outer, last = path.split(".")
        place = found
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = leaf
    return found


def _without(tree: Tree, dropped: set[str]) -> Tree:
    """The tree without some leaves, and without branches that hold none."""
    return _nested({name: leaf for name, leaf in leaves(tree).items() if name not in dropped})


def _reason(error: Exception) -> str:
    """Why, in a few words: TensorStore says it at the end of a page."""
    known = (os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG))
    said = next((reason for reason in known if reason in str(error)), None)
    return said or (str(error).splitlines() or [type(error).__name__])[0][:200]


def _require_disk(place: Path, tree: Tree) -> None:
    """Refuse what the disk has no room for before anything is written. Raises `OSError`."""
    need = PER_FOLDER + sum(leaf.nbytes + PER_LEAF for leaf in jax.tree.leaves(tree))
    if need > shutil.disk_usage(place).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def sync(folder: Path) -> None:
    """Have every file and folder on the disk, so that a rename after it is a commit even if the power fails."""
    for where, _, names in os.walk(folder):
        for path in [*(Path(where) / name for name in names), Path(where)]:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

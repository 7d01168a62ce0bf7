"""Saves trees of arrays: an Orbax checkpoint of NumPy arrays, JSON metadata, and a manifest with checksums of both.

A checkpoint folder appears complete or not at all. Orbax alone opens it on any device. Before arrays are read, the
checksums and the names, shapes and dtypes of the arrays are checked.
"""

import contextlib
import errno
import json
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
from flax.traverse_util import unflatten_dict

from aejax.data.memory import available_host_memory, format_bytes
from aejax.data.packages import silence_loggers
from aejax.errors import InputError, require, summarize_error
from aejax.models.submodules import Variables
from aejax.storage.atomic_io import NO_SPACE, atomic_folder, path_without_patterns
from aejax.storage.manifest import CorruptedFileError, read_bounded_json, verify_manifest, write_manifest

ArrayTree = dict[str, Any]  # nested dicts of NumPy arrays
META_FILE = "meta.json"
# Version 1 was written through Orbax's v1 interface. Its reader mistakes version 2 for a tree without arrays.
SCHEMA_VERSION, READABLE_SCHEMAS = 2, (1, 2)
ORBAX_MARKER = "_CHECKPOINT_METADATA"  # in every folder that Orbax has written
STATE_DIR = "state"  # the item's name in Orbax; `ocp.load` finds it by this name
NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]{1,128}")  # Orbax joins names by dots and slashes
ORBAX_LOCK = threading.Lock()  # two threads that save at once remove each other's folders (orbax-checkpoint 0.12)
BYTES_PER_LEAF, BYTES_PER_CHECKPOINT = 2048, 65536  # approximate overhead on disk
EMPTY_ARRAYS_KEY = "arrays without entries"  # Orbax cannot save them; the metadata has their shapes and dtypes
MAX_COMPRESSED_BYTES = 64 << 20  # beyond, the compressed copy in memory costs more than the tenth that it saves on disk


class SavedTree(NamedTuple):
    """The contents of a checkpoint folder."""

    tree: ArrayTree
    meta: dict[str, Any]


def named_leaves(tree: Any) -> dict[str, Any]:
    """Returns every leaf by its path: field names, positions and keys joined by dots."""
    return {".".join(_path_names(path)): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def to_state_dict(tree: Any) -> ArrayTree:
    """Converts any pytree to nested dicts keyed by field names, positions and keys, with leaves on the host.

    Leaves are copied unless they are NumPy arrays with memory of their own: others may be views of a device's.
    """

    def on_host(leaf: Any) -> np.ndarray:
        return leaf if isinstance(leaf, np.ndarray) and leaf.flags.owndata else np.array(leaf)

    return unflatten_dict(
        {tuple(_path_names(path)): on_host(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
    )


def from_state_dict(saved: ArrayTree, like: Any, where: str) -> Any:
    """Inverts `to_state_dict`: returns the saved leaves in the structure of `like`.

    Args:
        saved: nested dicts.
        like: a tree with the expected shapes and dtypes, for example from `jax.eval_shape`.
        where: the file or folder, for messages.

    Raises:
        InputError: a leaf is missing, unexpected, or of another shape or dtype.
    """
    leaves, expected = named_leaves(saved), named_leaves(like)
    hint = "the checkpoint and its config do not belong together"
    for name in sorted(leaves.keys() ^ expected.keys()):
        fault = "is missing" if name in expected else "is not in this architecture"
        raise InputError(f"{where}: {name} {fault}; {hint}")
    for name, leaf in expected.items():
        require(
            leaves[name].shape == leaf.shape and leaves[name].dtype == leaf.dtype,
            f"{where}: {name} is {leaves[name].dtype}{list(leaves[name].shape)}, the config makes it "
            f"{leaf.dtype}{list(leaf.shape)}; {hint}",
        )
    return jax.tree.unflatten(jax.tree.structure(like), [leaves[name] for name in expected])


def save_tree(
    folder: Path,
    tree: ArrayTree,
    meta: Mapping[str, Any] | None = None,
    *,
    use_ocdbt: bool = True,
    overwrite: bool = False,
) -> str:
    """Saves nested dicts of NumPy arrays together with JSON metadata. Returns the SHA-256 of the manifest.

    Args:
        folder: the checkpoint to create.
        tree: the arrays.
        meta: JSON values.
        use_ocdbt: store the arrays in Orbax's database of few files, which opens by absolute paths only. Otherwise
            each array is an uncompressed Zarr folder.
        overwrite: replace an existing folder once the new one is complete.

    Raises:
        InputError: the folder exists, or cannot be written; no partial checkpoint remains.
        ValueError: a name in the tree has characters other than letters, digits, `_` and `-`.
    """
    require(overwrite or not folder.exists(), f"{folder}: exists already")
    for name in (name for path, _ in jax.tree_util.tree_leaves_with_path(tree) for name in _path_names(path)):
        if not NAME_PATTERN.fullmatch(name):
            raise ValueError(f"{name!r}: names of saved arrays are letters, digits, _ and -")
    leaves = named_leaves(tree)
    empty = {name: [str(leaf.dtype), *leaf.shape] for name, leaf in leaves.items() if leaf.size == 0}
    nonempty = {name: leaf for name, leaf in leaves.items() if leaf.size}
    try:
        with atomic_folder(folder, overwrite=overwrite) as temporary:
            _require_disk_space(temporary, nonempty.values())
            if nonempty:
                _write_arrays(temporary, unflatten_dict(nonempty, sep="."), use_ocdbt=use_ocdbt)
            content = {"schema": SCHEMA_VERSION, **(meta or {}), **({EMPTY_ARRAYS_KEY: empty} if empty else {})}
            (temporary / META_FILE).write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")
            digest = write_manifest(temporary)
    except Exception as error:  # Orbax and TensorStore raise many types; each of them means that nothing was saved
        reason = _summarize_save_error(error)
        fix = "free disk space, then run" if reason in map(os.strerror, NO_SPACE) else "run"
        raise InputError(f"{folder}: cannot be saved ({reason}); {fix} the same again") from error
    return digest


def load_tree(folder: Path, like: ArrayTree | None = None) -> SavedTree:
    """Loads what `save_tree` saved.

    Args:
        folder: the checkpoint.
        like: the expected names, shapes and dtypes, checked before arrays are read. By default any arrays are read
            that fit into memory.

    Raises:
        CorruptedFileError: the checkpoint is damaged or cannot be read.
        InputError: there is no checkpoint, or its arrays differ from `like`.
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
        if not (folder / ORBAX_MARKER).exists():
            return SavedTree(unflatten_dict(empty, sep="."), meta)
        with _orbax_calls():  # making it warns of the way in which Orbax makes it
            context = ocp.Context(multiprocessing_options=ocp.options.MultiprocessingOptions(**_this_process_only()))
        with _orbax_calls(), context:
            described = named_leaves(ocp.metadata(folder.absolute()).metadata)
        if like is not None:
            from_state_dict(unflatten_dict(described | empty, sep="."), like, str(folder))
        require_memory_for(described, str(folder))
        with _orbax_calls(), context:
            loaded = named_leaves(ocp.load(folder.absolute()))
    except InputError:
        raise
    except Exception as error:  # Orbax raises many types; each of them means that this folder cannot be read
        raise CorruptedFileError(f"{folder}: the checkpoint cannot be read ({summarize_error(error)})") from error
    return SavedTree(unflatten_dict(loaded | empty, sep="."), meta)


def save_variables(path: Path, variables: Variables) -> None:
    """Saves a model's variables as NumPy arrays; an earlier checkpoint at this path is replaced.

    Raises:
        InputError: the folder cannot be written.
    """
    save_tree(path, to_state_dict(variables), overwrite=True)


def load_variables(path: Path, like: Variables) -> Variables:
    """Loads what `save_variables` saved, with exactly the structure, shapes and dtypes of `like`.

    Raises:
        InputError: there is no checkpoint, or a leaf is missing, unexpected, or of another shape or dtype.
        CorruptedFileError: the checkpoint is damaged or cannot be read.
    """
    require(path.is_dir(), f"{path}: no checkpoint; give --run a folder that aejax pretrain made")
    try:
        return from_state_dict(load_tree(path, like).tree, like, str(path))
    except CorruptedFileError as error:
        raise CorruptedFileError(
            f"{error}; restore an intact copy, or run pretrain.py again with --overwrite"
        ) from None


def read_meta_file(folder: Path) -> dict[str, Any]:
    """Returns a checkpoint's JSON metadata. Raises `CorruptedFileError` if it is missing or damaged."""
    meta = read_bounded_json(folder / META_FILE)
    if not isinstance(meta, dict) or meta.pop("schema", None) not in READABLE_SCHEMAS:
        raise CorruptedFileError(f"{folder}: {META_FILE} is not of schema {' or '.join(map(str, READABLE_SCHEMAS))}")
    return meta


def require_memory_for(tree: Any, where: str) -> None:
    """Raises `InputError` if the arrays described by `tree` do not fit into memory."""
    needed = sum(math.prod(leaf.shape) * np.dtype(leaf.dtype).itemsize for leaf in jax.tree.leaves(tree))
    available = available_host_memory()
    require(
        needed <= available,
        f"{where}: its arrays take {format_bytes(needed)}, {format_bytes(available)} are free; use a larger machine",
    )


def _write_arrays(folder: Path, tree: ArrayTree, *, use_ocdbt: bool) -> None:
    """Writes an Orbax checkpoint into an existing folder, by this process alone.

    Orbax's v1 `save` waits for all JAX processes whatever its options are (0.12.8); the `CheckpointManager` of v0 does
    not, and v1 reads what it writes.
    """
    import orbax.checkpoint as ocp

    options = ocp.options.MultiprocessingOptions(**_this_process_only())
    is_small = sum(leaf.nbytes for leaf in named_leaves(tree).values()) <= MAX_COMPRESSED_BYTES
    registry = ocp.type_handlers.create_type_handler_registry(
        (np.ndarray, ocp.type_handlers.NumpyHandler(deepcopy_host_arrays=False)),  # no thread changes the arrays
        (jax.Array, ocp.type_handlers.ArrayHandler()),  # Orbax warns if there is none
    )
    handler = ocp.PyTreeCheckpointHandler(
        use_ocdbt=use_ocdbt,
        use_compression=use_ocdbt and is_small,
        multiprocessing_options=options,
        type_handler_registry=registry,
    )
    manager_options = ocp.CheckpointManagerOptions(
        create=False, enable_async_checkpointing=False, save_root_metadata=False, multiprocessing_options=options
    )
    steps = folder / "steps"
    steps.mkdir()
    with (
        _orbax_calls(),
        path_without_patterns(steps) as root,
        ocp.CheckpointManager(root, options=manager_options, item_handlers={STATE_DIR: handler}) as manager,
    ):
        manager.save(0, args=ocp.args.Composite(**{STATE_DIR: ocp.args.PyTreeSave(tree)}))
    for path in (steps / "0").iterdir():
        path.rename(folder / path.name)
    shutil.rmtree(steps)
    (folder / STATE_DIR / "commit_success.txt").unlink(missing_ok=True)


def _this_process_only() -> dict[str, Any]:
    """Returns the options with which Orbax does not wait for other JAX processes."""
    return {"primary_host": jax.process_index(), "active_processes": {jax.process_index()}}


@contextlib.contextmanager
def _orbax_calls() -> Iterator[None]:
    """Runs one call of Orbax at a time, without its log, which repeats the errors that it raises."""
    with ORBAX_LOCK, silence_loggers("absl"):
        yield


def _path_names(path: Any) -> list[str]:
    return [jax.tree_util.keystr((entry,), simple=True) for entry in path]


def _summarize_save_error(error: Exception) -> str:
    """Returns the operating system's reason, which TensorStore gives at the end of a page, or a summary."""
    codes = (*NO_SPACE, errno.EROFS, errno.EACCES)
    return next((os.strerror(code) for code in codes if os.strerror(code) in str(error)), summarize_error(error))


def _require_disk_space(folder: Path, leaves: Any) -> None:
    """Raises `OSError` if the arrays do not fit on the disk."""
    needed = BYTES_PER_CHECKPOINT + sum(leaf.nbytes + BYTES_PER_LEAF for leaf in leaves)
    if needed > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

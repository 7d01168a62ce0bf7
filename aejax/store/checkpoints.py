"""Variables on disk, as NumPy leaves that Orbax opens on any device."""

import shutil
from pathlib import Path
from typing import Any

import jax
import numpy as np

from aejax.errors import InputError, require
from aejax.models.parts import Variables


def save_variables(folder: Path, variables: Variables) -> None:
    """Save a nested dict of arrays with Orbax; an earlier checkpoint there is replaced.

    Leaves go to the host first: saved from NumPy, they load without a target on any device.
    """
    from orbax.checkpoint import v1 as ocp

    shutil.rmtree(folder, ignore_errors=True)
    ocp.save(folder.absolute(), _without_empty(jax.tree.map(np.asarray, variables)))


def load_variables(folder: Path, like: Variables) -> Variables:
    """Load what `save_variables` saved, with exactly the structure, shapes and dtypes of `like`.

    Args:
        folder: of the checkpoint.
        like: a tree with the leaves' shapes and dtypes, as from `jax.eval_shape`.

    Raises:
        InputError: there is no checkpoint, it cannot be read, or a leaf is missing, extra, or of another shape.
    """
    from orbax.checkpoint import v1 as ocp

    require(folder.is_dir(), f"{folder}: no checkpoint; give --run a folder that scripts/pretrain.py made")
    try:
        loaded = ocp.load(folder.absolute())
    except Exception as error:  # Orbax raises many kinds; all of them mean that this folder cannot be read
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"{folder}: the checkpoint cannot be read ({reason}); run pretrain.py again") from error
    found, wanted = _leaves(loaded), _leaves(like)
    for name in sorted(found.keys() ^ wanted.keys()):
        fault = "is missing" if name in wanted else "is not in this architecture"
        raise InputError(f"{folder}: {name} {fault}; the checkpoint and config.json do not belong together")
    for name, leaf in wanted.items():
        require(
            found[name].shape == leaf.shape and found[name].dtype == leaf.dtype,
            f"{folder}: {name} is {found[name].dtype}{list(found[name].shape)}, the config makes it "
            f"{leaf.dtype}{list(leaf.shape)}; the checkpoint and config.json do not belong together",
        )
    return jax.tree.unflatten(jax.tree.structure(like), [found[name] for name in wanted])


def _leaves(tree: Any) -> dict[str, Any]:
    return {
        jax.tree_util.keystr(path, simple=True, separator="."): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def _without_empty(tree: Any) -> Any:
    """The tree without empty dicts, which a checkpoint cannot tell from nothing."""
    if not isinstance(tree, dict):
        return tree
    pruned = {key: _without_empty(item) for key, item in tree.items()}
    return {key: item for key, item in pruned.items() if not (isinstance(item, dict) and not item)}

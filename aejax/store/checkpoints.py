"""A model's variables on disk, as NumPy leaves that Orbax opens on any device."""

import shutil
from pathlib import Path

from aejax.errors import require
from aejax.models.parts import Variables
from aejax.store.manifest import DamagedError
from aejax.store.trees import load_folder, named, save_folder, unnamed


def save_variables(folder: Path, variables: Variables) -> None:
    """Save a nested dict of arrays; an earlier checkpoint there is replaced.

    Leaves go to the host first: saved from NumPy, they load without a target on any device.

    Raises:
        InputError: the folder cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    save_folder(folder, named(variables))


def load_variables(folder: Path, like: Variables) -> Variables:
    """Load what `save_variables` saved, with exactly the structure, shapes and dtypes of `like`.

    Args:
        folder: of the checkpoint.
        like: a tree with the leaves' shapes and dtypes, as from `jax.eval_shape`.

    Raises:
        InputError: there is no checkpoint, or a leaf is missing, extra, or of another shape or dtype.
        DamagedError: it is not what was saved, or cannot be read.
    """
    require(folder.is_dir(), f"{folder}: no checkpoint; give --run a folder that scripts/pretrain.py made")
    try:
        return unnamed(load_folder(folder, like).tree, like, str(folder))
    except DamagedError as fault:
        raise DamagedError(f"{fault}; take a copy that is whole, or run pretrain.py again with --overwrite") from None

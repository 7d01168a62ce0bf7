"""A model's variables on disk, as NumPy leaves that Orbax opens on any device."""

import shutil
from pathlib import Path

from aejax.errors import require
from aejax.models.submodules import Variables
from aejax.storage.manifest import CorruptedFileError
from aejax.storage.pytree_io import from_state_dict, load_tree, save_tree, to_state_dict


def save_variables(path: Path, variables: Variables) -> None:
    """Save a nested dict of arrays; an earlier checkpoint there is replaced.

    Leaves go to the host first: saved from NumPy, they load without a target on any device.

    Raises:
        InputError: the folder cannot be written.
    """
    shutil.rmtree(path, ignore_errors=True)
    save_tree(path, to_state_dict(variables))


def load_variables(path: Path, like: Variables) -> Variables:
    """Load what `save_variables` saved, with exactly the structure, shapes and dtypes of `like`.

    Args:
        folder: of the checkpoint.
        like: a tree with the leaves' shapes and dtypes, as from `jax.eval_shape`.

    Raises:
        InputError: there is no checkpoint, or a leaf is missing, extra, or of another shape or dtype.
        DamagedError: it is not what was saved, or cannot be read.
    """
    require(path.is_dir(), f"{path}: no checkpoint; give --run a folder that scripts/pretrain.py made")
    try:
        return from_state_dict(load_tree(path, like).tree, like, str(path))
    except CorruptedFileError as fault:
        raise CorruptedFileError(
            f"{fault}; take a copy that is whole, or run pretrain.py again with --overwrite"
        ) from None

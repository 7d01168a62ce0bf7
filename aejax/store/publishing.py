"""A published encoder's folder, written: whole or not at all, with sums over every file."""

import hashlib
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.errors import InputError, require
from aejax.store.description import DESCRIPTION, Description, write_description
from aejax.store.encoders import Encoder, build
from aejax.store.files import write_atomically
from aejax.store.formats import (
    FILES,
    ORBAX,
    SAFETENSORS,
    STABLEHLO,
    program,
    require_formats,
    write_orbax,
    write_safetensors,
)
from aejax.store.manifest import MANIFEST, write_manifest
from aejax.store.trees import Tree, leaves, sync, unnamed

CARD = "README.md"


class Contents(NamedTuple):
    """What a card is written from."""

    description: Description
    arrays: Mapping[str, jax.ShapeDtypeStruct]  # by name
    encoder: Encoder
    sums: Mapping[str, str]  # SHA-256 by file, of every format that is there


def require_free(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something, unless it is an encoder that may be replaced.

    An encoder that a killed replacement had moved aside is put back first.

    Raises:
        InputError: with the mend.
    """
    if not folder.exists() and (_aside(folder) / DESCRIPTION).is_file():
        os.rename(_aside(folder), folder)
    if not folder.exists() and not folder.is_symlink():
        return
    require(folder.is_dir() and not folder.is_symlink(), f"{folder}: is no folder; give another --out")
    if any(folder.iterdir()):
        holds = (folder / DESCRIPTION).is_file()
        require(holds, f"{folder}: holds other files and no encoder; give another --out")
        require(overwrite, f"{folder}: holds an encoder already; give --overwrite to replace it, or another --out")


def write_encoder(
    folder: Path, description: Description, tree: Tree, card: Callable[[Contents], str], *, overwrite: bool = False
) -> str:
    """Write an encoder's folder. Returns the SHA-256 of its manifest, which stands for every file.

    Args:
        folder: where it will stand, once all of it is written; what stood there stays until then.
        description: what `encoder.json` will say.
        tree: its arrays, on the host.
        card: makes the `README.md`.
        overwrite: replace an encoder that is there.

    Raises:
        InputError: the folder is not free, cannot be written, or a format is not to be had.
    """
    require_free(folder, overwrite=overwrite)
    require_formats(description.formats)
    model, like = build(description, str(folder))
    encoder = Encoder(description, model, jax.tree.map(jnp.asarray, unnamed(tree, like, str(folder))))
    temporary = folder.absolute().with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        _write_formats(temporary, encoder, tree)
        write_description(temporary, description)
        sums = {name: _sum(temporary / name) for name in map(_summed, description.formats)}
        text = card(Contents(description, leaves(like), encoder, sums))
        write_atomically(temporary / CARD, text.encode())
        digest = write_manifest(temporary)
        sync(temporary)
        _put(temporary, folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); give another --out") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return digest


def _write_formats(folder: Path, encoder: Encoder, tree: Tree) -> None:
    description = encoder.description
    if ORBAX in description.formats:
        write_orbax(folder, tree)
    if SAFETENSORS in description.formats:
        write_safetensors(folder, tree)
    if STABLEHLO in description.formats:
        write_atomically(folder / FILES[STABLEHLO], program(encoder, description.shape, description.dtype))


def _put(temporary: Path, folder: Path) -> None:
    """Have the new folder stand where the old one did; the old one is back if that fails."""
    aside, replaced = _aside(folder), folder.exists()
    if replaced:
        shutil.rmtree(aside, ignore_errors=True)  # of a replacement that was killed when the new one stood already
        os.rename(folder, aside)
    try:
        os.rename(temporary, folder)
    except OSError:
        if replaced:
            os.rename(aside, folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _aside(folder: Path) -> Path:
    """Where an encoder waits while it is replaced."""
    return folder.absolute().with_name(f".{folder.name}.replaced")


def _summed(name: str) -> str:
    """The file whose sum stands for a format."""
    return f"{FILES[name]}/{MANIFEST}" if name == ORBAX else FILES[name]


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

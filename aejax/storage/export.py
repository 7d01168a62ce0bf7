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
from aejax.storage.atomic_io import write_atomically
from aejax.storage.encoder_metadata import METADATA_FILE, EncoderMetadata, write_metadata
from aejax.storage.formats import (
    FORMAT_FILES,
    ORBAX,
    SAFETENSORS,
    STABLEHLO,
    require_format_packages,
    serialize_program,
    write_orbax,
    write_safetensors,
)
from aejax.storage.manifest import MANIFEST, write_manifest
from aejax.storage.pretrained_encoder import PretrainedEncoder, build_architecture
from aejax.storage.pytree_io import ArrayTree, from_state_dict, fsync_folder, named_leaves

MODEL_CARD_FILE = "README.md"


class ModelCardInputs(NamedTuple):
    """What a card is written from."""

    metadata: EncoderMetadata
    arrays: Mapping[str, jax.ShapeDtypeStruct]  # by name
    encoder: PretrainedEncoder
    sha256_by_file: Mapping[str, str]  # SHA-256 by file, of every format that is there


def require_available(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something, unless it is an encoder that may be replaced.

    An encoder that a killed replacement had moved aside is put back first.

    Raises:
        InputError: with the mend.
    """
    if not folder.exists() and (_backup_path(folder) / METADATA_FILE).is_file():
        os.rename(_backup_path(folder), folder)
    if not folder.exists() and not folder.is_symlink():
        return
    require(folder.is_dir() and not folder.is_symlink(), f"{folder}: is no folder; give another --out")
    if any(folder.iterdir()):
        holds = (folder / METADATA_FILE).is_file()
        require(holds, f"{folder}: holds other files and no encoder; give another --out")
        require(overwrite, f"{folder}: holds an encoder already; give --overwrite to replace it, or another --out")


def write_encoder(
    folder: Path,
    metadata: EncoderMetadata,
    tree: ArrayTree,
    card: Callable[[ModelCardInputs], str],
    *,
    overwrite: bool = False,
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
    require_available(folder, overwrite=overwrite)
    require_format_packages(metadata.formats)
    model, like = build_architecture(metadata, str(folder))
    encoder = PretrainedEncoder(metadata, model, jax.tree.map(jnp.asarray, from_state_dict(tree, like, str(folder))))
    temporary = folder.absolute().with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True)
        _write_formats(temporary, encoder, tree)
        write_metadata(temporary, metadata)
        sums = {name: _sha256(temporary / name) for name in map(_checksum_file, metadata.formats)}
        text = card(ModelCardInputs(metadata, named_leaves(like), encoder, sums))
        write_atomically(temporary / MODEL_CARD_FILE, text.encode())
        digest = write_manifest(temporary)
        fsync_folder(temporary)
        _replace_folder(temporary, folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); give another --out") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return digest


def _write_formats(folder: Path, encoder: PretrainedEncoder, tree: ArrayTree) -> None:
    description = encoder.metadata
    if ORBAX in description.formats:
        write_orbax(folder, tree)
    if SAFETENSORS in description.formats:
        write_safetensors(folder, tree)
    if STABLEHLO in description.formats:
        write_atomically(
            folder / FORMAT_FILES[STABLEHLO], serialize_program(encoder, description.shape, description.dtype)
        )


def _replace_folder(temporary: Path, folder: Path) -> None:
    """Have the new folder stand where the old one did; the old one is back if that fails."""
    aside, replaced = _backup_path(folder), folder.exists()
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


def _backup_path(folder: Path) -> Path:
    """Where an encoder waits while it is replaced."""
    return folder.absolute().with_name(f".{folder.name}.replaced")


def _checksum_file(name: str) -> str:
    """The file whose sum stands for a format."""
    return f"{FORMAT_FILES[name]}/{MANIFEST}" if name == ORBAX else FORMAT_FILES[name]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

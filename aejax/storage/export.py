"""Publishes an encoder: writes its folder atomically, with checksums of every file."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.errors import InputError, require
from aejax.storage.atomic_io import atomic_folder, backup_path, write_atomically
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
from aejax.storage.manifest import MANIFEST, size_and_sha256, write_manifest
from aejax.storage.pretrained_encoder import PretrainedEncoder, build_architecture
from aejax.storage.pytree_io import ArrayTree, from_state_dict, named_leaves

MODEL_CARD_FILE = "README.md"


class ModelCardInputs(NamedTuple):
    """The contents of a model card."""

    metadata: EncoderMetadata
    arrays: Mapping[str, jax.ShapeDtypeStruct]  # by name
    encoder: PretrainedEncoder
    sha256_by_file: Mapping[str, str]  # by format: SHA-256 of its file


def require_available(folder: Path, *, overwrite: bool) -> None:
    """Raises `InputError` if a folder is not empty, unless it is an encoder that may be replaced.

    If a previous replacement was killed halfway, the encoder that it was replacing is restored first.
    """
    if not folder.exists() and (backup_path(folder) / METADATA_FILE).is_file():
        os.rename(backup_path(folder), folder)
    if not folder.exists() and not folder.is_symlink():
        return
    require(folder.is_dir() and not folder.is_symlink(), f"{folder}: is not a folder; give another --out")
    if any(folder.iterdir()):
        is_encoder = (folder / METADATA_FILE).is_file()
        require(is_encoder, f"{folder}: holds other files and no encoder; give another --out")
        require(overwrite, f"{folder}: holds an encoder already; give --overwrite to replace it, or another --out")


def write_encoder(
    folder: Path,
    metadata: EncoderMetadata,
    tree: ArrayTree,
    card: Callable[[ModelCardInputs], str],
    *,
    overwrite: bool = False,
) -> str:
    """Writes an encoder's folder. Returns the SHA-256 of its manifest, which identifies the whole content.

    Args:
        folder: appears once it is complete; an existing encoder stays until then.
        metadata: the content of `encoder.json`.
        tree: the encoder's arrays, on the host.
        card: renders the `README.md`.
        overwrite: replace an existing encoder.

    Raises:
        InputError: the folder is in use or cannot be written, or the package of a format is not installed.
    """
    require_available(folder, overwrite=overwrite)
    require_format_packages(metadata.formats)
    model, like = build_architecture(metadata, str(folder))
    encoder = PretrainedEncoder(metadata, model, jax.tree.map(jnp.asarray, from_state_dict(tree, like, str(folder))))
    try:
        with atomic_folder(folder, overwrite=overwrite) as temporary:
            _write_formats(temporary, encoder, tree)
            write_metadata(temporary, metadata)
            checksums: dict[str, str] = {name: _format_sha256(temporary, name) for name in metadata.formats}
            text = card(ModelCardInputs(metadata, named_leaves(like), encoder, checksums))
            write_atomically(temporary / MODEL_CARD_FILE, text.encode())
            digest = write_manifest(temporary)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); give another --out") from None
    return digest


def _write_formats(folder: Path, encoder: PretrainedEncoder, tree: ArrayTree) -> None:
    metadata = encoder.metadata
    if ORBAX in metadata.formats:
        write_orbax(folder, tree)
    if SAFETENSORS in metadata.formats:
        write_safetensors(folder, tree)
    if STABLEHLO in metadata.formats:
        program = serialize_program(_without_offsets(encoder), metadata.shape, metadata.dtype)
        write_atomically(folder / FORMAT_FILES[STABLEHLO], program)


def _without_offsets(encoder: PretrainedEncoder) -> PretrainedEncoder:
    """Returns the encoder for inputs of which the offsets are subtracted, which a float32 program cannot do exactly."""
    preprocessing = dataclasses.replace(encoder.metadata.preprocessing, offsets=None)
    return dataclasses.replace(encoder, metadata=dataclasses.replace(encoder.metadata, preprocessing=preprocessing))


def _format_sha256(folder: Path, name: str) -> str:
    """Returns the SHA-256 of a format's file; for Orbax, of the manifest of its folder."""
    path = folder / FORMAT_FILES[name]
    return str(size_and_sha256(path / MANIFEST if name == ORBAX else path)["sha256"])

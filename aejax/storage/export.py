"""Publishes an encoder: writes its folder atomically, with checksums of every file."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp

from aejax.errors import InputError, require
from aejax.storage.atomic_io import atomic_folder, remove_abandoned, write_atomically
from aejax.storage.encoder_metadata import METADATA_FILE, EncoderMetadata, read_metadata, write_metadata
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
from aejax.storage.manifest import MANIFEST, size_and_sha256, verify_manifest, write_manifest
from aejax.storage.pretrained_encoder import PretrainedEncoder, build_architecture
from aejax.storage.pytree_io import ArrayTree, from_state_dict

MODEL_CARD_FILE = "README.md"

# Renders the `README.md` of an encoder with the SHA-256 of each format's file.
ModelCard = Callable[[PretrainedEncoder, Mapping[str, str]], str]


def require_available(folder: Path, *, overwrite: bool) -> None:
    """Raises `InputError` if a folder is not empty, unless it is an encoder that may be replaced."""
    if not folder.exists() and not folder.is_symlink():
        return
    require(folder.is_dir() and not folder.is_symlink(), f"{folder}: is not a folder; give another --out")
    if any(folder.iterdir()):
        is_encoder = (folder / METADATA_FILE).is_file()
        require(is_encoder, f"{folder}: holds other files and no encoder; give another --out")
        require(overwrite, f"{folder}: holds an encoder already; give --overwrite to replace it, or another --out")


def _same_encoder(folder: Path, metadata: EncoderMetadata) -> str | None:
    """Returns the SHA-256 of the manifest of a folder that has this encoder already, whoever exported it."""

    def content(described: EncoderMetadata) -> EncoderMetadata:
        origin = dataclasses.replace(described.origin, exported_by="", commit=None, versions=())
        return dataclasses.replace(described, origin=origin)

    try:
        same = folder.is_dir() and content(read_metadata(folder)) == content(metadata)
        return verify_manifest(folder) if same else None
    except InputError:
        return None


def write_encoder(
    folder: Path, metadata: EncoderMetadata, tree: ArrayTree, card: ModelCard, *, overwrite: bool = False
) -> str:
    """Writes an encoder's folder. Returns the SHA-256 of its manifest, which identifies the whole content.

    Args:
        folder: appears once it is complete; an existing encoder stays until then.
        metadata: the content of `encoder.json`.
        tree: the encoder's arrays, on the host.
        card: renders the `README.md`.
        overwrite: replace an existing encoder. Without it, a folder that has this very encoder is left as it is.

    Raises:
        InputError: the folder holds something else or cannot be written, or the package of a format is not installed.
    """
    if not overwrite and (digest := _same_encoder(folder, metadata)):
        return digest
    require_available(folder, overwrite=overwrite)
    require_format_packages(metadata.formats)
    model, like = build_architecture(metadata, str(folder))
    encoder = PretrainedEncoder(metadata, model, jax.tree.map(jnp.asarray, from_state_dict(tree, like, str(folder))))
    remove_abandoned(folder)
    try:
        with atomic_folder(folder, overwrite=overwrite) as temporary:
            digest = _write_content(temporary, encoder, tree, card)
            require_available(folder, overwrite=overwrite)  # another process may have filled it in the meantime
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); give another --out") from None
    return digest


def _write_content(folder: Path, encoder: PretrainedEncoder, tree: ArrayTree, card: ModelCard) -> str:
    metadata = encoder.metadata
    if ORBAX in metadata.formats:
        write_orbax(folder, tree)
    if SAFETENSORS in metadata.formats:
        write_safetensors(folder, tree)
    if STABLEHLO in metadata.formats:
        program = serialize_program(_without_offsets(encoder), metadata.shape, metadata.dtype)
        write_atomically(folder / FORMAT_FILES[STABLEHLO], program)
    write_metadata(folder, metadata)
    checksums: dict[str, str] = {name: _format_sha256(folder, name) for name in metadata.formats}
    write_atomically(folder / MODEL_CARD_FILE, card(encoder, checksums).encode())
    return write_manifest(folder)


def _without_offsets(encoder: PretrainedEncoder) -> PretrainedEncoder:
    """Returns the encoder for inputs of which the offsets are subtracted, which a float32 program cannot do exactly."""
    preprocessing = dataclasses.replace(encoder.metadata.preprocessing, offsets=None)
    return dataclasses.replace(encoder, metadata=dataclasses.replace(encoder.metadata, preprocessing=preprocessing))


def _format_sha256(folder: Path, name: str) -> str:
    """Returns the SHA-256 of a format's file; for Orbax, of the manifest of its folder."""
    path = folder / FORMAT_FILES[name]
    return str(size_and_sha256(path / MANIFEST if name == ORBAX else path)["sha256"])

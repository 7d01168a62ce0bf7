"""Publishes an encoder: writes its folder atomically, with checksums of every file."""

import contextlib
import dataclasses
import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp

from aejax.errors import InputError, require
from aejax.storage.atomic_io import fsync_folder, write_atomically
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
from aejax.storage.run_folder import acquire_lock

MODEL_CARD_FILE = "README.md"
NEW_DIR, OLD_DIR = "new", "old"  # in the working folder

# Renders the `README.md` of an encoder with the SHA-256 of each format's file.
ModelCard = Callable[[PretrainedEncoder, Mapping[str, str]], str]


def require_available(folder: Path, *, overwrite: bool) -> None:
    """Raises `InputError` if a folder is not empty, unless it is an encoder that may be replaced.

    If a previous replacement was killed halfway, the encoder that it was replacing is restored first.
    """
    if _work_path(folder).exists():
        with _open_work(folder):
            pass
    if not folder.exists() and not folder.is_symlink():
        return
    require(folder.is_dir() and not folder.is_symlink(), f"{folder}: is not a folder; give another --out")
    if any(folder.iterdir()):
        is_encoder = (folder / METADATA_FILE).is_file()
        require(is_encoder, f"{folder}: holds other files and no encoder; give another --out")
        require(overwrite, f"{folder}: holds an encoder already; give --overwrite to replace it, or another --out")


def _work_path(folder: Path) -> Path:
    """Returns the folder in which an export to `folder` works: its lock, the new encoder, and the one it replaces."""
    return folder.absolute().with_name(f".{folder.absolute().name}.export")


@contextlib.contextmanager
def _open_work(folder: Path) -> Iterator[Path]:
    """Yields the locked working folder, without what a killed export left in it, and removes it.

    Raises:
        InputError: another process exports to `folder`.
    """
    work = _work_path(folder)
    work.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as locked:
        try:
            locked.enter_context(acquire_lock(work))
        except InputError:
            raise InputError(f"{folder}: another process exports to it; wait for it, or give another --out") from None
        if (work / OLD_DIR).exists() and not folder.exists():
            os.rename(work / OLD_DIR, folder)
        for name in (NEW_DIR, OLD_DIR):
            shutil.rmtree(work / name, ignore_errors=True)
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _move_into_place(work: Path, folder: Path, *, overwrite: bool) -> None:
    """Moves the new encoder to `folder`: onto nothing, an empty folder, or an encoder that may be replaced."""
    require_unchanged = f"{folder}: was made by another process in the meantime; give another --out"
    if folder.exists() and any(folder.iterdir()):
        require(overwrite and (folder / METADATA_FILE).is_file(), require_unchanged)
        os.rename(folder, work / OLD_DIR)
    try:
        os.rename(work / NEW_DIR, folder)
    except OSError as error:
        if (work / OLD_DIR).exists() and not folder.exists():
            os.rename(work / OLD_DIR, folder)
        require(error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR), require_unchanged)
        raise


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
        InputError: the folder is in use or cannot be written, or the package of a format is not installed.
    """
    if not overwrite and (digest := _same_encoder(folder, metadata)):
        return digest
    require_available(folder, overwrite=overwrite)
    require_format_packages(metadata.formats)
    model, like = build_architecture(metadata, str(folder))
    encoder = PretrainedEncoder(metadata, model, jax.tree.map(jnp.asarray, from_state_dict(tree, like, str(folder))))
    try:
        with _open_work(folder) as work:
            (work / NEW_DIR).mkdir()
            digest = _write_content(work / NEW_DIR, encoder, tree, card)
            fsync_folder(work / NEW_DIR)
            _move_into_place(work, folder, overwrite=overwrite)
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

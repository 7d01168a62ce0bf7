"""Encoders on the Hugging Face Hub: a published one is a model repository, one of SAELens or sparsify a folder of one.

A download is held to the checks of a folder: only the files that its manifest names are fetched, after their sizes have
been compared with it, and `load_encoder` then verifies every checksum. Of a sparse coder, the two files that are read
are fetched. No code of a repository is run.
"""

import contextlib
import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from aejax.data.packages import require_package
from aejax.errors import InputError, require, summarize_error
from aejax.storage.manifest import MANIFEST, MAX_JSON_BYTES, read_manifest, verify_manifest
from aejax.storage.sparse_coders import CONFIG_FILE, SAELENS_FILE, SPARSIFY_FILE, is_sparse_coder

PREFIX = "hf:"  # of references to repositories, `hf:OWNER/NAME[/FOLDER][@REVISION]`


def push_to_hub(folder: Path, repo_id: str, *, private: bool | None = None, token: str | None = None) -> str:
    """Uploads an encoder's folder to a model repository, which is made if there is none; returns the commit's address.

    The repository then holds these files and no others.

    Args:
        folder: of a published encoder.
        repo_id: `OWNER/NAME`.
        private: whether a new repository is private; None: as the owner's settings are.
        token: of the owner; None: the one of `hf auth login`, or `HF_TOKEN`.

    Raises:
        InputError: the folder is no intact encoder, or the upload is rejected.
    """
    verify_manifest(folder)
    with _hub_errors(repo_id):
        from huggingface_hub import HfApi

        api = HfApi(token=token, library_name="aejax")
        api.create_repo(repo_id, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id, folder_path=folder, commit_message="Publish an encoder of aejax", delete_patterns="*"
        )
        return str(commit.commit_url)


@contextlib.contextmanager
def open_encoder_folder(reference: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields the folder of an encoder: the one that is given, or a temporary copy of `hf:OWNER/NAME[/FOLDER]`.

    Raises:
        InputError: there is no such repository, or it holds no encoder.
    """
    if not str(reference).startswith(PREFIX):
        yield Path(reference).expanduser()
        return
    place, _, revision = str(reference).removeprefix(PREFIX).partition("@")
    owner, _, path = place.partition("/")
    name, _, inner = path.partition("/")
    repo_id = f"{owner}/{name}"
    with tempfile.TemporaryDirectory(prefix="aejax-hub-") as temporary:
        folder = Path(temporary, "encoder")
        folder.mkdir()
        try:
            with _hub_errors(repo_id):
                _download(repo_id, revision or None, folder, inner)
            yield folder
        except InputError as error:
            raise type(error)(str(error).replace(str(folder), str(reference))) from error


def _download(repo_id: str, revision: str | None, folder: Path, inner: str) -> None:
    """Copies the files that a repository's manifest names into a folder, or a sparse coder's, by the Hub's cache."""
    from huggingface_hub import HfApi, is_offline_mode
    from huggingface_hub.errors import EntryNotFoundError

    api, sizes = HfApi(library_name="aejax"), None
    if not is_offline_mode():
        info = api.model_info(repo_id, revision=revision, files_metadata=True)
        revision, sizes = info.sha, {file.rfilename: file.size or 0 for file in info.siblings or ()}
    config = f"{inner}/{CONFIG_FILE}".removeprefix("/")
    if inner or (sizes is not None and MANIFEST not in sizes and config in sizes):
        names = [config.removesuffix(CONFIG_FILE) + name for name in (CONFIG_FILE, SAELENS_FILE, SPARSIFY_FILE)]
        for name in names if sizes is None else [name for name in names if name in sizes]:
            with contextlib.suppress(EntryNotFoundError):  # without the Hub, only what is in the cache is known
                shutil.copyfile(api.hf_hub_download(repo_id, name, revision=revision), folder / Path(name).name)
        require(is_sparse_coder(folder), f"{folder}: holds no {config} with weights of SAELens or sparsify")
        return
    if sizes is not None:
        require(MANIFEST in sizes, f"{folder}: holds no {MANIFEST}, so no encoder that aejax has published")
        require(sizes[MANIFEST] <= MAX_JSON_BYTES, f"{folder}: {MANIFEST} has more than {MAX_JSON_BYTES} bytes")
    shutil.copyfile(api.hf_hub_download(repo_id, MANIFEST, revision=revision), folder / MANIFEST)
    files, _ = read_manifest(folder)
    for name, entry in files.items():
        expected = sizes is None or sizes.get(name) == entry.get("bytes")
        require(expected, f"{folder}: {name} is missing, or has another size than {MANIFEST} says")
    cached = Path(api.snapshot_download(repo_id, revision=revision, allow_patterns=[*map(glob.escape, files)]))
    for path in cached.rglob("*"):  # links to the cache's own files
        name = path.relative_to(cached).as_posix()
        if name in files and path.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)


@contextlib.contextmanager
def _hub_errors(repo_id: str) -> Iterator[None]:
    """Turns errors of the Hub's client into `InputError`."""
    require_package("huggingface_hub", "hub", f"{PREFIX}{repo_id}")
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # of the client and of its HTTP library, which has changed between versions
        raise InputError(f"{PREFIX}{repo_id}: {summarize_error(error)}") from error

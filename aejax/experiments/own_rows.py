"""Rows of a comparison from files: `--features NAME=FILE[:KEY]`, and published encoders, `--encoder NAME=FOLDER`."""

from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from aejax.config import CompareConfig
from aejax.data.memory import require_host_memory
from aejax.data.npz import open_archive
from aejax.data.registry import expand_path
from aejax.errors import InputError, list_names, require, summarize_error
from aejax.methods.external import Representation, encoder, precomputed
from aejax.methods.registry import METHODS
from aejax.storage.manifest import verify_manifest
from aejax.storage.pretrained_encoder import load_encoder

FEATURE_SUFFIXES = (".npy", ".npz", ".parquet")


def load_own_rows(config: CompareConfig) -> dict[str, Representation]:
    """Returns the representations that the flags name, by name.

    Raises:
        InputError: a name is taken or given twice, or a file cannot be read.
    """
    rows: dict[str, Representation] = {}
    for flag, specs in (("--features", config.features), ("--encoder", config.encoder)):
        for spec in specs:
            name, equals, place = spec.partition("=")
            expected = "NAME=FILE.npy, .npz or .parquet" if flag == "--features" else "NAME=FOLDER"
            require(name and equals and place, f"{flag} {spec}: expected {expected}")
            require(name not in METHODS, f"{flag} {spec}: {name} is a method of aejax; give another name")
            require(name not in rows, f"{flag} {spec}: {name} is given twice")
            rows[name] = _load_features(spec, place) if flag == "--features" else _load_encoder(place)
    return rows


def _load_encoder(place: str) -> Representation:
    folder = expand_path(place)
    encode = load_encoder(folder)
    require(
        not encode.metadata.stacked,
        f"--encoder {place}: holds {len(encode.seeds)} seeds; publish one, export.py --seed best",
    )
    made = encoder(lambda inputs: np.asarray(encode(inputs)))
    return Representation(made.make_features, verify_manifest(folder))


def _load_features(spec: str, place: str) -> Representation:
    file, colon, key = place.rpartition(":")
    if not colon or Path(file).suffix.lower() not in FEATURE_SUFFIXES:
        file, key = place, ""
    path = expand_path(file)
    require(path.is_file(), f"--features {spec}: {path}: no such file")
    suffix = path.suffix.lower()
    require(suffix in FEATURE_SUFFIXES, f"--features {spec}: expected a file ending in {', '.join(FEATURE_SUFFIXES)}")
    try:
        return precomputed({".npy": _read_npy, ".npz": _read_npz, ".parquet": _read_parquet}[suffix](path, key))
    except InputError as error:
        raise InputError(f"--features {spec}: {error}") from None


def _read_npy(path: Path, key: str) -> Float[np.ndarray, "..."]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{path}: not an intact .npy file ({summarize_error(error, 120)})") from None
    return _as_features(array, path)


def _read_npz(path: Path, key: str) -> Float[np.ndarray, "..."]:
    with open_archive(path) as readers:
        names = list(readers)
        require(key or len(names) == 1, f"{path}: holds {list_names(names)}; name one, {path.name}:{names[0]}")
        require(not key or key in readers, f"{path}: has no array {key!r}; there are {list_names(names)}")
        return _as_features(readers[key or names[0]](), path)


def _read_parquet(path: Path, key: str) -> Float[np.ndarray, "n width"]:
    """Returns the columns of a table, or those whose names begin with `key`."""
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not an intact .parquet file ({summarize_error(error, 120)})") from None
    chosen = frame[[name for name in frame.columns if str(name).startswith(key)]]
    require(chosen.shape[1], f"{path}: no column begins with {key!r}; there are {list_names(list(map(str, frame)))}")
    words = [str(name) for name in chosen.columns if chosen[name].dtype.kind not in "biuf"]
    require(
        not words, f"{path}: column {words[0] if words else ''!r} is not of numbers; name a prefix of those that are"
    )
    return chosen.to_numpy(np.float32)


def _as_features(array: np.ndarray, path: Path) -> Float[np.ndarray, "..."]:
    require(
        array.dtype.kind in "biuf" and array.ndim in (2, 3),
        f"{path}: holds {array.dtype} of shape {array.shape}; expected numbers (n, width) or (trainings, n, width)",
    )
    require_host_memory(4 * array.size, f"{path}: features")
    return np.asarray(array, np.float32)

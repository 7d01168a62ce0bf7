"""Damage to saved files: bytes that change, and values of JSON that are deleted, cut, emptied, repeated or replaced."""

import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aejax.config import PretrainConfig, from_dict
from aejax.errors import InputError
from aejax.report.analysis_page import analysis_title
from aejax.report.results import with_roles
from aejax.report.run_page import render_run_markdown
from aejax.storage.atomic_io import read_json, write_json
from aejax.storage.results_file import Results, read_results, results_kind
from aejax.storage.run_folder import read_state_record
from tests.robustness.commands import Outcome

RESULTS = Path(__file__).parents[2] / "results"
FIXTURES = Path(__file__).parents[1] / "fixtures" / "version-0.1.0"
NAMES = ("digits", "sweep-tabular", "tutorial-single-probe", "tutorial-deep", "explore-vae")
REPLACEMENTS = (None, True, -1, 0, 1e308, 10**30, "", "x", [], [None], {}, {"a": 1})
DAMAGES = ("delete", "cut", "empty", "repeat", *((value,) for value in REPLACEMENTS))


def flip_bit(content: bytes, rng: np.random.Generator) -> bytes:
    """Returns content with one bit flipped."""
    flipped = bytearray(content)
    flipped[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    return bytes(flipped)


def corruptions(content: bytes, rng: np.random.Generator) -> dict[str, bytes | None]:
    """Returns corrupted contents by name; None for a deleted file."""
    damaged: dict[str, bytes | None] = {"deleted": None, "grown": content + b"\0"}
    if content:
        damaged |= {"flipped": flip_bit(content, rng), "cut in half": content[: len(content) // 2], "emptied": b""}
    return damaged


def corrupt_each_file(folder: Path, subdir: str, read: Callable[[Path], object], seed: int = 0) -> Iterator[Outcome]:
    """Corrupts every file in `folder/subdir`, one at a time, and reads a copy of the folder.

    Args:
        folder: an intact artifact.
        subdir: the part of it that is corrupted.
        read: must raise `InputError` with one line for a corrupted folder, and return for an intact one.
        seed: of the bits.
    """
    rng, copied = np.random.default_rng(seed), folder.with_name(f"{folder.name}-copy")
    shutil.copytree(folder, copied)
    read(copied)
    for path in sorted(path for path in (copied / subdir).rglob("*") if path.is_file()):
        content = path.read_bytes()
        for name, corrupted in corruptions(content, rng).items():
            if corrupted is None:
                path.unlink()
            else:
                path.write_bytes(corrupted)
            fault = read_fault(read, copied, if_read="not noticed")
            yield Outcome(not fault, not fault, f"{path.relative_to(copied)} {name}: {fault}")
            path.write_bytes(content)
    read(copied)  # intact again
    shutil.rmtree(copied)


def read_fault(read: Callable[[Path], object], path: Path, if_read: str = "") -> str:
    """Returns what is wrong with how a damaged path is read; empty if it is rejected with one line."""
    try:
        read(path)
    except InputError as error:
        return "rejected with more than one line" if "\n" in str(error) else ""
    except Exception as error:  # what the test looks for
        return f"{type(error).__name__}: {error}"
    return if_read


def saved_results(name: str) -> Path:
    """Returns the file of committed results."""
    folder = RESULTS / name
    return next(path for path in (folder / "results.json", folder / "explore.json") if path.exists())


def json_paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields the path of every value in JSON; of lists the first two."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, item in items:
        yield from json_paths(item, (*path, key))


def damage_value(value: Any, path: tuple[Any, ...], damage: Any) -> Any:
    """Returns a copy of JSON with one of `DAMAGES` to the value at a path."""
    value = copy.deepcopy(value)
    *parents, last = path
    inner = value
    for key in parents:
        inner = inner[key]
    if damage == "delete":
        del inner[last]
    elif damage == "cut":
        inner[last] = inner[last][:1] if isinstance(inner[last], list | str) else None
    elif damage == "empty":
        inner[last] = type(inner[last])() if isinstance(inner[last], list | dict | str) else ""
    elif damage == "repeat":
        inner[last] = inner[last] * 2 if isinstance(inner[last], list | str) else [inner[last]]
    else:
        inner[last] = damage[0]
    return value


def use_results(results: Results) -> None:
    """Makes of results what commands make of them."""
    kind = results_kind(results)
    if kind in ("compare", "sweep"):
        render_run_markdown(with_roles(results) if kind == "compare" else results)
    elif kind == "explore":
        analysis_title(results)
        assert all(len(part["figures"]) >= 0 for part in results["parts"].values())


def damage_json_files(folder: Path, n_files: int, seed: int) -> Iterator[Outcome]:
    """Damages files of results, without their checksum, configs and states of runs, and reads them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    config, state = folder / "config.json", folder / "run.json"
    originals = [(saved_results(name), lambda path: use_results(read_results(path)), "results.json") for name in NAMES]
    originals += [
        (
            RESULTS / "tutorial-deep" / "config.json",
            lambda _: from_dict(PretrainConfig, read_json(config)),
            config.name,
        ),
        (FIXTURES / "compare" / "run.json", lambda path: read_state_record(path.parent), state.name),
    ]
    loaded = [(read_json(path), read, folder / name) for path, read, name in originals]
    places = [[place for place in json_paths(value) if place] for value, _, _ in loaded]
    for number in range(n_files):
        index = number % len(loaded)
        value, read, path = loaded[index]
        place = places[index][rng.integers(len(places[index]))]
        damage = DAMAGES[rng.integers(len(DAMAGES))]
        write_json(path, damage_value(value, place, damage))
        fault = read_fault(read, path)
        yield Outcome(not fault, not fault, f"{originals[index][0].parent.name}/{path.name} {place} {damage}: {fault}")
        path.unlink()

"""Run folders: what a run leaves, and when it may be written."""

import dataclasses
import json
import math
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aejax.errors import InputError, require


def plain(value: Any) -> Any:
    """JSON values only: arrays and tuples as lists, numbers that are not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file as a whole: a reader sees the old content or the new, never a part."""
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `plain(value)`, indented, atomically. Lists of numbers stay on one line."""
    write_atomically(path, (_dumps(plain(value)) + "\n").encode())


def _dumps(value: Any, indent: str = "") -> str:
    deeper = indent + " "
    if isinstance(value, dict) and value:
        rows = (f"{deeper}{json.dumps(key)}: {_dumps(item, deeper)}" for key, item in value.items())
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return "[\n" + ",\n".join(deeper + _dumps(item, deeper) for item in value) + f"\n{indent}]"
    return json.dumps(value, allow_nan=False)


def read_json(path: Path) -> Any:
    """Parse a JSON file.

    Raises:
        InputError: the file is missing, unreadable or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as JSON ({error}); run the script that wrote it again with --overwrite"
        ) from None


@dataclasses.dataclass(frozen=True)
class Run:
    """A folder being filled. It is finished when `results.json`, written last, is there."""

    folder: Path

    @property
    def finished(self) -> bool:
        """Whether everything was written."""
        return (self.folder / "results.json").exists()

    def results(self) -> dict[str, Any]:
        """What the finished run found."""
        return read_json(self.folder / "results.json")

    def append_metrics(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add lines to `metrics.jsonl`."""
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(plain(row), allow_nan=False) + "\n" for row in rows)


def finished_run(folder: Path, config: Mapping[str, Any], *, overwrite: bool) -> Run | None:
    """The finished run of the same config that the folder holds, or None if the folder may be filled. Changes nothing.

    Raises:
        InputError: the folder holds another config's run, or something that is no run, or is a file.
    """
    run = Run(folder)
    if not folder.exists():
        return None
    require(folder.is_dir(), f"{folder}: is a file; give another --out")
    if not any(folder.iterdir()):
        return None
    require((folder / "config.json").exists(), f"{folder}: holds other files and no run; give another --out")
    same = read_json(folder / "config.json") == plain(config)
    mend = "give --overwrite to replace it, or another --out"
    require(same or overwrite, f"{folder}: holds a run with other settings; {mend}")
    return run if run.finished and not overwrite else None


def begin_run(folder: Path, config: Mapping[str, Any]) -> Run:
    """Start filling a folder that `finished_run` left open.

    A finished run in it is moved aside to `NAME.old` until `close_run`; an unfinished one is dropped.

    Raises:
        InputError: the folder cannot be written.
    """
    run = Run(folder)
    try:
        if run.finished:
            shutil.rmtree(_aside(folder), ignore_errors=True)
            os.replace(folder, _aside(folder))
        elif folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        write_json(folder / "config.json", config)
    except OSError as error:
        raise InputError(f"--out {folder}: cannot be written ({error.strerror}); give another --out") from None
    return run


def close_run(run: Run, results: Mapping[str, Any]) -> None:
    """Write `results.json`, which finishes the run, and drop what it replaced."""
    write_json(run.folder / "results.json", results)
    shutil.rmtree(_aside(run.folder), ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.with_name(folder.name + ".old")

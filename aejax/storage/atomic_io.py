"""Files written whole: a reader sees the old content or the new, never a part."""

import json
import math
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aejax.errors import InputError


def to_jsonable(value: Any) -> Any:
    """JSON values only: arrays and tuples as lists, numbers that are not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return to_jsonable(value.tolist())
    if isinstance(value, list | tuple):
        return [to_jsonable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file as a whole: a reader sees the old content or the new, never a part, even after a power cut.

    Raises:
        InputError: the disk is full, or the folder cannot be written; what was there before is there still.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"{path}: cannot be written ({error.strerror}); make room, or give another --out") from None


def write_json(path: Path, value: Any) -> None:
    """Write `plain(value)`, indented, atomically. Lists of numbers stay on one line."""
    write_atomically(path, (_format_json(to_jsonable(value)) + "\n").encode())


def _format_json(value: Any, indent: str = "") -> str:
    deeper = indent + " "
    if isinstance(value, dict) and value:
        rows = (f"{deeper}{json.dumps(key)}: {_format_json(item, deeper)}" for key, item in value.items())
        return "{\n" + ",\n".join(rows) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        return "[\n" + ",\n".join(deeper + _format_json(item, deeper) for item in value) + f"\n{indent}]"
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
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: cannot be read as JSON ({error}); run the script that wrote it again with --overwrite"
        ) from None

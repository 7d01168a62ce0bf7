"""Every file of a saved artifact flipped, truncated, emptied, extended and deleted: each must be noticed."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from aejax.errors import InputError
from tests.robustness.interruptions import Counts

ReadFn = Callable[[Path], object]


def corruptions(content: bytes, rng: np.random.Generator) -> Iterator[tuple[str, bytes | None]]:
    """Yields corrupted contents with their names; None for a deleted file."""
    yield "deleted", None
    yield "grown", content + b"\0"
    if content:
        position, bit = int(rng.integers(len(content))), int(rng.integers(8))
        flipped = bytearray(content)
        flipped[position] ^= 1 << bit
        yield f"bit {bit} of byte {position} flipped", bytes(flipped)
        yield "cut in half", content[: len(content) // 2]
        yield "emptied", b""


def corrupt_each_file(folder: Path, subdir: str, read: ReadFn, rng: np.random.Generator) -> Counts:
    """Corrupts every file in `folder/subdir`, one at a time, and reads a copy of the folder.

    Args:
        folder: an intact artifact.
        subdir: the part of it that is corrupted.
        read: must raise `InputError` with one line for a corrupted folder, and return for an intact one.
        rng: draws the bits.
    """
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    read(copy)
    counts = Counts()
    for path in sorted(path for path in (copy / subdir).rglob("*") if path.is_file()):
        content = path.read_bytes()
        for name, corrupted in corruptions(content, rng):
            if corrupted is None:
                path.unlink()
            else:
                path.write_bytes(corrupted)
            outcome = _read_outcome(read, copy)
            noticed = outcome == "noticed"
            counts.add(survived=noticed, noticed=noticed, fault=f"{path.relative_to(copy)} {name}: {outcome}")
            path.write_bytes(content)
    read(copy)  # intact again
    shutil.rmtree(copy)
    return counts


def _read_outcome(read: ReadFn, folder: Path) -> str:
    try:
        read(folder)
    except InputError as error:
        return "noticed" if "\n" not in str(error) else "rejected with more than one line"
    except Exception as error:  # what the test looks for
        return f"{type(error).__name__}: {error}"
    return "not noticed"

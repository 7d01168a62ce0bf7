"""Every file of what a run saves, flipped, cut short, emptied and deleted in turn: each must be noticed."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from aejax.errors import InputError
from tests.robustness.interruptions import Counts

ReadFn = Callable[[Path], object]


def corruptions(content: bytes, rng: np.random.Generator) -> Iterator[tuple[str, bytes | None]]:
    """What may become of a file: by name, other content, or None where it is gone."""
    yield "deleted", None
    yield "grown", content + b"\0"
    if content:
        place, bit = int(rng.integers(len(content))), int(rng.integers(8))
        yield f"bit {bit} of byte {place} flipped", _flip_bit(content, place, bit)
        yield "cut in half", content[: len(content) // 2]
        yield "emptied", b""


def _flip_bit(content: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def corrupt_each_file(folder: Path, subdir: str, read: ReadFn, rng: np.random.Generator) -> Counts:
    """Damage every file under `folder/within`, one at a time, and read.

    Args:
        folder: a whole thing; copied beside itself first.
        within: which part of it is damaged.
        read: of a copy's folder; it must refuse what is damaged with an `InputError` of one line, and read what is not.
        rng: for the bits.
    """
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    read(copy)
    tried, noticed, faults = 0, 0, []
    for path in sorted(path for path in (copy / subdir).rglob("*") if path.is_file()):
        content = path.read_bytes()
        for what, other in corruptions(content, rng):
            tried += 1
            if other is None:
                path.unlink()
            else:
                path.write_bytes(other)
            outcome = _read_outcome(read, copy)
            noticed += outcome == "noticed"
            if outcome != "noticed":
                faults.append(f"{path.relative_to(copy)} {what}: {outcome}")
            path.write_bytes(content)
    read(copy)  # it is whole again
    shutil.rmtree(copy)
    return Counts(tried, tried - len(faults), noticed, tuple(faults))


def _read_outcome(read: ReadFn, folder: Path) -> str:
    try:
        read(folder)
    except InputError as refusal:
        return "noticed" if "\n" not in str(refusal) else "refused in more than a line"
    except Exception as error:  # the very thing that is looked for
        return f"{type(error).__name__}: {error}"
    return "read as if nothing were wrong"

"""Damaged input by the hundred thousand into every reader: each is read or refused, and nothing else happens.

A reader may return or raise `InputError`. Any other exception, a warning, a hang, and a file made, changed or removed
are faults. A fault that ends the process (a crash inside a decoder) leaves the input where it was read, in
`FOLDER/READER`.
"""

import contextlib
import dataclasses
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.config import DataConfig
from aejax.config.sweep_axes import parse_axes
from aejax.data.idx import load_idx_folder
from aejax.data.image_folder import load_image_folder
from aejax.data.npz import load_npz
from aejax.data.parquet import load_parquet
from aejax.data.tables import load_csv
from aejax.errors import InputError
from tests.robustness.mutations import mutate
from tests.robustness.reader_samples import (
    Sample,
    axis_samples,
    csv_samples,
    idx_samples,
    image_samples,
    npz_samples,
    parquet_samples,
)
from tests.robustness.saved_samples import checkpoint_samples, read_checkpoint, read_run, run_samples

READ_TIMEOUT_SECONDS = 20.0  # after which an input counts as a hang and is given up
MAX_REPORTED_FAULTS = 5  # faults that a result describes


class Reader(NamedTuple):
    """One way into the program."""

    make_samples: Callable[[Path], list[Sample]]  # valid inputs; writes what stands beside them into the folder
    read: Callable[[Path], object]  # of the path where a damaged input lies
    input_share: float = 1.0  # of all inputs, relative to the other readers: less for slow ones


def read_axis(path: Path) -> object:
    """`--axis` with the file's text as its word; what a command line cannot hold is left out."""
    return parse_axes([path.read_bytes().replace(b"\0", b"").decode(errors="surrogateescape")])


READERS: dict[str, Reader] = {
    "npz": Reader(npz_samples, lambda path: load_npz(path, DataConfig())),
    "csv": Reader(csv_samples, lambda path: load_csv(path, DataConfig())),
    "parquet": Reader(parquet_samples, lambda path: load_parquet(path, DataConfig())),
    "idx": Reader(idx_samples, lambda path: load_idx_folder(path.parent, "idx")),
    "images": Reader(image_samples, lambda path: load_image_folder(path.parents[1]), input_share=0.5),
    "axis": Reader(axis_samples, read_axis),
    "run folder": Reader(run_samples, read_run, input_share=0.5),
    "checkpoint": Reader(checkpoint_samples, read_checkpoint, input_share=0.02),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FuzzResult:
    """What became of one reader's inputs."""

    reader: str
    inputs: int
    accepted: int  # read as if they were whole
    refused: int  # with one line
    crashed: int  # anything else, hangs and warnings among it
    slowest_seconds: float  # of one input
    faults: tuple[str, ...] = ()  # the first crashes, with the number of their input
    strays: tuple[str, ...] = ()  # files that were made, changed or removed


class ReadTimeout(BaseException):
    """An input that took longer than `HANG_SECONDS`; no reader catches it."""


def fuzz_readers(inputs: int, seed: int, folder: Path, readers: dict[str, Reader] | None = None) -> list[FuzzResult]:
    """Damaged inputs into every reader, the same for the same seed.

    Args:
        inputs: how many in all; readers take them by their shares, at least one each.
        seed: of the damage.
        folder: an empty or new folder to work in; listed before and after, and left with the valid inputs.
        readers: by name; default: `READERS`. One without valid inputs, for want of a library, is left out.
    """
    chosen = READERS if readers is None else readers
    total = sum(reader.input_share for reader in chosen.values())
    results = []
    for number, (name, reader) in enumerate(chosen.items()):
        room = folder / name
        room.mkdir(parents=True)
        samples = reader.make_samples(room)
        if samples:
            count = max(1, round(inputs * reader.input_share / total))
            rng = np.random.default_rng([seed, number])
            results.append(_fuzz_reader(name, reader, samples, room, count, rng))
    return results


def _fuzz_reader(
    name: str, reader: Reader, samples: list[Sample], room: Path, count: int, rng: np.random.Generator
) -> FuzzResult:
    intact = {sample.path: sample.wrap(sample.content) for sample in samples}
    for file, content in intact.items():
        (room / file).write_bytes(content)
    roots = (room.parent, Path.cwd())
    before = [_snapshot(root) for root in roots]
    tally = {"accepted": 0, "refused": 0, "crashed": 0}
    faults: list[str] = []
    slowest = 0.0
    last = samples[0].path
    for number in range(count):
        sample, other = (samples[int(index)] for index in rng.integers(len(samples), size=2))
        if sample.path != last:
            _overwrite_in_place(room / last, intact[last])
        last = sample.path
        _overwrite_in_place(room / last, sample.wrap(mutate(sample.content, other.content, rng)))
        began = time.perf_counter()
        outcome = read_outcome(reader.read, room / last)
        slowest = max(slowest, time.perf_counter() - began)
        kind = outcome if outcome in tally else "crashed"
        tally[kind] += 1
        faults += [f"input {number}: {outcome}"] if kind == "crashed" else []
    _overwrite_in_place(room / last, intact[last])
    after = [_snapshot(root) for root in roots]
    return FuzzResult(
        reader=name,
        inputs=count,
        **tally,
        slowest_seconds=slowest,
        faults=tuple(faults[:MAX_REPORTED_FAULTS]),
        strays=tuple(stray for pair in zip(before, after, strict=True) for stray in _changed_files(*pair)),
    )


def _overwrite_in_place(path: Path, content: bytes) -> None:
    """Write over a file in its place, which takes a third of the time that emptying it first does."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()


def read_outcome(read: Callable[[Path], object], path: Path) -> str:
    """`accepted`, `refused`, or what went wrong."""
    with warnings.catch_warnings(record=True) as heard, _time_limit(READ_TIMEOUT_SECONDS):
        warnings.simplefilter("always")
        try:
            read(path)
            outcome = "accepted"
        except InputError as error:
            outcome = "refused" if str(error).isprintable() and str(error) else f"no single line: {error!r}"
        except (Exception, ReadTimeout) as error:
            outcome = f"{type(error).__name__}: {error}"
    return f"{heard[0].category.__name__}: {heard[0].message}" if heard else outcome


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise `Hang` after so long; without effect outside the main thread and inside a single call of C code."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_: object) -> None:
        raise ReadTimeout(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _snapshot(root: Path) -> dict[str, bytes | None]:
    """Every file below the work folder with its content; of the current folder only the names in it."""
    if root == Path.cwd():
        return {str(path): None for path in root.iterdir()}
    return {str(path): path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def _changed_files(before: dict[str, bytes | None], after: dict[str, bytes | None]) -> list[str]:
    gone_or_new = before.keys() ^ after.keys()
    return sorted(gone_or_new | {path for path in before.keys() & after.keys() if before[path] != after[path]})

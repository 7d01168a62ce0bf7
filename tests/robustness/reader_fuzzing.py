"""Damaged files for every reader: each must be accepted or rejected with one line, and nothing else may happen.

A reader may return or raise `InputError`. Any other exception, a warning, a hang, and a file created, changed or
removed are faults. Hypothesis shrinks the input of a fault. A crash or hang inside C code ends the process and leaves
the input in `FOLDER/READER`.
"""

import collections
import dataclasses
import faulthandler
import math
import multiprocessing
import time
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import hypothesis
import numpy as np
from hypothesis import HealthCheck, Phase

from aejax.api.pretraining import load_trained
from aejax.cli.arguments import starting_config
from aejax.config import CompareConfig, DataConfig, from_dict, to_dict
from aejax.config.sweep_axes import parse_axes
from aejax.data.array_files import load_arrays
from aejax.data.image_folder import load_image_folder
from aejax.data.registry import load_dataset
from aejax.data.tables import load_table
from aejax.errors import InputError
from aejax.experiments.environment import usable_cores
from aejax.experiments.own_rows import load_own_rows
from aejax.experiments.study_file import read_study
from aejax.replication.ledger import read_entries
from aejax.report.replication import render_ledger_page
from aejax.report.run_page import read_run, write_runs_page
from aejax.storage.atomic_io import read_json
from aejax.storage.manifest import MANIFEST, write_manifest
from aejax.storage.pretrained_encoder import load_encoder
from aejax.storage.pytree_io import load_tree
from aejax.storage.run_identity import RunIdentity
from aejax.storage.runs import load_finished_results
from aejax.storage.saved_scores import SCORES_FILE, read_scores
from tests.robustness import reader_samples
from tests.robustness.reader_samples import Sample
from tests.robustness.strategies import DamagedFile, damaged_files

READ_TIMEOUT = timedelta(seconds=20)
PROCESS_TIMEOUT_SECONDS = 60  # after which a hang in C code ends the process
SETTINGS = hypothesis.settings(
    deadline=READ_TIMEOUT,
    database=None,
    report_multiple_bugs=False,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


class Reader(NamedTuple):
    """One kind of input."""

    make_samples: Callable[[Path], list[Sample]]  # valid inputs; may write further files into the folder
    read: Callable[[Path], object]  # of the path of the damaged file
    input_share: float = 1.0  # of all inputs, relative to the other readers: less for slow ones


def read_axis(path: Path) -> object:
    """Parses the file's text as the flag `--axis`, without what a command line cannot contain."""
    return parse_axes([path.read_bytes().replace(b"\0", b"").decode(errors="surrogateescape")])


def read_run_folder(path: Path) -> object:
    """Loads the run that a damaged file belongs to, as the same command would."""
    folder = path.parent
    from_dict(CompareConfig, read_json(folder / "config.json"), str(folder / "config.json"))
    return load_finished_results(folder, RunIdentity(to_dict(CompareConfig())), overwrite=False)


def read_with_matching_checksums(name: str, read: Callable[[Path], object]) -> Callable[[Path], object]:
    """Returns a reader of the folder `name` that a damaged file belongs to, with a manifest that matches the damage."""

    def read_folder(path: Path) -> object:
        folder = next(parent for parent in path.parents if parent.name == name)
        manifest = (folder / MANIFEST).read_bytes()
        write_manifest(folder)
        try:
            return read(folder)
        finally:
            (folder / MANIFEST).write_bytes(manifest)

    return read_folder


def read_features(path: Path) -> object:
    """Loads a file as `--features` does."""
    return load_own_rows(CompareConfig(features=(f"f={path}",)))


def read_stream(path: Path) -> object:
    """Opens the stream that a damaged file belongs to, and reads every example."""
    stream = load_dataset(DataConfig(dataset=str(path.parent), stream=True, stream_sample=8)).stream
    assert stream is not None
    return stream.source.read(stream.source_rows(np.arange(stream.n_train)))


def read_settings(path: Path) -> object:
    """Reads the settings that `--config` takes."""
    return starting_config(CompareConfig(), ["--config", str(path)])


def read_page(path: Path) -> object:
    """Describes the run that a damaged file belongs to, as `report --out FILE.html` does."""
    run = path.parent
    return write_runs_page({run: read_run(run)}, run.parents[1] / "page.html")


def read_ledger(path: Path) -> object:
    """Reads a ledger, and describes its claims."""
    return render_ledger_page({"claims": list(read_entries(path.parent).values())})


READERS: dict[str, Reader] = {
    "npz": Reader(reader_samples.npz_samples, lambda path: load_arrays(path, DataConfig())),
    "csv": Reader(reader_samples.csv_samples, lambda path: load_table(path, DataConfig())),
    "parquet": Reader(reader_samples.parquet_samples, lambda path: load_table(path, DataConfig())),
    "idx": Reader(reader_samples.idx_samples, lambda path: load_arrays(path.parent, DataConfig())),
    "npy": Reader(reader_samples.npy_samples, lambda path: load_arrays(path.parent, DataConfig())),
    "images": Reader(reader_samples.image_samples, lambda path: load_image_folder(path.parents[1]), input_share=0.5),
    "arrow": Reader(reader_samples.arrow_samples, lambda path: load_table(path, DataConfig())),
    "features": Reader(reader_samples.features_samples, read_features),
    "stream": Reader(reader_samples.stream_samples, read_stream, input_share=0.5),
    "axis": Reader(reader_samples.axis_samples, read_axis),
    "run folder": Reader(reader_samples.run_samples, read_run_folder, input_share=0.5),
    "settings": Reader(reader_samples.config_samples, read_settings, input_share=0.5),
    "study": Reader(reader_samples.study_samples, read_study, input_share=0.5),
    "ledger": Reader(reader_samples.ledger_samples, read_ledger, input_share=0.5),
    "page": Reader(reader_samples.page_samples, read_page, input_share=0.2),
    "scores": Reader(reader_samples.fixture_samples("compare", SCORES_FILE), lambda path: read_scores(path.parent)),
    "pretraining": Reader(
        reader_samples.fixture_samples("pretrain", "config.json", "results.json", "metrics.jsonl"),
        lambda path: load_trained(path.parent),
        input_share=0.05,
    ),
    "checkpoint": Reader(
        reader_samples.checkpoint_samples, read_with_matching_checksums("checkpoint", load_tree), input_share=0.02
    ),
    "encoder": Reader(
        reader_samples.fixture_samples("encoder"), read_with_matching_checksums("encoder", load_encoder), 0.05
    ),
    "sparse coder": Reader(reader_samples.sparse_coder_samples, lambda path: load_encoder(path.parent), 0.2),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FuzzResult:
    """The outcome for one reader."""

    reader: str
    inputs: int
    accepted: int
    refused: int  # with one line
    crashed: int  # 1 if there was any other outcome
    slowest_seconds: float  # of one input
    faults: tuple[str, ...] = ()  # the outcome with its shrunk input
    strays: tuple[str, ...] = ()  # files that were created, changed or removed


def check_read(read: Callable[[Path], object], path: Path) -> str:
    """Returns `accepted` or `refused`; fails on a warning or an error of several lines, and passes other errors on."""
    message = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            read(path)
        except InputError as error:
            message = str(error)
    assert not caught, f"{caught[0].category.__name__}: {caught[0].message}"
    assert message is None or (message and message.isprintable()), f"not one line: {message!r}"
    return "accepted" if message is None else "refused"


def fuzz_reader(name: str, reader: Reader, folder: Path, max_examples: int, seed: int) -> FuzzResult:
    """Reads `max_examples` damaged inputs, the same for the same seed.

    The folder is created, and left with the valid inputs.
    """
    folder.mkdir(parents=True)
    samples = reader.make_samples(folder)
    originals = {sample.path: sample.wrap(sample.content) for sample in samples}
    for path, content in originals.items():
        (folder / path).write_bytes(content)
    before, counts, seconds, faults = _list_files(folder), collections.Counter[str](), [0.0], list[str]()

    @hypothesis.seed(seed)
    @hypothesis.settings(SETTINGS, max_examples=max_examples)
    @hypothesis.given(damaged_files(samples))
    def check(damaged: DamagedFile) -> None:
        path, began = folder / damaged.path, time.perf_counter()
        path.write_bytes(damaged.content)
        faulthandler.dump_traceback_later(PROCESS_TIMEOUT_SECONDS, exit=True)
        try:
            counts["inputs"] += 1
            counts[check_read(reader.read, path)] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()
            path.write_bytes(originals[damaged.path])
        seconds.append(time.perf_counter() - began)

    try:
        check()
    except Exception as error:  # any error of a reader is a fault; its notes have the shrunk input
        faults = [" ".join(f"{type(error).__name__}: {error} {' '.join(getattr(error, '__notes__', ()))}".split())]
    return FuzzResult(
        reader=name,
        inputs=counts["inputs"],
        accepted=counts["accepted"],
        refused=counts["refused"],
        crashed=len(faults),
        slowest_seconds=max(seconds),
        faults=tuple(faults),
        strays=tuple(sorted(str(path) for path, _ in before ^ _list_files(folder))),
    )


def _list_files(folder: Path) -> set[tuple[Path, bytes | None]]:
    """Returns every file in a folder with its content, and the names in the current folder."""
    inside = {(path, path.read_bytes() if path.is_file() else None) for path in folder.rglob("*")}
    return inside | {(path, None) for path in Path.cwd().iterdir() if path.name != ".hypothesis"}


def fuzz_readers(inputs: int, seed: int, folder: Path, names: Iterable[str] = tuple(READERS)) -> list[FuzzResult]:
    """Divides at least so many damaged inputs over the readers by their shares; one reader per core at once."""
    readers = {name: READERS[name] for name in names}
    total = sum(reader.input_share for reader in readers.values())
    counts = [math.ceil(inputs * reader.input_share / total) for reader in readers.values()]
    with ProcessPoolExecutor(usable_cores(), multiprocessing.get_context("forkserver")) as processes:
        started = [
            processes.submit(_fuzz_named, name, folder / name, count, seed)
            for name, count in zip(readers, counts, strict=True)
        ]
        return [one.result() for one in started]


def _fuzz_named(name: str, folder: Path, max_examples: int, seed: int) -> FuzzResult:
    return fuzz_reader(name, READERS[name], folder, max_examples, seed)

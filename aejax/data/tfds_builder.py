"""Finds, prepares and reads tensorflow-datasets (TFDS) sets, without console output and mostly without TensorFlow.

TFDS needs TensorFlow to prepare some sets and to read its tfrecord format. Sets prepared as array_record, which
`download_and_prepare` requests, are read without it.
"""

import contextlib
import fnmatch
import io
import itertools
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from aejax.errors import InputError, require, suggest_names, summarize_error

TFDS_NAME = re.compile(r"(?P<set>\w+(/[\w.\-]+)?)(:(?P<version>[\d.*]+))?", re.ASCII)
VERSION_DIR = re.compile(r"\d+\.\d+\.\d+")
RANDOM_ACCESS_FORMATS = {"array_record", "parquet"}
RECORDS_PER_BLOCK = 4096  # records read at a time
DELETE_HINT = "delete that folder to prepare it again"
PREPARE_ELSEWHERE_HINT = (
    "or prepare it elsewhere with tfds.builder(...).download_and_prepare(file_format='array_record') and point "
    "--data-dir there"
)

Preparers = Mapping[str, Callable[[Path], object]]


def tfds_data_dir(data_dir: Path | None) -> Path:
    """Returns `data_dir`, or by default TFDS's own data folder."""
    default = os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")
    root = Path(default).expanduser() if data_dir is None else data_dir
    require(not root.is_file(), f"--data-dir {root}: is a file; expected a folder")
    return root


@contextlib.contextmanager
def silence_tfds() -> Iterator[None]:
    """Suppresses notices and log lines of TFDS, and its progress bars if standard error is not a terminal."""
    levels = {logger: logger.level for logger in map(logging.getLogger, ("absl", "urllib3"))}
    for logger in levels:
        logger.setLevel(logging.ERROR)
    tfds.display_progress_bar(sys.stderr.isatty())
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
        tfds.enable_progress_bar()  # the default; TFDS does not report the current setting


def find_prepared_builder(name: str, root: Path, preparers: Preparers | None = None) -> Any | None:
    """Returns the builder of a set that is prepared in `root`, or None; the newest version unless `name` gives one.

    Args:
        name: NAME, NAME/CONFIG, NAME:VERSION or NAME/CONFIG:VERSION.
        root: TFDS's root folder.
        preparers: functions that prepare some sets into `root`, called if the set is not there.

    Raises:
        InputError: `name` is malformed, or the set is damaged.
    """
    require(
        TFDS_NAME.fullmatch(name),
        f"--dataset tfds:{name}: not a name; expected tfds:NAME, tfds:NAME/CONFIG or tfds:NAME:VERSION",
    )
    folder = _find_version_dir(name, root)
    if folder is None and preparers and name in preparers:
        preparers[name](root)
        folder = _find_version_dir(name, root)
    if folder is None:
        return None
    try:
        with silence_tfds():
            return tfds.builder_from_directory(folder)
    except Exception as error:  # the type depends on what is damaged
        raise _damaged(folder, error) from error


def _damaged(path: str | os.PathLike[str], error: Exception) -> InputError:
    return InputError(f"{os.fspath(path)}: damaged ({summarize_error(error)}); {DELETE_HINT}")


def _find_version_dir(name: str, root: Path) -> Path | None:
    """Returns the newest folder ROOT/NAME[/CONFIG]/VERSION with a prepared set that matches `name`."""
    match = TFDS_NAME.fullmatch(name)
    assert match is not None
    folder, version = root / match["set"], match["version"] or "*"
    metadata = folder / ".config" / "metadata.json"
    if metadata.is_file():
        try:
            folder /= json.loads(metadata.read_bytes())["default_config_name"]
        except (ValueError, LookupError, TypeError) as error:
            raise _damaged(metadata, error) from error
    versions = [
        path
        for path in folder.glob("*")
        if VERSION_DIR.fullmatch(path.name)
        and fnmatch.fnmatchcase(path.name, version)
        and (path / "features.json").is_file()
    ]
    return max(versions, key=lambda path: [int(part) for part in path.name.split(".")], default=None)


def download_and_prepare(name: str, root: Path) -> Any:
    """Lets TFDS download a set and prepare it in `root` as array_record, and returns its builder.

    Raises:
        InputError: TFDS does not know the set, or cannot prepare it, for example without TensorFlow or network.
    """
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    try:
        with silence_tfds():
            builder = tfds.builder(name, data_dir=root)
            _hide_gpus_from_tensorflow()
            builder.download_and_prepare(file_format="array_record", download_config=config)
    except tfds.core.DatasetNotFoundError as error:
        known = [*tfds.list_builders(with_community_datasets=False), *(path.name for path in root.glob("*/"))]
        similar = suggest_names(re.split("[/:]", name)[0], known, otherwise="")
        hint = f"{similar}?" if similar else "see https://www.tensorflow.org/datasets/catalog"
        raise InputError(f"--dataset tfds:{name}: neither prepared in {root} nor known to TFDS; {hint}") from error
    except Exception as error:  # every set has its own code, which may raise anything
        package = _missing_package(error)
        fix = f"pip install {package}" if package else "resolve that"
        raise InputError(
            f"--dataset tfds:{name}: cannot be prepared in {root} ({summarize_error(error)}); {fix}, "
            f"{PREPARE_ELSEWHERE_HINT}"
        ) from error
    return builder


def _missing_package(error: BaseException) -> str | None:
    """Returns the package whose failed import caused an error, if there is one."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ImportError) and cause.name:
            return cause.name.partition(".")[0]
        cause = cause.__cause__ or cause.__context__
    return None


def _hide_gpus_from_tensorflow() -> None:
    """Prevents TensorFlow, if it is installed, from allocating the memory of accelerators."""
    try:
        import tensorflow
    except ImportError:
        return
    with contextlib.suppress(RuntimeError):  # TensorFlow is in use already, with its user's settings
        tensorflow.config.set_visible_devices([], "GPU")


class RecordReader:
    """Random access to the records of one split of a set that is prepared as array_record."""

    def __init__(self, builder: Any, split: str) -> None:
        self._builder = builder
        with silence_tfds():
            raw = tfds.decode.DeserializeMethod.RAW_BYTES
            self._records = builder.as_data_source(split=split, deserialize_method=raw)

    def __len__(self) -> int:
        return len(self._records)

    def read(self, rows: Sequence[int], names: Sequence[str], encoded: Sequence[str] = ()) -> list[dict[str, Any]]:
        """Returns the features `names` of some records; those in `encoded` as they are stored, such as images.

        Raises:
            InputError: the files are damaged.
        """
        features = self._builder.info.features
        selected = tfds.features.FeaturesDict({name: features[name] for name in names})
        decoders = {name: tfds.decode.SkipDecoding() for name in encoded}
        try:
            records = self._records.__getitems__(rows)
            if not all(len(record) for record in records):
                raise ValueError("empty records")
            return [selected.deserialize_example_np(record, decoders=decoders) for record in records]
        except Exception as error:  # protobuf, riegeli and Arrow raise many types
            raise _damaged(self._builder.data_dir, error) from error


def file_formats(builder: Any) -> set[str]:
    """Returns the names of the file formats that a set is prepared in."""
    return {file_format.value for file_format in builder.info.available_file_formats()}


def read_blocks(
    builder: Any, split: str, names: Sequence[str], encoded: Sequence[str] = ()
) -> Iterator[list[dict[str, Any]]]:
    """Yields the records of a split in their order on disk, in blocks of `RECORDS_PER_BLOCK`.

    Args:
        builder: the builder of a prepared set.
        split: the split's name.
        names: the features to read.
        encoded: those of them to return as they are stored, such as images.

    Raises:
        InputError: files are damaged, or in a format that needs TensorFlow, which is not installed.
    """
    formats = file_formats(builder)
    try:
        if formats & RANDOM_ACCESS_FORMATS:
            reader = RecordReader(builder, split)
            for start in range(0, len(reader), RECORDS_PER_BLOCK):
                rows = range(start, min(start + RECORDS_PER_BLOCK, len(reader)))
                yield reader.read(rows, names, encoded)
        else:
            yield from _read_with_tensorflow(builder, split, names, encoded)
    except InputError:
        raise
    except Exception as error:  # the type depends on the file format
        package = _missing_package(error)
        require(
            package is None,
            f"{builder.data_dir}: prepared as {' and '.join(sorted(formats))}, which only {package} reads; "
            f"pip install {package}, {PREPARE_ELSEWHERE_HINT}",
        )
        raise _damaged(builder.data_dir, error) from error


def _read_with_tensorflow(
    builder: Any, split: str, names: Sequence[str], encoded: Sequence[str]
) -> Iterator[list[dict[str, Any]]]:
    import tensorflow  # noqa: F401  TFDS reports a missing TensorFlow by a long banner

    _hide_gpus_from_tensorflow()
    decoders = {name: tfds.decode.SkipDecoding() for name in encoded}
    selected = tfds.decode.PartialDecoding(list(names), decoders=decoders)
    records = iter(tfds.as_numpy(builder.as_dataset(split=split, decoders=selected)))
    while block := list(itertools.islice(records, RECORDS_PER_BLOCK)):
        yield block

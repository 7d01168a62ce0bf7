"""Opens, prepares and reads tensorflow-datasets (TFDS) sets, without console output and mostly without TensorFlow.

TFDS needs TensorFlow to prepare some sets and to read its tfrecord format. Sets prepared as array_record, which
`open_builder` requests, are read without it.
"""

import contextlib
import importlib.util
import io
import itertools
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, SupportsInt

import tensorflow_datasets as tfds

from aejax.data.packages import silence_loggers
from aejax.errors import InputError, require, suggest_names, summarize_error

TFDS_NAME = re.compile(r"(?P<set>\w+)(/[\w.\-]+)?(:[\d.*]+)?", re.ASCII)
RANDOM_ACCESS_FORMATS = {"array_record", "parquet"}
RECORDS_PER_BLOCK = 4096  # records read at a time
PREPARE_ELSEWHERE_HINT = (
    "or prepare it elsewhere with tfds.builder(...).download_and_prepare(file_format='array_record') and point "
    "--data-dir there"
)


@contextlib.contextmanager
def silence_tfds() -> Iterator[None]:
    """Suppresses notices and log lines of TFDS, and its progress bars if standard error is not a terminal."""
    tfds.display_progress_bar(sys.stderr.isatty())
    try:
        with contextlib.redirect_stdout(io.StringIO()), silence_loggers("absl", "urllib3"):
            yield
    finally:
        tfds.enable_progress_bar()  # the default; TFDS does not report the current setting


def open_builder(name: str, root: Path, prepare: bool = True) -> Any:
    """Returns the builder of a set that is prepared in `root`, the newest version unless `name` gives one.

    Args:
        name: NAME, NAME/CONFIG, NAME:VERSION or NAME/CONFIG:VERSION.
        root: TFDS's root folder.
        prepare: whether TFDS may download a set and prepare it there.

    Raises:
        InputError: `name` is malformed or unknown to TFDS, the set is damaged, or it cannot be prepared, for example
            without TensorFlow or network.
    """
    match = TFDS_NAME.fullmatch(name)
    require(match, f"--dataset tfds:{name}: not a name; expected tfds:NAME, tfds:NAME/CONFIG or tfds:NAME:VERSION")
    assert match is not None
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    try:
        with silence_tfds():
            # With a version TFDS looks for prepared files before it looks for code.
            builder = tfds.builder(name if ":" in name else f"{name}:*.*.*", data_dir=root)
            if prepare and not builder.is_prepared():
                _hide_gpus_from_tensorflow()
                builder.download_and_prepare(file_format="array_record", download_config=config)
    except tfds.core.DatasetNotFoundError as error:
        known = [*tfds.list_builders(with_community_datasets=False), *(path.name for path in root.glob("*/"))]
        similar = suggest_names(match["set"], set(known) - {match["set"]}, otherwise="")
        hint = f"{similar}?" if similar else "see https://www.tensorflow.org/datasets/catalog"
        raise InputError(f"--dataset tfds:{name}: neither prepared in {root} nor known to TFDS; {hint}") from error
    except Exception as error:  # every set has its own code, and damage of each file its own type
        folder = root / match["set"]
        fix = f"delete {folder} if it is damaged" if folder.exists() else "resolve that"
        raise InputError(
            f"--dataset tfds:{name}: cannot be prepared or read in {root} ({summarize_error(error)}); {fix}, "
            f"{PREPARE_ELSEWHERE_HINT}"
        ) from error
    require(
        builder.is_prepared(), f"--dataset tfds:{name}: not prepared in {root}; prepare it, {PREPARE_ELSEWHERE_HINT}"
    )
    return builder


def _hide_gpus_from_tensorflow() -> None:
    """Prevents TensorFlow, if it is installed, from allocating the memory of accelerators."""
    with contextlib.suppress(ImportError, RuntimeError):  # RuntimeError: it is in use, with its user's settings
        import tensorflow

        tensorflow.config.set_visible_devices([], "GPU")


def file_formats(builder: Any) -> set[str]:
    """Returns the names of the file formats that a set is prepared in."""
    return {file_format.value for file_format in builder.info.available_file_formats()}


class RecordReader:
    """Random access to the records of one split of a set that is prepared as array_record."""

    def __init__(self, builder: Any, split: str) -> None:
        self._builder = builder
        with silence_tfds():
            raw = tfds.decode.DeserializeMethod.RAW_BYTES
            self._records = builder.as_data_source(split=split, deserialize_method=raw)

    def __len__(self) -> int:
        return len(self._records)

    def read(self, rows: Iterable[SupportsInt], names: Sequence[str]) -> list[dict[Any, Any]]:
        """Returns the features `names` of some records; images are still encoded.

        Raises:
            InputError: the files are damaged.
        """
        features = self._builder.info.features
        selected = tfds.features.FeaturesDict({name: features[name] for name in names})
        decoders = _skip_images(features, names)
        try:
            records = self._records.__getitems__([int(row) for row in rows])
            if not all(len(record) for record in records):
                raise ValueError("empty records")
            return [selected.deserialize_example_np(record, decoders=decoders) for record in records]
        except Exception as error:  # protobuf, riegeli and Arrow raise many types
            raise _damaged(self._builder, error) from error


def _skip_images(features: Any, names: Sequence[str]) -> dict[str, Any]:
    """Returns decoders that leave images as they are stored."""
    images = [name for name in names if isinstance(features[name], tfds.features.Image)]
    return {name: tfds.decode.SkipDecoding() for name in images}


def read_blocks(builder: Any, split: str, names: Sequence[str]) -> Iterator[list[dict[Any, Any]]]:
    """Yields the records of a split in their order on disk, in blocks, as `RecordReader.read` returns them.

    Raises:
        InputError: files are damaged, or in a format that needs TensorFlow, which is not installed.
    """
    try:
        formats = file_formats(builder)
        if formats & RANDOM_ACCESS_FORMATS:
            reader = RecordReader(builder, split)
            for start in range(0, len(reader), RECORDS_PER_BLOCK):
                yield reader.read(range(start, min(start + RECORDS_PER_BLOCK, len(reader))), names)
            return
        require(
            importlib.util.find_spec("tensorflow"),
            f"{builder.data_dir}: prepared as {' and '.join(sorted(formats))}, which only tensorflow reads; pip "
            f"install tensorflow, {PREPARE_ELSEWHERE_HINT}",
        )
        _hide_gpus_from_tensorflow()
        selected = tfds.decode.PartialDecoding(list(names), decoders=_skip_images(builder.info.features, names))
        records = iter(tfds.as_numpy(builder.as_dataset(split=split, decoders=selected)))
        while block := list(itertools.islice(records, RECORDS_PER_BLOCK)):
            yield block
    except InputError:
        raise
    except Exception as error:  # the type depends on the file format
        raise _damaged(builder, error) from error


def _damaged(builder: Any, error: Exception) -> InputError:
    return InputError(f"{builder.data_dir}: damaged ({summarize_error(error)}); delete that folder to prepare it again")

"""tensorflow-datasets (TFDS) at arm's length: its sets found, prepared and read, without noise and TensorFlow.

TFDS needs TensorFlow for some sets, to prepare them, and for files in its tfrecord format, to read them. Sets that are
prepared as array_record, which is what `prepare` asks for, are read without it.
"""

import contextlib
import difflib
import io
import itertools
import logging
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from aejax.errors import InputError, require

TFDS_NAME = re.compile(
    r"\w+(/[\w.\-]+)?(:[\d.*]+)?", re.ASCII
)  # NAME, NAME/CONFIG, NAME:VERSION or NAME/CONFIG:VERSION
DOWNLOAD_RETRIES = 3  # TFDS asks ten times with growing pauses: three silent minutes where there is no network
RECORDS_PER_BLOCK = 4096  # records read at a time
DELETE_HINT = "delete that folder to prepare it again"
PREPARE_ELSEWHERE_HINT = (
    "or prepare it elsewhere with tfds.builder(...).download_and_prepare(file_format='array_record') and point "
    "--data-dir there"
)


def import_tfds(flag: str, alternative: str = "") -> Any:
    """The library.

    Args:
        asked: the flag that wants it.
        otherwise: what else would do, for the end of the message.

    Raises:
        InputError: it is not installed.
    """
    try:
        import tensorflow_datasets
    except ImportError as error:
        raise InputError(f"{flag}: {error}; pip install tensorflow-datasets{alternative}") from error
    return tensorflow_datasets


def tfds_data_dir(tfds: Any, data_dir: Path | None) -> Path:
    """`data_dir`, or where TFDS keeps its sets by itself."""
    root = Path(tfds.core.constants.DATA_DIR).expanduser() if data_dir is None else data_dir
    require(not root.is_file(), f"--data-dir {root}: is a file; expected a folder")
    return root


def summarize_error(error: BaseException) -> str:
    """Another library's message on one line and not too long."""
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextlib.contextmanager
def silence_tfds() -> Iterator[None]:
    """No notices or log lines from TFDS, and progress bars on terminals only; all settings are as before afterwards."""
    from tensorflow_datasets.core.utils import tqdm_utils

    levels = {logger: logger.level for logger in map(logging.getLogger, ("absl", "urllib3"))}
    bars = tqdm_utils._active
    for logger in levels:
        logger.setLevel(logging.ERROR)
    tqdm_utils.display_progress_bar(sys.stderr.isatty())
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)
        tqdm_utils.display_progress_bar(bars)


@contextlib.contextmanager
def limit_download_retries() -> Iterator[None]:
    """`DOWNLOAD_RETRIES` in place of TFDS's own number, which no option sets."""
    from tensorflow_datasets.core.download import downloader

    before = downloader.MAX_RETRIES
    downloader.MAX_RETRIES = DOWNLOAD_RETRIES
    try:
        yield
    finally:
        downloader.MAX_RETRIES = before


def find_prepared_builder(tfds: Any, name: str, root: Path) -> Any | None:
    """The builder of a set that lies prepared in `root`, the newest version unless `name` says which; else None.

    Raises:
        InputError: it is there and damaged.
    """
    files = tfds.core.read_only_builder
    try:
        with silence_tfds():
            return files.builder_from_files(name, data_dir=root)
    except tfds.core.registered.DatasetNotFoundError:
        return None
    except Exception as error:  # what a damaged description raises depends on where the damage is
        raise InputError(
            f"{root / name.partition(':')[0]}: damaged ({summarize_error(error)}); {DELETE_HINT}"
        ) from error


def download_and_prepare(tfds: Any, name: str, root: Path) -> Any:
    """The builder of a set that TFDS has now downloaded and prepared in `root`, as array_record.

    Raises:
        InputError: TFDS does not know the set, or cannot prepare it: without TensorFlow, without a network, ...
    """
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    try:
        with silence_tfds(), limit_download_retries():
            builder = tfds.builder(name, data_dir=root)
            _hide_gpus_from_tensorflow()
            builder.download_and_prepare(file_format="array_record", download_config=config)
    except tfds.core.registered.DatasetNotFoundError as error:
        known = [*tfds.list_builders(with_community_datasets=False), *(path.name for path in root.glob("*/"))]
        near = difflib.get_close_matches(re.split("[/:]", name)[0], known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "see https://www.tensorflow.org/datasets/catalog"
        raise InputError(f"--dataset tfds:{name}: neither prepared in {root} nor known to TFDS; {hint}") from error
    except Exception as error:  # each set is code of its own, and may raise anything
        package = _missing_package(error)
        mend = f"pip install {package}" if package else "see to that"
        raise InputError(
            f"--dataset tfds:{name}: cannot be prepared in {root} ({summarize_error(error)}); {mend}, {PREPARE_ELSEWHERE_HINT}"
        ) from error
    return builder


def _missing_package(error: BaseException) -> str | None:
    """What could not be imported, where that is behind an error."""
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, ImportError) and behind.name:
            return behind.name.partition(".")[0]
        behind = behind.__cause__ or behind.__context__
    return None


def _hide_gpus_from_tensorflow() -> None:
    """TensorFlow, where it is installed, would take the memory that JAX is to have."""
    try:
        import tensorflow
    except ImportError:
        return
    with contextlib.suppress(RuntimeError):  # it has been at work in this process already, as its user decided
        tensorflow.config.set_visible_devices([], "GPU")


def read_blocks(
    tfds: Any, builder: Any, split: str, names: Sequence[str], encoded: Sequence[str]
) -> Iterator[list[dict[str, Any]]]:
    """The records of a split in their order on disk, some thousand at a time.

    Args:
        tfds: the library.
        builder: of a prepared set.
        split: its name.
        names: the features to read; the others are not looked at.
        encoded: those of them to leave as they are stored, such as images.

    Raises:
        InputError: files are damaged, or in a format that only TensorFlow reads where it is not installed.
    """
    formats = {file_format.value for file_format in builder.info.available_file_formats()}
    decoders = {name: tfds.decode.SkipDecoding() for name in encoded}
    try:
        if formats & {"array_record", "parquet"}:
            yield from _read_random_access(tfds, builder, split, names, decoders)
        else:
            yield from _read_with_tensorflow(tfds, builder, split, names, decoders)
    except InputError:
        raise
    except Exception as error:  # Beam, protobuf, Arrow, ...: each format fails in its own way
        package = _missing_package(error)
        require(
            package is None,
            f"{builder.data_dir}: prepared as {' and '.join(sorted(formats))}, which only {package} reads; "
            f"pip install {package}, {PREPARE_ELSEWHERE_HINT}",
        )
        raise InputError(f"{builder.data_dir}: damaged ({summarize_error(error)}); {DELETE_HINT}") from error


def _read_random_access(
    tfds: Any, builder: Any, split: str, names: Sequence[str], decoders: dict[str, Any]
) -> Iterator[list[dict[str, Any]]]:
    wanted = tfds.features.FeaturesDict({name: builder.info.features[name] for name in names})
    source = builder.as_data_source(split=split, deserialize_method=tfds.decode.DeserializeMethod.RAW_BYTES)
    for start in range(0, len(source), RECORDS_PER_BLOCK):
        block = source.__getitems__(range(start, min(start + RECORDS_PER_BLOCK, len(source))))
        require(all(len(record) for record in block), f"{builder.data_dir}: holds empty records; {DELETE_HINT}")
        yield [wanted.deserialize_example_np(record, decoders=decoders) for record in block]


def _read_with_tensorflow(
    tfds: Any, builder: Any, split: str, names: Sequence[str], decoders: dict[str, Any]
) -> Iterator[list[dict[str, Any]]]:
    import tensorflow  # noqa: F401  TFDS's own way to say that it is missing is a banner

    _hide_gpus_from_tensorflow()
    wanted = tfds.decode.PartialDecoding(list(names), decoders=decoders)
    records = iter(tfds.as_numpy(builder.as_dataset(split=split, decoders=wanted)))
    while block := list(itertools.islice(records, RECORDS_PER_BLOCK)):
        yield block

"""Opens and splits text files of any encoding, plain or gzipped."""

import codecs
import csv
import gzip
import io
import itertools
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from aejax.config.data import WHITESPACE
from aejax.data.memory import require_host_memory
from aejax.errors import InputError, require, summarize_error

BLOCK_BYTES = 1 << 20
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def scan_text(path: Path) -> tuple[str, int]:
    """Returns a file's encoding and its number of lines, after one pass in constant memory."""
    decoder, counts, size, encoding = codecs.getincrementaldecoder("utf-8")(), Counter[bytes](), 0, ""
    with _open_bytes(path) as file:
        start = file.read(4)
        encoding = next((name for bom, name in BOMS.items() if start.startswith(bom)), "utf-8")
        for block in itertools.chain([start], iter(lambda: file.read(BLOCK_BYTES), b"")):
            size += len(block)
            counts.update({end: block.count(end) for end in (b"\n", b"\r")})
            require(
                encoding == "utf-16" or b"\0" not in block,
                f"{path}: holds NUL bytes, so it is no table of text; save it as CSV in UTF-8",
            )
            if encoding == "utf-8":
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    encoding = "latin-1"
    require_host_memory(size, f"{path}: its text")  # the file may be a single line
    return encoding, max(counts.values()) + 1


@contextmanager
def _open_bytes(path: Path) -> Iterator[IO[bytes]]:
    try:
        with gzip.open(path) if path.suffix.lower() == ".gz" else path.open("rb") as file:
            yield file  # type: ignore[misc]
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path}: not an intact .gz file ({summarize_error(error, 120)}); fetch it again") from error


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[IO[str]]:
    """Opens a text file, whose line ends are kept.

    Raises:
        InputError: the file is damaged.
    """
    try:
        with _open_bytes(path) as file:
            yield io.TextIOWrapper(file, encoding, newline="")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not intact {encoding} text; save it as UTF-8") from error


def split_lines(lines: Iterable[str], separator: str) -> Any:
    """Returns a `csv.reader`."""
    csv.field_size_limit(2**31 - 1)  # one setting for the process, whose default is 131,072 characters
    if separator == WHITESPACE:
        return csv.reader((" ".join(line.split()) for line in lines), delimiter=" ")
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def is_row(cells: list[str]) -> bool:
    """Returns whether a line's cells are more than a blank line."""
    return len(cells) > 1 or bool("".join(cells).strip())

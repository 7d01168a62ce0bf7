"""Finds the files of a table: one file, a folder of parts, or folders of training and test parts."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from aejax.data.array_names import SPLIT_NAMES
from aejax.data.links import require_within
from aejax.errors import list_names, require

TEXT_SUFFIXES = (".csv", ".tsv", ".data", ".txt")
ARROW_SUFFIXES = (".parquet", ".feather", ".arrow")
TABLE_SUFFIXES = (*TEXT_SUFFIXES, *(f"{suffix}.gz" for suffix in TEXT_SUFFIXES), *ARROW_SUFFIXES)
OTHER_SUFFIXES = (".json", ".jsonl", ".md", ".txt", ".crc", "")  # of descriptions in a folder of parts
SPLITS = {**{word: split for split, words in SPLIT_NAMES.items() for word in words}, "dev": "validation"}
PART_ORDER = ("", *SPLIT_NAMES)
PART_NAME = re.compile(r"(part|data)?-?\d+\b.*|.*-\d+-of-\d+.*")
SHARD_COUNT = re.compile(r"-of-(\d+)")


class Part(NamedTuple):
    """One file of a table."""

    path: Path
    split: str  # train or test; of a name also validation, or empty
    partition: Mapping[str, str]  # columns in the names of its folders: `year=2018`


def table_suffix(path: Path) -> str:
    """Returns the suffix by which a table is read, in lower case: `.csv.gz` with two parts, others with one.

    >>> table_suffix(Path("a.b.CSV.gz")), table_suffix(Path("a.b.csv"))
    ('.csv.gz', '.csv')
    """
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])


def is_text(path: Path) -> bool:
    """Returns whether a table's name is one of text."""
    return table_suffix(path).removesuffix(".gz") in TEXT_SUFFIXES


def table_name(path: Path) -> str:
    """Returns the name of a dataset read from this file or folder, without its suffix."""
    suffix = table_suffix(path)
    return path.name[: -len(suffix)] if suffix in TABLE_SUFFIXES else path.name


def find_parts(folder: Path) -> list[Part]:
    """Returns the files of the table in a folder: for training, validation, then test; none if it holds anything else.

    Validation parts join the training parts, or are the test parts where there are no others.

    Folders that Spark and pandas write hold `part-*.parquet`, also below `column=value` folders; those of Hugging Face
    hold `train-00000-of-00002.parquet` or `train/data-00000-of-00002.arrow`, and the same for other splits. `train.csv`
    and `test.csv` are read, too. Names that begin with a dot or `_` are ignored.

    Raises:
        InputError: the folder holds tables, and it is unclear which, or one is absent.
    """
    paths = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(name[0] in "._" for name in relative.parts) or path.is_dir():
            continue
        suffix = table_suffix(path)
        if suffix in (".csv", ".tsv", ".csv.gz", ".tsv.gz", *ARROW_SUFFIXES):
            paths.append(path)
        elif suffix not in OTHER_SUFFIXES:
            return []
        require_within(path, folder)
    parts = [_to_part(path, folder) for path in paths]
    named = {part.split for part in parts} - {""}
    unclear = [
        str(part.path.relative_to(folder))
        for part in parts
        if not part.split and (named or not (part.partition or PART_NAME.fullmatch(part.path.name)))
    ]
    require(
        len(parts) == 1 or not unclear,
        f"{folder}: {list_names(unclear)}: by the name no part of one table (part-*, train-*, test-*); take it out, or "
        "give one file with --dataset and another with --test",
    )
    _require_all_shards(parts, folder)
    parts.sort(key=lambda part: PART_ORDER.index(part.split))  # stable
    test = "test" if "test" in named else "validation"
    return [part._replace(split="test" if part.split == test else "train") for part in parts]


def _to_part(path: Path, folder: Path) -> Part:
    *folders, name = path.relative_to(folder).parts
    words = [re.split(r"[-_.]", word)[0].lower() for word in (*folders, name)]
    split = next((SPLITS[word] for word in reversed(words) if word in SPLITS), "")
    return Part(path, split, dict(word.split("=", 1) for word in folders if "=" in word))


def _require_all_shards(parts: list[Part], folder: Path) -> None:
    for split in {part.split for part in parts}:
        names = [part.path.name for part in parts if part.split == split]
        counts = {int(match[1]) for name in names if (match := SHARD_COUNT.search(name))}
        announced = " or ".join(map(str, sorted(counts)))
        require(
            not counts or counts == {len(names)},
            f"{folder}: {len(names)} {split} files, whose names announce {announced}; fetch the missing ones, or give "
            "the folder of one set",
        )

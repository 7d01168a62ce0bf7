"""Reads tables: finds the label and the other special columns, joins files, and encodes features as numbers."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool

from aejax.config import DataConfig
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.description import DataDescription
from aejax.data.frame_tables import open_arrow_table
from aejax.data.grouping import number_groups
from aejax.data.label_encoding import MAX_LABEL_LENGTH, exact_array, find_marked, parse_label_text
from aejax.data.memory import require_host_memory
from aejax.data.table_columns import Problem, infer_columns, raise_problems
from aejax.data.table_files import TABLE_SUFFIXES, Part, is_text, table_name, table_suffix
from aejax.data.table_roles import LABEL_FLAG, UNNAMED, Roles, TableFile, choose_roles, describe_column
from aejax.data.table_schema import TableSchema
from aejax.data.text_tables import TextTable, open_text_table
from aejax.errors import list_names, require


class _Rows(NamedTuple):
    """The rows of all files."""

    frame: pd.DataFrame
    file_numbers: np.ndarray  # of the file that each row is from
    is_test: np.ndarray
    place_row: Callable[[int], str]


def load_table(path: Path, config: DataConfig, parts: Sequence[Part] = ()) -> Dataset:
    """Loads a table with one example per row: numbers, truth values, text categories and dates.

    The label column is `config.label_column`, or else the first of `LABEL_COLUMNS` (ignoring case; `y` is a coordinate
    if there is an `x` and other columns follow), or else the last. Rows without a label are kept for pretraining. The
    rows of test parts or of the file `config.test` are the official test set.

    Args:
        path: the file or folder.
        config: how columns are read.
        parts: the files in a folder.

    Raises:
        InputError: a file is damaged, or the table cannot be used; one message names up to ten problems.
    """
    files, is_test = _open_files(path, config, parts)
    return dataset_from_tables(files, is_test, config, path)


def dataset_from_tables(
    files: list[TableFile], is_test: Sequence[bool | Bool[np.ndarray, " n"]], config: DataConfig, path: Path
) -> Dataset:
    """Returns the rows of opened tables as one dataset; see `load_table`.

    Args:
        files: with the same columns.
        is_test: which hold the official test set, or for a file which of its rows do.
        config: how columns are read.
        path: of the file or folder; its stem is the dataset's name.

    Raises:
        InputError: the tables cannot be used; one message names up to ten problems.
    """
    _require_columns(files)
    roles = choose_roles(files[0], config)
    rows = _join(files, is_test, roles)
    found = infer_columns(rows.frame[roles.features], config, lambda name: describe_column(name, files[0]))
    groups, group_problems = _number_groups(rows, roles.group)
    labels, labelled, label_problems = _read_labels(rows, roles, config, describe_column(roles.label or "", files[0]))
    fix = "name it, or leave it out with --drop-columns"
    unnamed = [column.name for column in found.columns if UNNAMED.fullmatch(column.name)]
    name_problems = [Problem(f"column {name!r} has no name", fix) for name in unnamed]
    raise_problems(path, [*found.problems, *group_problems, *name_problems, *label_problems], rows.place_row)
    require(found.columns, f"{path}: no feature columns are left besides {roles.label_source}; {LABEL_FLAG}")
    keep, row_notes = _choose_rows(found.frame, config, labelled, rows.is_test, path)
    schema = TableSchema(columns=found.columns, missing=config.missing)
    return make_dataset(
        table_name(path),
        _encode(schema, found.frame if keep.all() else found.frame[keep], path),
        labels[keep] if labelled.any() else None,
        source=str(path),
        test_rows=np.flatnonzero(rows.is_test[keep]) if rows.is_test.any() else None,
        feature_names=schema.feature_names if files[0].has_header else None,
        unlabelled=~labelled[keep],
        table=schema,
        groups=None if groups is None else np.unique(groups[keep], return_inverse=True)[1],
        description=DataDescription(
            label_source=roles.label_source,
            layout=files[0].layout + (f", {len(files)} files" if len(files) > 1 else ""),
            notes=(*roles.notes, *found.notes, *row_notes),
        ),
    )


def _open_files(path: Path, config: DataConfig, parts: Sequence[Part]) -> tuple[list[TableFile], list[bool]]:
    """Returns the files with training files first, and which are for testing."""
    parts = list(parts) or [Part(path, "train", {})]
    if config.test is not None:
        require(all(part.split == "train" for part in parts), f"--test {config.test}: {path} has test files of its own")
        parts.append(Part(config.test.expanduser(), "test", {}))
    for part in parts:
        require(part.path.is_file(), f"{part.path}: no such file; expected a table")
        require(
            table_suffix(part.path) in TABLE_SUFFIXES,
            f"{part.path}: no table by its name; expected one ending in {', '.join(TABLE_SUFFIXES)}",
        )
    files: list[TableFile] = []
    for part in parts:
        if is_text(part.path):
            header = config.header if not files else "yes" if files[0].has_header else "no"
            names = files[0].names if files and files[0].has_header else ()
            files.append(open_text_table(part.path, dataclasses.replace(config, header=header), names))
        else:
            files.append(open_arrow_table(part.path, part.partition))
    return files, [part.split == "test" for part in parts]


def _require_columns(files: Sequence[TableFile]) -> None:
    """Raises `InputError` for a table with fewer than two columns, or with two of one name."""
    for file in files:
        name, count = Counter(file.names).most_common(1)[0] if file.names else ("", 0)
        require(count < 2, f"{file.path}: {count} columns are named [{name[:60]!r}]; expected different names")
        require(len(file.names) > 1, f"{file.path}: {len(file.names)} column(s); expected features and a label")


def _join(files: list[TableFile], is_test: Sequence[bool | Bool[np.ndarray, " n"]], roles: Roles) -> _Rows:
    """Reads all files, whose columns must be the same in any order."""
    frames: list[pd.DataFrame] = []
    wanted = [*roles.features, *roles.special]
    prefixes = [f"{file.path.name} " if len(files) > 1 else "" for file in files]
    for file in files:
        absent, extra = sorted({*wanted} - {*file.names}), sorted({*file.names} - {*files[0].names})
        require(
            not absent and not extra,
            f"{file.path}: {'has no' if absent else 'has a'} column {list_names(absent or extra)}, unlike "
            f"{files[0].path}; expected the same columns",
        )
        frames.append(file.read(roles.special)[wanted])
    frames = _keep_text(files, frames, roles)
    starts = np.cumsum([0, *(frame.index[-1] + 1 for frame in frames)]).tolist()
    frames = [frame.set_axis(frame.index + start) for frame, start in zip(frames, starts, strict=False)]

    def place_row(row: int) -> str:
        number = int(np.searchsorted(starts, row, side="right")) - 1
        return prefixes[number] + files[number].place_row(row - starts[number])

    numbers = np.repeat(np.arange(len(files)), [len(frame) for frame in frames])
    marks = np.concatenate([np.broadcast_to(mark, len(frame)) for mark, frame in zip(is_test, frames, strict=True)])
    joined = frames[0] if len(frames) == 1 else pd.concat(frames)
    return _Rows(joined, numbers, marks, place_row)


def _keep_text(files: list[TableFile], frames: list[pd.DataFrame], roles: Roles) -> list[pd.DataFrame]:
    """Reads columns that are text in one file as text in all: `01` and `1.0` are no numbers there."""

    def find_text(frame: pd.DataFrame) -> set[str]:
        names = [name for name, dtype in zip(frame.columns, frame.dtypes, strict=True) if dtype.kind == "O"]
        return {name for name in names if pd.api.types.infer_dtype(frame[name], skipna=True) == "string"}

    text = [find_text(frame) for frame in frames]
    kept = []
    for file, frame, names in zip(files, frames, text, strict=True):
        parsed = [name for name in set().union(*text) - names - {*roles.special} if frame[name].notna().any()]
        if parsed and isinstance(file, TextTable):
            frame = file.read([*roles.special, *parsed]).loc[frame.index, frame.columns]
        kept.append(frame)
    return kept


def _read_labels(
    rows: _Rows, roles: Roles, config: DataConfig, column: str
) -> tuple[np.ndarray, np.ndarray, list[Problem]]:
    """Returns labels of all rows, which rows have one, and problems; `column` is what messages call their column."""
    n = len(rows.frame)
    if roles.label is None:
        return np.zeros(n, int), np.zeros(n, bool), []
    labels = rows.frame[roles.label]
    labels = labels.astype(object) if isinstance(labels.dtype, pd.CategoricalDtype) else labels
    known = labels.notna().to_numpy()
    problems = []
    is_text = pd.api.types.infer_dtype(labels, skipna=True) == "string"
    if is_text:
        labels = labels.str.strip()
        known = known & ~labels.str.lower().isin(["", "nan"]).to_numpy()
        too_long = known & (labels.str.len() > MAX_LABEL_LENGTH).to_numpy(bool)
        if too_long.any():
            row = int(labels.index[too_long.argmax()])
            text = f"{column} has a label of {len(labels[row])} characters, more than {MAX_LABEL_LENGTH}"
            problems.append(Problem(text, LABEL_FLAG, row))
            known = known & ~too_long
    if config.unlabelled is not None:
        marked = find_marked(labels, config.unlabelled)
        if not marked.any():
            fix = f"--unlabelled names one of {list_names([str(word) for word in labels[known].drop_duplicates()])}"
            problems.append(Problem(f"{column} is nowhere {config.unlabelled!r}", fix))
        known = known & ~marked
    values = labels[known].to_numpy()
    values = _parse_labels(values.astype(object), rows.file_numbers[known]) if is_text else values
    if config.unlabelled is not None:  # once more, as other files may write -1 as -1.0
        marked = find_marked(values, config.unlabelled)
        known[known] = ~marked
        values = values[~marked]
    filled = np.full(n, values[0] if len(values) else 0, values.dtype)
    filled[known] = values
    return filled, known, problems


def _parse_labels(words: np.ndarray, file_numbers: np.ndarray) -> np.ndarray:
    """Parses text as `parse_label_text`; if all files hold numbers, `1` in one and `1.0` in another are one class."""
    parts = [parse_label_text(words[file_numbers == number]) for number in np.unique(file_numbers)]
    if all(part.dtype.kind in "if" for part in parts):
        return exact_array([label for part in parts for label in part.tolist()])
    return parse_label_text(words)


def _number_groups(rows: _Rows, column: str | None) -> tuple[np.ndarray | None, list[Problem]]:
    """Returns the number of each row's group, and problems."""
    if column is None:
        return None, []
    groups = number_groups(rows.frame[column])
    missing = groups < 0
    if not missing.any():
        return groups, []
    text = f"column {column!r} names no group ({missing.sum()} such cells)"
    fix = "fill it in, or leave out --group-column"
    return groups, [Problem(text, fix, int(rows.frame.index[missing.argmax()]))]


def _choose_rows(
    features: pd.DataFrame, config: DataConfig, labelled: np.ndarray, is_test: np.ndarray, path: Path
) -> tuple[np.ndarray, list[str]]:
    """Returns which rows are kept, and notes about the others: incomplete ones, and test rows without label."""
    complete = np.ones(len(features), bool)
    if config.missing == "drop-rows":
        complete = ~features.isna().any(axis=1).to_numpy()
    keep = complete & (labelled | ~is_test)
    require((keep & ~is_test).any(), f"{path}: every row has missing values; --missing mean or median fills them in")
    require(
        (keep & is_test).any() or not is_test.any(),
        f"{path}: no row for testing has a label and, with --missing drop-rows, no missing value; give another --test",
    )
    left_out = {"rows with missing values": ~complete, "test rows without label": complete & ~keep}
    return keep, [f"{rows.sum()} {what} left out" for what, rows in left_out.items() if rows.any()]


def _encode(schema: TableSchema, frame: pd.DataFrame, path: Path) -> np.ndarray:
    """Returns the features, as bytes if all columns are bytes or truth values."""
    d = len(schema.feature_names)
    require_host_memory(12 * len(frame) * d, f"{path}: {len(frame)} rows of {d} features")
    features = schema.encode(frame)
    is_byte = [column.kind == "boolean" or frame[column.name].dtype == np.uint8 for column in schema.columns]
    return features.astype(np.uint8) if all(is_byte) and not np.isnan(features).any() else features

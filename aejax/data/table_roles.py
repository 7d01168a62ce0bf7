"""Finds the label's, the groups' and the other special columns of a table."""

import itertools
import re
from typing import NamedTuple

from aejax.config import DataConfig
from aejax.data.frame_tables import FrameTable
from aejax.data.text_tables import LABEL_NAMES, TextTable
from aejax.errors import InputError, list_names, require, suggest_names

TableFile = TextTable | FrameTable
LABEL_COLUMNS = (*LABEL_NAMES, "y")  # default names of a label column, in order of preference
UNNAMED = re.compile(r"Unnamed: \d+(\.\d+)*")  # a column without a name, also after pandas has written it again
NO_LABEL = "none"  # as --label-column
LABEL_FLAG = "--label-column names another column"


class Roles(NamedTuple):
    """The columns of a table."""

    label: str | None
    group: str | None
    features: list[str]
    label_source: str
    notes: list[str]

    @property
    def special(self) -> list[str]:
        return [name for name in (self.label, self.group) if name is not None]


def choose_roles(file: TableFile, config: DataConfig) -> Roles:
    """Finds the label's, the groups' and the dropped columns."""
    names = file.names
    index_columns = {*file.index_columns, *itertools.takewhile(UNNAMED.fullmatch, names)}
    dropped = {_find_column("--drop-columns", wanted, file) for wanted in config.drop_columns}
    group = None if config.group_column is None else _find_column("--group-column", config.group_column, file)
    label = None
    if config.label_column is None:
        features = [name for name in names if name not in {*dropped, *index_columns, group}]
        require(features, f"{file.path}: no columns are left; give fewer --drop-columns")
        label, label_source = _guess_label(features, file)
    elif config.label_column == NO_LABEL and NO_LABEL not in names:
        label_source = "none"
    else:
        label = _find_column("--label-column", config.label_column, file)
        label_source = f"{describe_column(label, file)} (--label-column)"
    require(
        label is None or label not in {*dropped, group},
        f"{file.path}: {describe_column(label or '', file)} is the label, and dropped or the group, too; {LABEL_FLAG}",
    )
    index = sorted(index_columns - {*dropped, group, label})
    features = [name for name in names if name not in {*dropped, *index, group, label}]
    notes = [f"the rows' index is no feature: {list_names(index)}"] if index else []
    notes += [f"columns left out: {list_names(sorted(dropped))}"] if dropped else []
    notes += [f"groups: {describe_column(group, file)}"] if group is not None else []
    return Roles(label, group, features, label_source, notes)


def _guess_label(names: list[str], file: TableFile) -> tuple[str, str]:
    """Returns the label column of a table and why it is taken."""
    if not file.has_header:
        last = "last column" if names[-1] == file.names[-1] else f"column {names[-1]}"
        return names[-1], f"{last} of {len(file.names)} (no header)"
    names = [name for name in names if not UNNAMED.fullmatch(name)]
    require(names, f"{file.path}: no column has a name; {LABEL_FLAG}")
    lowered = [name.lower() for name in names]
    is_coordinate = "x" in lowered and lowered[-1] != "y"
    for wanted in LABEL_COLUMNS[: -1 if is_coordinate else None]:
        if wanted in lowered:
            label = names[lowered.index(wanted)]
            return label, f"column {label!r} (by its name)"
    return names[-1], f"column {names[-1]!r} (the last of {len(names)})"


def _find_column(flag: str, wanted: str, file: TableFile) -> str:
    """Returns the name of a column that is given by its name or index."""
    if wanted in file.names:
        return wanted
    n = len(file.names)
    if wanted.removeprefix("-").isdecimal():
        require(
            -n <= int(wanted) < n,
            f"{file.path}: no column {wanted} for {flag}; there are columns 0 to {n - 1}"
            + ("" if file.has_header else ", and no header line"),
        )
        return file.names[int(wanted)]
    hint = f"line 1 is taken for an example, so that columns are 0 to {n - 1} (no header line; --header yes takes it)"
    if file.has_header:
        hint = suggest_names(wanted, file.names, otherwise=f"expected one of {list_names(file.names)}")
    raise InputError(f"{file.path}: no column {wanted} for {flag}; {hint}")


def describe_column(name: str, file: TableFile) -> str:
    """Returns what messages call a column."""
    return f"column {name!r}" if file.has_header else f"column {name} (of 0 to {len(file.names) - 1})"

"""Problems of a table, which are reported together in one message."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from aejax.errors import InputError

MAX_PROBLEMS = 10  # in one message


class Problem(NamedTuple):
    """One reason why a table cannot be used."""

    text: str
    fix: str
    row: int | None = None  # of the table, from 0; None: `text` says where


def raise_problems(path: Path, problems: Sequence[Problem], place_row: Callable[[int], str]) -> None:
    """Raises InputError with the first problems, if there are any; `place_row` returns what messages call a row."""
    if not problems:
        return
    lines = [
        f"{'' if row is None else f'{place_row(row)}, '}{text}; {fix}" for text, fix, row in problems[:MAX_PROBLEMS]
    ]
    if len(problems) == 1:
        raise InputError(f"{path}: {lines[0]}")
    count = f"{len(problems)} problems" + (f", of which {len(lines)} are" if len(problems) > len(lines) else "")
    raise InputError(f"{path}: {count}: " + " ".join(f"({number}) {line}." for number, line in enumerate(lines, 1)))

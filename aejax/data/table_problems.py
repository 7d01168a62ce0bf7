"""Problems of a table, which are reported together in one message."""

import enum
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from aejax.errors import InputError

MAX_PROBLEMS = 10  # in one message


class Rank(enum.IntEnum):
    """Kinds of problems: those that cause others come first."""

    RAGGED = enum.auto()
    DECIMAL = enum.auto()
    NOT_A_NUMBER = enum.auto()
    MISSING = enum.auto()
    COLUMN = enum.auto()
    LABEL = enum.auto()


class Problem(NamedTuple):
    """One reason why a table cannot be used."""

    rank: Rank
    text: str
    fix: str
    row: int | None = None  # of the table, from 0; None: `text` says where


def raise_problems(
    path: Path, problems: Iterable[Problem], place_rows: Callable[[Sequence[int]], Sequence[str]]
) -> None:
    """Raises InputError with the first problems in the order of their ranks, if there are any."""
    ordered = sorted(problems, key=lambda problem: problem.rank)
    if not ordered:
        return
    shown = ordered[:MAX_PROBLEMS]
    rows = [problem.row for problem in shown if problem.row is not None]
    places = dict(zip(rows, place_rows(rows), strict=True)) if rows else {}
    lines = [
        f"{'' if problem.row is None else f'{places[problem.row]}, '}{problem.text}; {problem.fix}" for problem in shown
    ]
    if len(ordered) == 1:
        raise InputError(f"{path}: {lines[0]}")
    count = f"{len(ordered)} problems" + (f", of which {len(shown)} are" if len(ordered) > len(shown) else "")
    raise InputError(f"{path}: {count}: " + " ".join(f"({number}) {line}." for number, line in enumerate(lines, 1)))

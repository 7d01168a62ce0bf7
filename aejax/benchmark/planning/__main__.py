"""`python -m aejax.benchmark.planning results` writes results/planning from the results in that folder."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from aejax.benchmark.planning.constants import HOST
from aejax.benchmark.planning.host import measure_host
from aejax.benchmark.planning.planning import as_json, on_paper
from aejax.benchmark.planning.report import page
from aejax.errors import InputError, require
from aejax.store.files import write_atomically, write_json


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; the exit status is 0, or 2 with one line on standard error if it cannot be done."""
    parser = argparse.ArgumentParser(prog="python -m aejax.benchmark.planning", description=__doc__)
    parser.add_argument("results_folder", type=Path, nargs="?", default=Path("results"), help="default: results")
    parser.add_argument("--measure", action="store_true", help=f"time the host's part first, into {HOST}")
    asked = parser.parse_args(arguments)
    try:
        print(write(asked.results_folder, measure=asked.measure))
    except InputError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    return 0


def write(results: Path, *, measure: bool) -> Path:
    """Write `planning/planning.json` and `planning/planning.md` into the folder, and say where the latter is."""
    require(results.is_dir(), f"{results}: no such folder; name the folder that holds the results")
    if measure:
        measure_host(results / HOST)
    paper = on_paper(results)
    folder = results / "planning"
    folder.mkdir(exist_ok=True)
    write_json(folder / "planning.json", as_json(paper))
    write_atomically(folder / "planning.md", page(paper).encode())
    return folder / "planning.md"


if __name__ == "__main__":
    sys.exit(main())

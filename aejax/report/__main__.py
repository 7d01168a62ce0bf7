"""`python -m aejax.report results` writes results/README.md from the runs in that folder."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from aejax.errors import InputError
from aejax.report.index import render_index


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the page; returns the exit status, which is 2 after an input error."""
    parser = argparse.ArgumentParser(prog="python -m aejax.report", description=__doc__)
    parser.add_argument("results_folder", type=Path, nargs="?", default=Path("results"), help="default: results")
    try:
        folder = parser.parse_args(arguments).results_folder
        page = render_index(folder)
    except InputError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    (folder / "README.md").write_text(page, encoding="utf-8")
    print(folder / "README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())

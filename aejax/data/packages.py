"""Optional packages, which are imported only by what needs them."""

import contextlib
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from aejax.errors import require


def require_package(module: str, extra: str, needed_by: str) -> None:
    """Raises InputError if a module of one of aejax's extras is not installed.

    Args:
        module: the name under which it is imported.
        extra: the extra of `aejax` that installs it.
        needed_by: the flag and value that need it.
    """
    try:
        found = importlib.util.find_spec(module) is not None
    except ValueError:  # it was imported and has no specification
        found = sys.modules.get(module) is not None
    require(
        found,
        f"{needed_by}: needs the package {module}, which is not installed; pip install 'aejax[{extra}]'",
    )


def tfds_data_dir(data_dir: Path | None) -> Path:
    """Returns `data_dir`, or by default the data folder of tensorflow-datasets."""
    root = data_dir or Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()
    require(
        data_dir is None or root.is_dir(),
        f"--data-dir {root}: no such folder; make it, or correct the flag or the variable AEJAX_DATA",
    )
    return root


@contextlib.contextmanager
def silence_loggers(*names: str) -> Iterator[None]:
    """Suppresses what loggers report below critical errors; failures are reported by exceptions."""
    levels = {logger: logger.level for logger in map(logging.getLogger, names)}
    for logger in levels:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.setLevel(level)

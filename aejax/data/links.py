"""Symbolic links in folders of data must not lead out of them."""

from pathlib import Path

from aejax.errors import require


def require_within(path: Path, root: Path) -> None:
    """Raises InputError if `path` is a symbolic link to a place outside `root`."""
    require(
        not path.is_symlink() or path.resolve().is_relative_to(root.resolve()),
        f"{path}: a link out of {root}; replace it by a copy of its target",
    )

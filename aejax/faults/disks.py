"""Disks that fill up in the middle of a run: it must end with one line, and go on once there is room."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from aejax.faults.job import fingerprint, start
from aejax.faults.kills import Tally, Undisturbed, ended

ROOMS = (20, 60, 140, 200, 320, 400, 520, 640)  # KiB; an undisturbed run takes 500 to 900
ENOUGH = "200m"


class NoDiskError(Exception):
    """This machine lets us have no file system of our own."""


@contextlib.contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of so many KiB in memory, for the block.

    Raises:
        NoDiskError: mounting is not allowed.
    """
    place.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def _mount(*words: str) -> None:
    try:
        subprocess.run(["mount", *words], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NoDiskError(getattr(error, "stderr", "") or str(error)) from None


def filled(references: Sequence[Undisturbed], folder: Path) -> Tally:
    """Run each kind on disks of every size of `ROOMS`, then with room again. Raises as `small_disk`."""
    tried, survived, noticed, faults = 0, 0, 0, []
    for reference in references:
        for kilobytes in ROOMS:
            what = f"{reference.kind} in {kilobytes} KiB"
            with small_disk(folder / "disk", kilobytes) as disk:
                status, said = _run(reference.kind, disk / "run", folder / f"{reference.kind}-{kilobytes}-first.log")
                if status == 0:
                    continue
                tried += 1
                answered = status == 2 and said.startswith("error: ") and "No space left on device" in said
                noticed += answered
                faults += [] if answered else [f"{what}: ended with {status}: {said}"]
                _mount("-o", f"remount,size={ENOUGH}", str(disk))
                status, said = _run(reference.kind, disk / "run", folder / f"{reference.kind}-{kilobytes}-then.log")
                same = status == 0 and fingerprint(disk / "run") == reference.fingerprint
                survived += same
                faults += [] if same else [f"{what}: with room again, ended with {status}: {said}"]
    return Tally(tried, survived, noticed, tuple(faults))


def _run(kind: str, folder: Path, log: Path) -> tuple[int, str]:
    """Exit status, and the last line of what was said."""
    log.unlink(missing_ok=True)
    return ended(start(kind, folder, log), log)

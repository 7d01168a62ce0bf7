"""Disks that become full during a run: it must end with one line, and resume once there is space."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.robustness.interruptions import Counts, ReferenceRun, run_to_exit
from tests.robustness.training_process import run_fingerprint

DISK_SIZES_KIB = (20, 60, 140, 200, 320, 400, 520, 640)  # an undisturbed run takes 500 to 900 KiB
ENLARGED_DISK_SIZE = "200m"


class MountNotPermittedError(Exception):
    """This process may not mount a file system."""


@contextlib.contextmanager
def limited_disk(mount_point: Path, size_kib: int) -> Iterator[Path]:
    """Yields a file system in memory of a size; raises MountNotPermittedError if mounting is not allowed."""
    mount_point.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(mount_point))
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", str(mount_point)], check=True)


def _mount(*words: str) -> None:
    try:
        subprocess.run(["mount", *words], check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        raise MountNotPermittedError(error.stderr.strip() or str(error)) from None
    except OSError as error:
        raise MountNotPermittedError(str(error)) from None


def run_on_full_disks(
    references: Sequence[ReferenceRun], folder: Path, sizes_kib: Sequence[int] = DISK_SIZES_KIB
) -> Counts:
    """Runs each kind on disks of every size, then again with more space; raises MountNotPermittedError."""
    counts = Counts()
    for reference in references:
        for size in sizes_kib:
            log = folder / f"{reference.kind}-{size}.log"
            with limited_disk(folder / "disk", size) as disk:
                first = run_to_exit(reference.kind, disk / "run", log)
                if first[0] == 0:
                    continue
                _mount("-o", f"remount,size={ENLARGED_DISK_SIZE}", str(disk))
                then = run_to_exit(reference.kind, disk / "run", log)
                counts.add(
                    noticed=first[0] == 2 and first[1].startswith("error: ") and "No space left on device" in first[1],
                    survived=then[0] == 0 and run_fingerprint(disk / "run") == reference.fingerprint,
                    fault=f"{reference.kind} in {size} KiB: ended with {first}, then with {then}",
                )
    return counts

"""Disks that fill up in the middle of a run: it must end with one line, and go on once there is room."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.robustness.interruptions import Counts, ReferenceRun, wait_for_exit
from tests.robustness.training_process import run_fingerprint, start_training

DISK_SIZES_KIB = (20, 60, 140, 200, 320, 400, 520, 640)  # KiB; an undisturbed run takes 500 to 900
ENLARGED_DISK_SIZE = "200m"


class MountNotPermittedError(Exception):
    """This machine lets us have no file system of our own."""


@contextlib.contextmanager
def limited_disk(mount_point: Path, size_kib: int) -> Iterator[Path]:
    """A file system of so many KiB in memory, for the block.

    Raises:
        NoDiskError: mounting is not allowed.
    """
    mount_point.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(mount_point))
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", str(mount_point)], check=True)


def _mount(*words: str) -> None:
    try:
        subprocess.run(["mount", *words], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MountNotPermittedError(getattr(error, "stderr", "") or str(error)) from None


def run_on_full_disks(references: Sequence[ReferenceRun], folder: Path) -> Counts:
    """Run each kind on disks of every size of `ROOMS`, then with room again. Raises as `small_disk`."""
    tried, survived, noticed, faults = 0, 0, 0, []
    for reference in references:
        for kilobytes in DISK_SIZES_KIB:
            what = f"{reference.kind} in {kilobytes} KiB"
            with limited_disk(folder / "disk", kilobytes) as disk:
                status, said = _run_training(
                    reference.kind, disk / "run", folder / f"{reference.kind}-{kilobytes}-first.log"
                )
                if status == 0:
                    continue
                tried += 1
                answered = status == 2 and said.startswith("error: ") and "No space left on device" in said
                noticed += answered
                faults += [] if answered else [f"{what}: ended with {status}: {said}"]
                _mount("-o", f"remount,size={ENLARGED_DISK_SIZE}", str(disk))
                status, said = _run_training(
                    reference.kind, disk / "run", folder / f"{reference.kind}-{kilobytes}-then.log"
                )
                same = status == 0 and run_fingerprint(disk / "run") == reference.fingerprint
                survived += same
                faults += [] if same else [f"{what}: with room again, ended with {status}: {said}"]
    return Counts(tried, survived, noticed, tuple(faults))


def _run_training(kind: str, folder: Path, log: Path) -> tuple[int, str]:
    """Exit status, and the last line of what was said."""
    log.unlink(missing_ok=True)
    return wait_for_exit(start_training(kind, folder, log), log)

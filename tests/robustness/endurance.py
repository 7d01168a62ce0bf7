"""A long comparison with a figure that fails, SIGHUP, a second start at the same time and a disk that is full."""

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from aejax.storage.atomic_io import read_json
from tests.robustness.commands import Exit, Outcome, Running, saved_checkpoints, start_words
from tests.robustness.disturbances import limited_disk
from tests.robustness.fingerprints import drop_volatile_fields, run_fingerprint

DISK_KIB = 400_000
DATA = (
    *("--dataset", "digits", "--seeds", "2", "--hidden", "256"),
    *("--probe", "ridge", "--methods", "raw", "undercomplete"),
)
TRIAL_EPOCHS = 200  # from which the epochs of so many minutes follow
BROKEN_FIGURE = "accuracy.png"


def disturb_long_run(folder: Path, minutes: float) -> Iterator[Outcome]:
    """Yields an outcome for each disturbance of a comparison, and one for its results.

    An undisturbed run of the same length goes on at the same time.

    Args:
        folder: where both run.
        minutes: that the undisturbed run takes, about.

    Raises:
        MountNotPermittedError: no small disk can be made.
    """
    folder.mkdir(parents=True)
    epochs = _epochs_of(folder, 60 * minutes)
    with limited_disk(folder / "disk", DISK_KIB) as disk:
        whole = _start(folder, "whole", epochs)
        run, attempt = disk / "run", _start(folder, "disk/run", epochs)
        _wait_for_epoch(run, attempt, 0.1 * epochs)
        rival = _wait(_start(folder, "disk/run", epochs, log="rival"))
        yield Outcome(True, rival.is_one_line and "in use" in rival.message, f"a second start: {rival}")
        _wait_for_epoch(run, attempt, 0.25 * epochs)
        assert attempt.process.pid is not None
        os.kill(attempt.process.pid, signal.SIGHUP)
        hung_up = _wait(attempt)
        yield Outcome(True, hung_up.status == 75, f"SIGHUP: {hung_up}")
        (run / BROKEN_FIGURE).mkdir(exist_ok=True)
        attempt = _start(folder, "disk/run", epochs)
        _wait_for_epoch(run, attempt, 0.5 * epochs)
        _fill(disk)
        full = _wait(attempt)
        yield Outcome(True, full.is_one_line and "disk space" in full.message, f"full disk: {full}")
        (disk / "filler").unlink()
        ended, first = _wait(_start(folder, "disk/run", epochs)), _wait(whole)
        results = read_json(run / "results.json") if ended.status == 0 else {}
        warned = any(BROKEN_FIGURE in warning for warning in results.get("warnings", []))
        yield Outcome(True, warned, f"a figure that cannot be written: {ended}, {results.get('warnings')}")
        equal = ended.status == first.status == 0 and _fingerprint(run) == _fingerprint(folder / "whole")
        yield Outcome(equal, True, f"results after all of it: {ended}, undisturbed {first}")


def _start(folder: Path, out: str, epochs: int, log: str = "") -> Running:
    words = ("compare", *DATA, "--epochs", str(epochs), "--save-every", "5", "--out", out)
    return start_words(words, folder, log or Path(out).name)


def _wait(running: Running) -> Exit:
    return running.wait(seconds=24 * 3600)


def _epochs_of(folder: Path, seconds: float) -> int:
    """Returns how many epochs take so many seconds, two runs at once, from two trials."""
    spent = []
    for epochs in (1, TRIAL_EPOCHS):
        began, outs = time.perf_counter(), [f"trial-{epochs}-{number}" for number in (1, 2)]
        for running in [_start(folder, out, epochs) for out in outs]:
            _wait(running)
        for out in outs:
            shutil.rmtree(folder / out)
        spent.append(time.perf_counter() - began)
    return max(TRIAL_EPOCHS, int(seconds * TRIAL_EPOCHS / max(spent[1] - spent[0], 0.1)))


def _wait_for_epoch(run: Path, running: Running, epoch: float) -> None:
    """Waits until the process has saved a checkpoint of at least this epoch."""
    running.wait_until(lambda: max((int(path.name) for path in saved_checkpoints(run)), default=0) >= epoch)


def _fill(disk: Path) -> None:
    """Fills a disk to its last byte."""
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            return


def _fingerprint(run: Path) -> object:
    parts = run_fingerprint(run)
    results = {
        name: value for name, value in read_json(run / "results.json").items() if name not in ("warnings", "checksum")
    }
    return parts | {"results.json": str(drop_volatile_fields(results))}

"""What happens around commands: a second process, a folder that is moved, read-only or full, hostile names."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tests.robustness.commands import COMMANDS, Undisturbed, is_one_line, judge, remove, run_command, start_command
from tests.robustness.disturbances import ENLARGED_DISK_SIZE, Outcome, limited_disk, mount
from tests.robustness.training_process import run_fingerprint, wait_for_exit
from tests.two_processes import exit_statuses, log_of, start_pair

HOSTILE_NAMES = ("a b", "-x", "[bold]", "$(id)", "naïve", "'\"", "%s{}", ".hidden", "$x$", "x" * 200)
WRITERS = tuple(name for name in COMMANDS if name not in ("report", "export"))  # of folders that they fill
JOIN_TIMEOUT = 60  # seconds that a process waits for one that was killed before they met
DISK_SHARES = (0.02, 0.3, 0.8)  # of what the undisturbed command wrote


def start_twice(whole: Sequence[Undisturbed], folder: Path, rounds: int) -> Iterator[Outcome]:
    """Starts each command twice at once: one is done, the other is done or ends with one line."""
    for number, one in enumerate([*whole] * rounds):
        out, logs = folder / f"run-{number}", [folder / f"log-{racer}" for racer in (1, 2)]
        processes = [start_command(one.command, out.name, folder, log) for log in logs]
        first, second = sorted(map(wait_for_exit, processes, logs))
        noticed = second.status == 0 or is_one_line(second)
        yield judge(one, out, first, noticed, f"two at once, {second}")
        remove(out)


def take_folder_away(whole: Sequence[Undisturbed], folder: Path, rounds: int, seed: int) -> Iterator[Outcome]:
    """Moves or deletes the folder of a command while it runs: it is not made again; then the same command is done."""
    rng = np.random.default_rng(seed)
    disturbances: tuple[Callable[[Path], object], ...] = (_delete, lambda out: out.rename(out.with_name("moved")))
    for number, one in enumerate(_only(WRITERS, whole) * rounds):
        out = folder / f"run-{number}"
        process = start_command(one.command, out.name, folder, folder / "log")
        while process.is_alive() and not any((out / name).exists() for name in ("run.json", "ledger.json", "wine")):
            time.sleep(0.01)
        process.join(rng.uniform(0, 0.3 * one.seconds))
        took_away = out.exists() and process.is_alive()
        if took_away:
            with contextlib.suppress(OSError):  # it writes there meanwhile
                disturbances[number % 2](out)
        is_gone = took_away and not out.exists()
        ended = wait_for_exit(process, folder / "log")
        noticed = (is_one_line(ended) or ended.status == 0) and not (is_gone and out.exists())
        again = run_command(one.command, out.name, folder)
        yield judge(one, out, again, noticed, f"folder taken away {took_away}, {ended}")
        for path in (out, folder / "moved"):
            remove(path)


def _delete(folder: Path) -> None:
    """Deletes a folder that a process is still writing into, until nothing of it is left."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def kill_one_of_two(folder: Path, rounds: int, seed: int) -> Iterator[Outcome]:
    """Kills one of the two processes of a run: the other ends without a traceback; then both run to the same end."""
    folder.mkdir(parents=True)
    rng, log, began = np.random.default_rng(seed), folder / "pair.log", time.perf_counter()

    def start(out: str) -> list[subprocess.Popen[bytes]]:
        flags = (*COMMANDS["pretrain"][1:], "--join-timeout", str(JOIN_TIMEOUT), "--out", str(folder / out))
        return start_pair("scripts/pretrain.py", *flags, log=log)

    if exit_statuses(start("whole"), log) != [0, 0]:
        raise RuntimeError(f"two processes: {log_of(log, 0).read_text()[-200:]}")
    seconds = time.perf_counter() - began
    for number in range(rounds):
        pair, victim = start("run"), number % 2
        time.sleep(rng.uniform(0.2, 1) * seconds)
        pair[victim].kill()
        status = exit_statuses(pair, log)[1 - victim]
        noticed = status in (0, 2, 75) and "Traceback" not in log_of(log, 1 - victim).read_text()
        again = exit_statuses(start("run"), log)
        survived = again == [0, 0] and run_fingerprint(folder / "run") == run_fingerprint(folder / "whole")
        yield Outcome(
            survived, noticed, f"process {victim} killed: the other ended with {status}, then both with {again}"
        )
        shutil.rmtree(folder / "run", ignore_errors=True)


def use_hostile_names(whole: Sequence[Undisturbed], folder: Path) -> Iterator[Outcome]:
    """Runs commands into folders with names that shells, markup and formats would read."""
    for name in HOSTILE_NAMES:
        for one in _only(("pretrain", "compare", "export"), whole):
            out = folder / f"{name}-{one.command}"
            yield judge(one, out, run_command(one.command, out.name, folder), True, repr(name))
            remove(out)


def write_into_read_only_folders(whole: Sequence[Undisturbed], folder: Path) -> Iterator[Outcome]:
    """Runs each command into a folder on a file system that is read-only, then writable."""
    for one in whole:
        with limited_disk(folder / "disk", 2**20) as disk:
            mount("-o", "remount,ro", str(disk))
            first = run_command(one.command, "disk/run", folder)
            mount("-o", "remount,rw", str(disk))
            then = run_command(one.command, "disk/run", folder)
            yield judge(one, disk / "run", then, is_one_line(first), f"read-only, {first}")


def run_commands_on_full_disks(whole: Sequence[Undisturbed], folder: Path) -> Iterator[Outcome]:
    """Runs each command on disks that are too small for it, then again with more space."""
    for one in whole:
        used = _bytes_of(folder / f"whole-{one.command}")
        for share in DISK_SHARES:
            with limited_disk(folder / "disk", max(4, int(share * used) >> 10)) as disk:
                first = run_command(one.command, "disk/run", folder)
                mount("-o", f"remount,size={ENLARGED_DISK_SIZE}", str(disk))
                then = run_command(one.command, "disk/run", folder)
                noticed = first.status == 0 or is_one_line(first)
                yield judge(one, disk / "run", then, noticed, f"a disk of {share} of its files, {first}")


def _bytes_of(path: Path) -> int:
    files = [one for one in path.rglob("*") if one.is_file()] if path.is_dir() else [path]
    return sum(one.stat().st_size for one in files)


def _only(commands: Sequence[str], whole: Sequence[Undisturbed]) -> list[Undisturbed]:
    return [one for one in whole if one.command in commands]

"""What disturbs commands: kills and signals, a second process, a folder that is taken away, full disks, odd names."""

import contextlib
import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aejax.experiments.environment import usable_cores
from tests.robustness.commands import WORDS, Exit, Outcome, Reference, remove, saved_checkpoints
from tests.robustness.damage import flip_bit
from tests.robustness.fingerprints import run_fingerprint
from tests.two_processes import exit_statuses, log_of, start_pair

MAX_INTERRUPTIONS_OF_ONE = 20  # before a command is let to its end
HOSTILE_NAMES = ("a b", "-x", "[bold]", "$(id)", "naïve", "'\"", "%s{}", ".hidden", "$x$", "x" * 200)
JOIN_TIMEOUT = 60  # seconds that a process waits for one that was killed before they met
DISK_SHARES = (0.02, 0.3, 0.8)  # of what the undisturbed command wrote
ENLARGED_DISK_SIZE = "200m"


class Interruption(NamedTuple):
    """Signals that interrupt a process, and the exit status that they must lead to."""

    signals: tuple[signal.Signals, ...]
    status: int


SIGKILL = Interruption((signal.SIGKILL,), -signal.SIGKILL)
SIGNAL_BURST = Interruption((signal.SIGTERM, signal.SIGINT), 75)


def interrupt_commands(
    whole: Sequence[Reference], interruption: Interruption, min_interruptions: int, seed: int
) -> Iterator[Outcome]:
    """Interrupts commands again and again, each until it ends, one per core at once, until enough have hit."""
    hits, rounds = 0, enumerate(itertools.cycle(whole))
    with ThreadPoolExecutor(usable_cores()) as threads:
        while hits < min_interruptions:
            some = itertools.islice(rounds, usable_cores())
            for outcomes in threads.map(lambda item: interrupt_until_done(*item, interruption, seed), some):
                hits += len(outcomes)
                yield from outcomes


def interrupt_until_done(number: int, one: Reference, interruption: Interruption, seed: int) -> list[Outcome]:
    """Interrupts a command until it ends, at most `MAX_INTERRUPTIONS_OF_ONE` times.

    Half of the interruptions come at a random time. The others come just before a random call that changes the
    command's folder, or, if they are signals that it catches, soon after a checkpoint, when the next may be under way.

    Returns:
        An outcome for each interruption that hit, or one of a command that did not end as it should.
    """
    out, rng, hits, ended = f"run-{number}", np.random.default_rng([seed, number]), 0, Exit(interruption.status, "")
    while ended.status == interruption.status and hits < MAX_INTERRUPTIONS_OF_ONE:
        at_random = rng.uniform() < 0.5
        if interruption is SIGKILL and not at_random:
            running = one.start(out, kill_at=int(rng.integers(1, one.writes + 1)))
        else:
            running, saved = one.start(out), saved_checkpoints(one.out.with_name(out))
            if not at_random:
                running.wait_until(lambda saved=saved: not {*saved_checkpoints(one.out.with_name(out))} <= {*saved})
            running.process.join(rng.uniform(0, (1.1 if at_random else 0.3) * one.seconds))
            _send(running.process, interruption.signals, rng)
        ended = running.wait()
        hits += ended.status == interruption.status
    if ended.status == interruption.status:  # on a busy machine every attempt may take longer than the undisturbed run
        ended = one.run(out)
    outcome = one.judge(out, ended, True, f"{hits} interruptions")
    return [outcome] * (hits if outcome.survived else 1)


def _send(process: ForkServerProcess, signals: Sequence[signal.Signals], rng: np.random.Generator) -> None:
    """Sends one to six of these signals within a tenth of a second."""
    for _ in range(rng.integers(1, 7)):
        if process.is_alive() and process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, rng.choice(signals))
        time.sleep(rng.uniform(0, 0.02))


def start_twice(whole: Sequence[Reference], rounds: int) -> Iterator[Outcome]:
    """Starts commands twice at once: one is done, the other is done or ends with one line."""
    for number, one in zip(range(rounds), itertools.cycle(whole), strict=False):
        both = [one.start(f"run-{number}", log=f"racer-{racer}") for racer in (1, 2)]
        first, second = sorted(running.wait() for running in both)
        noticed = second.status == 0 or second.is_one_line
        yield one.judge(f"run-{number}", first, noticed, f"two at once, {second}")


def take_folder_away(whole: Sequence[Reference], rounds: int, seed: int) -> Iterator[Outcome]:
    """Moves or deletes the folder of a command while it runs: it is not made again; then the same command is done."""
    rng = np.random.default_rng(seed)
    disturbances: tuple[Callable[[Path], object], ...] = (_delete, lambda out: out.rename(out.with_name("moved")))
    writers = [one for one in whole if one.command not in ("report", "export")]  # of folders that they fill
    for number, one in enumerate(writers * rounds):
        out = one.out.with_name(f"run-{number}")
        running = one.start(out.name)
        running.wait_until(lambda out=out: any((out / name).exists() for name in ("run.json", "ledger.json", "wine")))
        running.process.join(rng.uniform(0, 0.3 * one.seconds))
        took_away = out.exists() and running.process.is_alive()
        if took_away:
            with contextlib.suppress(OSError):  # it writes there meanwhile
                disturbances[number % 2](out)
        is_gone = took_away and not out.exists()
        ended = running.wait()
        noticed = (ended.is_one_line or ended.status == 0) and not (is_gone and out.exists())
        yield one.judge(out.name, one.run(out.name), noticed, f"folder taken away {took_away}, {ended}")
        remove(out.with_name("moved"))


def _delete(folder: Path) -> None:
    """Deletes a folder that a process is still writing into, until nothing of it is left."""
    while folder.exists():
        shutil.rmtree(folder, ignore_errors=True)


def resume_with_fallback(trainings: Sequence[Reference], seed: int) -> Iterator[Outcome]:
    """Kills a run, flips a bit of its last checkpoint and resumes: rejected, then allowed by `--allow-fallback`."""
    rng = np.random.default_rng(seed)
    for one in trainings:
        run = one.out.with_name("run")
        running = one.start("run")
        running.wait_until(lambda run=run: _has_two_checkpoints(run))
        running.process.kill()
        running.wait()
        latest = max(saved_checkpoints(run), key=lambda path: (path.stat().st_mtime_ns, int(path.name)))
        largest = max((path for path in latest.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        largest.write_bytes(flip_bit(largest.read_bytes(), rng))
        rejected = one.run("run")
        noticed = rejected.status == 2 and "--allow-fallback continues" in rejected.message
        yield one.judge("run", one.run("run", "--allow-fallback"), noticed, f"damaged checkpoint, {rejected}")


def _has_two_checkpoints(run: Path) -> bool:
    """Returns whether a stage of a training has a checkpoint before its latest."""
    checkpoints = saved_checkpoints(run)
    return len({path.parent for path in checkpoints}) < len(checkpoints)


def kill_one_of_two(folder: Path, rounds: int, seed: int) -> Iterator[Outcome]:
    """Kills one of the two processes of a run: the other ends without a traceback; then both run to the same end."""
    folder.mkdir(parents=True)
    rng, log, began = np.random.default_rng(seed), folder / "pair.log", time.perf_counter()

    def start(out: str) -> list[subprocess.Popen[bytes]]:
        flags = (*WORDS["pretrain"][1:], "--join-timeout", str(JOIN_TIMEOUT), "--out", str(folder / out))
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


def use_hostile_names(whole: Sequence[Reference]) -> Iterator[Outcome]:
    """Runs commands into folders with names that shells, markup and formats would read."""
    for name in HOSTILE_NAMES:
        for one in whole:
            if one.command in ("pretrain", "compare", "export"):
                out = f"{name}-{one.command}"
                yield one.judge(out, one.run(out), True, repr(name))


class MountNotPermittedError(Exception):
    """This process may not mount a file system."""


@contextlib.contextmanager
def limited_disk(mount_point: Path, size_kib: int) -> Iterator[Path]:
    """Yields a file system in memory of a size; raises MountNotPermittedError if mounting is not allowed."""
    mount_point.mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={size_kib}k", "tmpfs", str(mount_point))
    try:
        yield mount_point
    finally:
        subprocess.run(["umount", "--lazy", str(mount_point)], check=True)  # a reader of checkpoints closes them later


def mount(*words: str) -> None:
    """Calls `mount`; raises MountNotPermittedError if that is not allowed."""
    try:
        subprocess.run(["mount", *words], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MountNotPermittedError(str(getattr(error, "stderr", None) or error).strip()) from None


def write_into_read_only_folders(whole: Sequence[Reference]) -> Iterator[Outcome]:
    """Runs each command into a folder on a file system that is read-only, then writable."""
    for one in whole:
        with limited_disk(one.out.with_name("disk"), 2**20) as disk:
            mount("-o", "remount,ro", str(disk))
            first = one.run("disk/run")
            mount("-o", "remount,rw", str(disk))
            yield one.judge("disk/run", one.run("disk/run"), first.is_one_line, f"read-only, {first}")


def run_on_full_disks(whole: Sequence[Reference]) -> Iterator[Outcome]:
    """Runs each command on disks that are too small for it, then again with more space."""
    for one in whole:
        files = [path for path in (one.out, *one.out.rglob("*")) if path.is_file()]
        used = sum(path.stat().st_size for path in files)
        for share in DISK_SHARES:
            with limited_disk(one.out.with_name("disk"), max(4, int(share * used) >> 10)) as disk:
                first = one.run("disk/run")
                if first.status == 0:  # the disk was large enough
                    continue
                mount("-o", f"remount,size={ENLARGED_DISK_SIZE}", str(disk))
                noticed = first.is_one_line and "space" in first.message
                problem = f"a disk of {share} of its files, {first}"
                yield one.judge("disk/run", one.run("disk/run"), noticed, problem)

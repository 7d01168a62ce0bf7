"""Commands that are killed, started twice at once, or lose their folder."""

import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aejax.cli import run_main
from aejax.storage.manifest import verify_manifest
from aejax.storage.pretrained_encoder import load_encoder
from aejax.storage.results_file import read_results
from tests.robustness.disturbances import MAX_RESTARTS, Outcome
from tests.robustness.training_process import Exit, run_fingerprint, wait_for_exit

SMALL = ("--dataset", "wine", "--seeds", "2", "--hidden", "4", "--latent-dim", "2", "--epochs", "3")
MODEL = "model"  # the pretraining run that probe, explore and export use
COMMANDS: dict[str, tuple[str, ...]] = {  # each writes to `--out`
    "pretrain": (*SMALL, "--recipe", "vae"),
    "compare": (*SMALL, "--methods", "raw", "undercomplete", "--probe", "ridge"),
    "sweep": (*SMALL, "--axis", "latent_dim=2,3", "--probe", "ridge"),
    "probe": ("--run", MODEL, "--head-epochs", "2", "--probe", "ridge"),
    "explore": ("--run", MODEL, "--anomaly-class", "none"),
    "export": ("--run", MODEL, "--formats", "orbax", "safetensors"),
    "report": ("--run", "compared"),
}
WORKING_NAMES = ("found", "checkpoints", "replaced")
HOSTILE_NAMES = ("a b", "-x", "[bold]", "$(id)", "naïve", "'\"", "%s{}", ".hidden", "x" * 200)


class Undisturbed(NamedTuple):
    """A command that was not disturbed."""

    command: str
    fingerprint: Any
    seconds: float


def start_command(command: str, out: str, folder: Path, log: Path) -> ForkServerProcess:
    """Starts a command in a process of its own, in a folder; its output goes to `log`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # importing takes longer than the command
    process = context.Process(target=_run_in_child, args=(command, out, folder, log))
    process.start()
    return process


def _run_in_child(command: str, out: str, folder: Path, log: Path) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    os.chdir(folder)
    argv = [*COMMANDS[command], f"--out={out}"]
    sys.argv = [command, *argv]
    run_main(lambda _: import_module(f"aejax.cli.commands.{command}").main(argv))


def run_command(command: str, out: str, folder: Path) -> Exit:
    """Runs a command until it ends."""
    log = folder / "log"
    return wait_for_exit(start_command(command, out, folder, log), log)


def command_fingerprint(command: str, out: Path) -> Any:
    """Returns what must be equal in two runs of a command; raises if the folder has what does not belong there."""
    if command == "report":
        return out.read_bytes()
    left = [path.name for path in out.rglob("*") if path.name in WORKING_NAMES or path.name.endswith(".tmp")]
    if command == "export":
        verify_manifest(out)
        return load_encoder(out).metadata.arrays_sha256
    assert not left, f"left over: {left}"
    if command == "explore":
        parts = read_results(out / "explore.json")["parts"]
        return repr(parts), sorted(path.name for path in out.glob("*.png"))
    return run_fingerprint(out)


def run_undisturbed(folder: Path) -> list[Undisturbed]:
    """Runs every command once; raises RuntimeError if one fails."""
    made = []
    for command in COMMANDS:
        out, began = {"pretrain": MODEL, "compare": "compared"}.get(command, f"whole-{command}"), time.perf_counter()
        ended = run_command(command, out, folder)
        if ended.status:
            raise RuntimeError(f"{command}: ended with {ended}")
        made.append(Undisturbed(command, command_fingerprint(command, folder / out), time.perf_counter() - began))
    return made


def _judge(one: Undisturbed, out: Path, ended: Exit, noticed: bool, problem: str) -> Outcome:
    """Returns the outcome of a command that was disturbed and has ended."""
    try:
        survived = ended.status == 0 and command_fingerprint(one.command, out) == one.fingerprint
        reason = "its results differ" if ended.status == 0 else f"ended with {ended}"
    except Exception as error:  # what the test looks for
        survived, reason = False, f"{type(error).__name__}: {error}"
    stray = [path.name for path in out.parent.iterdir() if path.name.startswith(f".{out.name}.")]
    survived = survived and not stray
    return Outcome(survived, noticed, f"{one.command}: {problem}: {f'left {stray}' if stray else reason}")


def kill_commands(folder: Path, min_kills: int, seed: int) -> Iterator[Outcome]:
    """Kills each command at a random moment until it ends, again and again, until enough kills have hit."""
    folder.mkdir(parents=True)
    whole, rng, hits, number = run_undisturbed(folder), np.random.default_rng(seed), 0, 0
    while hits < min_kills:
        one, out = whole[number % len(whole)], folder / f"run-{number}"
        number += 1
        kills, ended = 0, Exit(-signal.SIGKILL, "")
        while ended.status == -signal.SIGKILL and kills < MAX_RESTARTS:
            process = start_command(one.command, out.name, folder, folder / "log")
            process.join(rng.uniform(0, 1.1 * one.seconds))
            process.kill()
            ended = wait_for_exit(process, folder / "log")
            kills += ended.status == -signal.SIGKILL
        hits += kills
        outcome = _judge(one, out, ended, True, f"{kills} kills")
        yield from [outcome] * (kills if outcome.survived else 1)
        _remove(out)


def _remove(out: Path) -> None:
    shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)


def start_twice(folder: Path, rounds: int) -> Iterator[Outcome]:
    """Starts each command twice at once: one is done, the other is done or ends with one line."""
    folder.mkdir(parents=True)
    for number, one in enumerate(run_undisturbed(folder) * rounds):
        out, logs = folder / f"run-{number}", [folder / f"log-{racer}" for racer in (1, 2)]
        processes = [start_command(one.command, out.name, folder, log) for log in logs]
        first, second = sorted(map(wait_for_exit, processes, logs))
        noticed = second.status == 0 or (second.status == 2 and second.message.startswith("error: "))
        yield _judge(one, out, first, noticed, f"two at once, {second}")
        _remove(out)


def take_folder_away(folder: Path, rounds: int, seed: int) -> Iterator[Outcome]:
    """Moves or deletes the folder of a command while it runs: one line and status 2; then the same command is done."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    disturbances: tuple[Callable[[Path], object], ...] = (shutil.rmtree, lambda out: out.rename(out.with_name("moved")))
    writers = [one for one in run_undisturbed(folder) if one.command not in ("report", "export")]
    for number, one in enumerate(writers * rounds):
        out = folder / f"run-{number}"
        process = start_command(one.command, out.name, folder, folder / "log")
        while process.is_alive() and not (out / "run.json").exists():
            time.sleep(0.01)
        process.join(rng.uniform(0, 0.3 * one.seconds))
        took_away = out.exists() and process.is_alive()
        if took_away:
            disturbances[number % 2](out)
        ended = wait_for_exit(process, folder / "log")
        one_line = ended.status == 2 and ended.message.startswith("error: ")
        again = run_command(one.command, out.name, folder)
        yield _judge(one, out, again, one_line or ended.status == 0, f"folder taken away {took_away}, {ended}")
        for path in (out, folder / "moved"):
            _remove(path)


def use_hostile_names(folder: Path) -> Iterator[Outcome]:
    """Runs commands into folders with names that shells, markup and formats would read."""
    folder.mkdir(parents=True)
    whole = {one.command: one for one in run_undisturbed(folder)}
    for name in HOSTILE_NAMES:
        for command in ("pretrain", "export"):
            out = folder / f"{name}-{command}"
            yield _judge(whole[command], out, run_command(command, out.name, folder), True, repr(name))
            _remove(out)

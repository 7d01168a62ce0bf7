"""Commands that are killed, started twice at once, or lose their folder.

Each runs in a process of its own, forked from one that has imported everything and started nothing: it costs what the
command itself costs.
"""

import contextlib
import functools
import importlib
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aejax.cli import run_main
from aejax.experiments.environment import usable_cores
from aejax.storage.atomic_io import read_json
from aejax.storage.manifest import verify_manifest
from aejax.storage.pretrained_encoder import load_encoder
from aejax.storage.pytree_io import META_FILE, load_tree, named_leaves
from aejax.storage.results_file import read_results
from tests.robustness.disturbances import Outcome
from tests.robustness.training_process import Exit, drop_volatile_fields, run_fingerprint, wait_for_exit

SMALL = ("--dataset", "wine", "--seeds", "2", "--hidden", "4", "--latent-dim", "2", "--epochs", "3")
COMPARE = ("compare", *SMALL, "--methods", "raw", "undercomplete", "--probe", "ridge")
COMMANDS: dict[str, tuple[str, ...]] = {  # the words of each, without --out; later ones read the runs of earlier ones
    "pretrain": ("pretrain", *SMALL, "--recipe", "vae"),
    "compare": COMPARE,
    "shard 1": (*COMPARE, "--shard", "1/2"),
    "shard 2": (*COMPARE, "--shard", "2/2"),
    "label curve": (*COMPARE, "--label-curve", "--label-budgets", "2", "4"),
    "sweep": ("sweep", *SMALL, "--axis", "latent_dim=2,3", "--probe", "ridge"),
    "probe": ("probe", "--run", "whole-pretrain", "--head-epochs", "2", "--probe", "ridge"),
    "explore": ("explore", "--run", "whole-pretrain", "--anomaly-class", "none"),
    "export": ("export", "--run", "whole-pretrain", "--formats", "orbax", "safetensors"),
    "report": ("report", "--run", "whole-compare", "whole-pretrain"),
    "report --merge": ("report", "--merge", "whole-shard 1", "whole-shard 2"),
    "reproduce": ("reproduce", "--only", "digits-lr", "digits-knn"),
    "study": ("study", "study.toml"),
}
STUDY = """
[study]
methods = ["raw", "undercomplete"]
label_budgets = [2]
seeds = 2
[defaults]
hidden = [4]
latent_dim = 2
epochs = 3
probe = "ridge"
[[dataset]]
dataset = "wine"
[[dataset]]
dataset = "iris"
"""
ENVIRONMENT = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}  # most of the time goes into compiling
MAX_KILLS_OF_ONE = 20  # before a command is let to its end
WORKING_NAMES = ("found", "checkpoints", "replaced")
WRITES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.utime")
EXPERIMENTS = ("label_curve", "sensitivity", "sweep", "probe_run", "explore", "export", "shards", "study")
PRELOADED = (
    *(f"aejax.experiments.{name}" for name in EXPERIMENTS),
    *("aejax.replication.ledger", "aejax.report.run_page", "matplotlib.backends.backend_agg"),
    *("orbax.checkpoint", "safetensors.numpy", "sklearn.linear_model", "tyro"),
)


class Undisturbed(NamedTuple):
    """A command that was not disturbed."""

    command: str
    fingerprint: Any
    seconds: float
    writes: int  # calls that changed its folder


def start_command(command: str, out: str, folder: Path, log: Path, kill_at: int = 0) -> ForkServerProcess:
    """Starts a command of `COMMANDS` that writes `out`; other arguments as `start_words`."""
    return start_words((*COMMANDS[command], f"--out={out}"), folder, log, kill_at)


def start_words(words: Sequence[str], folder: Path, log: Path, kill_at: int = 0) -> ForkServerProcess:
    """Starts a command in a process of its own.

    Args:
        words: the command and its flags.
        folder: where it runs.
        log: the file of its output.
        kill_at: kills it with SIGKILL just before so many calls have changed anything in the folder; 0: never.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *PRELOADED])
    process = context.Process(target=_run_in_child, args=(words, folder, log, kill_at))
    process.start()
    return process


def _run_in_child(words: Sequence[str], folder: Path, log: Path, kill_at: int) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())
    os.environ |= {name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()}
    os.chdir(folder)
    name, *argv = words
    sys.argv = [name, *argv]
    counter = _count_writes(folder, kill_at)
    try:
        run_main(lambda _: importlib.import_module(f"aejax.cli.commands.{name}").main(argv))
    finally:
        log.with_suffix(".writes").write_text(str(next(counter)))


def _count_writes(folder: Path, kill_at: int) -> Iterator[int]:
    """Counts the calls of this process that change a folder, and kills it at one of them; returns the counter."""
    counter = itertools.count(1)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        writes = event in WRITES or (event == "open" and (args[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        with contextlib.suppress(TypeError, ValueError):  # a descriptor instead of a path
            inside = writes and Path(os.path.abspath(os.fsdecode(args[0]))).is_relative_to(folder)
            if inside and next(counter) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return counter


def run_command(command: str, out: str, folder: Path) -> Exit:
    """Runs a command until it ends."""
    log = folder / f"{Path(out).name[:100]}.log"
    return wait_for_exit(start_command(command, out, folder, log), log)


def command_fingerprint(command: str, out: Path) -> Any:
    """Returns what must be equal in two runs of a command; raises if the folder has what does not belong there."""
    if command == "report":
        return out.read_bytes()
    left = [path.name for path in out.rglob("*") if path.name in WORKING_NAMES or path.name.endswith(".tmp")]
    if command.startswith("shard"):  # which leaves the features of its methods to the merge
        saved = {path.parent for path in out.rglob(META_FILE)}
        trees = {path.name: named_leaves(load_tree(path).tree) for path in sorted(saved)}
        return {name: {leaf: array.tobytes() for leaf, array in leaves.items()} for name, leaves in trees.items()}
    assert command == "export" or not left, f"left over: {left}"
    if command == "export":
        verify_manifest(out)
        return load_encoder(out).metadata.arrays_sha256
    if command == "explore":
        parts = read_results(out / "explore.json")["parts"]
        return repr(parts), sorted(path.name for path in out.glob("*.png"))
    if command == "reproduce":
        return json.dumps(drop_volatile_fields(read_json(out / "ledger.json")))
    runs = [path.parent for path in sorted(out.rglob("config.json"))]
    of_all = json.dumps(drop_volatile_fields(read_results(out / "results.json")))
    return of_all, {str(run.relative_to(out)): run_fingerprint(run) for run in runs}


@functools.cache
def run_undisturbed(folder: Path, commands: tuple[str, ...] = tuple(COMMANDS)) -> list[Undisturbed]:
    """Runs commands once, into `whole-COMMAND` of a new folder; raises RuntimeError if one fails."""
    folder.mkdir(parents=True)
    (folder / "study.toml").write_text(STUDY)
    made = []
    for command in commands:
        out, began = folder / f"whole-{command}", time.perf_counter()
        ended = run_command(command, out.name, folder)
        if ended.status:
            raise RuntimeError(f"{command}: ended with {ended}")
        writes = int(out.with_suffix(".writes").read_text())
        seconds = time.perf_counter() - began
        made.append(Undisturbed(command, command_fingerprint(command, out), seconds, writes))
    return made


def judge(one: Undisturbed, out: Path, ended: Exit, noticed: bool, problem: str) -> Outcome:
    """Returns the outcome of a command that was disturbed and has ended."""
    try:
        survived = ended.status == 0 and command_fingerprint(one.command, out) == one.fingerprint
        reason = "its results differ" if ended.status == 0 else f"ended with {ended}"
    except Exception as error:  # what the test looks for
        survived, reason = False, f"{type(error).__name__}: {error}"
    stray = [path.name for path in out.parent.iterdir() if path.name.startswith(f".{out.name}.")]
    survived = survived and not stray
    return Outcome(survived, noticed, f"{one.command}: {problem}: {f'left {stray}' if stray else reason}")


def is_one_line(ended: Exit) -> bool:
    """Returns whether a command ended with status 2 and one line."""
    return ended.status == 2 and ended.message.startswith("error: ")


def kill_commands(whole: Sequence[Undisturbed], folder: Path, min_kills: int, seed: int) -> Iterator[Outcome]:
    """Kills commands again and again until each ends, one per core at once, until enough kills have hit.

    Half of the kills come at a random time, half just before a random call that changes the command's folder.
    """
    hits, rounds = 0, itertools.count()
    with ThreadPoolExecutor(usable_cores()) as threads:
        while hits < min_kills:
            numbers = itertools.islice(rounds, usable_cores())
            for outcomes in threads.map(lambda number: _kill_until_done(whole, folder, number, seed), numbers):
                hits += len(outcomes)
                yield from outcomes


def _kill_until_done(whole: Sequence[Undisturbed], folder: Path, number: int, seed: int) -> list[Outcome]:
    """Kills a command until it ends, at most `MAX_KILLS_OF_ONE` times.

    Returns:
        An outcome for each kill, or one of a command that did not end as it should.
    """
    one, out, rng = whole[number % len(whole)], folder / f"run-{number}", np.random.default_rng([seed, number])
    log, kills, ended = out.with_suffix(".log"), 0, Exit(-signal.SIGKILL, "")
    while ended.status == -signal.SIGKILL and kills < MAX_KILLS_OF_ONE:
        at_call = rng.uniform() < 0.5
        kill_at = int(rng.integers(1, one.writes + 1)) if at_call else 0
        process = start_command(one.command, out.name, folder, log, kill_at)
        if not at_call:
            process.join(rng.uniform(0, 1.1 * one.seconds))
            process.kill()
        ended = wait_for_exit(process, log)
        kills += ended.status == -signal.SIGKILL
    if ended.status == -signal.SIGKILL:  # on a busy machine every attempt may take longer than the undisturbed run
        ended = run_command(one.command, out.name, folder)
    outcome = judge(one, out, ended, True, f"{kills} kills")
    remove(out)
    return [outcome] * (kills if outcome.survived else 1)


def remove(out: Path) -> None:
    """Removes what a command wrote."""
    shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)

"""The commands that are disturbed, and their runs that are not.

Each runs in a process of its own, forked from one that has imported everything and started nothing: it costs what the
command itself costs.
"""

import contextlib
import functools
import importlib
import itertools
import multiprocessing
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple

from aejax.autoencoders.registry import KINDS
from aejax.cli import run_main
from tests.robustness.fingerprints import command_fingerprint

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
TRAINING = (  # of any kind, with a checkpoint after each of about twenty calls
    *("pretrain", "--dataset", "digits", "--seeds", "2", "--valid-fraction", "0.2", "--save-every", "0"),
    *("--hidden", "8", "--latent-dim", "3", "--channels", "2", "--sparse-dim", "12", "--k", "2"),
    *("--epochs", "40", "--layer-epochs", "10", "--batch-size", "256"),
)
WORDS = COMMANDS | {f"training {kind}": (*TRAINING, "--recipe", kind) for kind in KINDS}
ENVIRONMENT = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}  # most of the time goes into compiling
RUN_TIMEOUT_SECONDS = 600.0  # after which a run counts as hanging
WRITES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.utime")
EXPERIMENTS = ("label_curve", "sensitivity", "sweep", "probe_run", "explore", "export", "shards", "study")
PRELOADED = (
    *(f"aejax.experiments.{name}" for name in EXPERIMENTS),
    *("aejax.replication.ledger", "aejax.report.run_page", "matplotlib.backends.backend_agg"),
    *("orbax.checkpoint", "safetensors.numpy", "sklearn.linear_model", "tyro"),
)


class Exit(NamedTuple):
    """How a command ended."""

    status: int
    message: str  # the last line of its output

    @property
    def is_one_line(self) -> bool:
        """Whether it was refused in one line."""
        return self.status == 2 and self.message.startswith("error: ")


class Running(NamedTuple):
    """A command in a process of its own."""

    process: ForkServerProcess
    log: Path  # the file of its output

    def wait(self, seconds: float = RUN_TIMEOUT_SECONDS) -> Exit:
        """Returns how the command ended; kills one that hangs."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        assert self.process.exitcode is not None
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        return Exit(self.process.exitcode, lines[-1] if lines else "no output")

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits until something has happened, or the command has ended."""
        while self.process.is_alive() and not condition():
            time.sleep(0.01)


def start_words(words: Sequence[str], folder: Path, name: str, kill_at: int = 0) -> Running:
    """Starts a command in a process of its own.

    Args:
        words: the command and its flags.
        folder: where it runs.
        name: of the file of its output there, `NAME.log`.
        kill_at: kills it with SIGKILL just before so many calls have changed anything in the folder; 0: never.
    """
    context, log = multiprocessing.get_context("forkserver"), folder / f"{name}.log"
    context.set_forkserver_preload([__name__, *PRELOADED])
    process = context.Process(target=_run_in_child, args=(words, folder, log, kill_at))
    process.start()
    return Running(process, log)


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


class Outcome(NamedTuple):
    """What one disturbance led to."""

    survived: bool  # the run ended like the reference
    noticed: bool  # the run responded as promised
    fault: str  # describes it if a promise was broken


class Reference(NamedTuple):
    """A command and its run that was not disturbed."""

    command: str
    out: Path
    fingerprint: Any
    seconds: float
    writes: int  # calls that changed its folder

    def start(self, out: str, *flags: str, log: str = "", kill_at: int = 0) -> Running:
        """Starts the command again, into another folder; other arguments as `start_words`."""
        words = (*WORDS[self.command], *flags, f"--out={out}")
        return start_words(words, self.out.parent, log or Path(out).name[:100], kill_at)

    def run(self, out: str, *flags: str) -> Exit:
        """Runs the command again until it ends."""
        return self.start(out, *flags).wait()

    def judge(self, out: str, ended: Exit, noticed: bool, problem: str) -> Outcome:
        """Returns the outcome of a run that was disturbed and has ended, and removes what it wrote."""
        path = self.out.parent / out
        try:
            survived = ended.status == 0 and command_fingerprint(self.command, path) == self.fingerprint
            reason = "its results differ" if ended.status == 0 else f"ended with {ended}"
        except Exception as error:  # what the test looks for
            survived, reason = False, f"{type(error).__name__}: {error}"
        stray = [other.name for other in path.parent.iterdir() if other.name.startswith(f".{path.name}.")]
        remove(path)
        return Outcome(
            survived and not stray, noticed, f"{self.command}: {problem}: {f'left {stray}' if stray else reason}"
        )


@functools.cache
def run_undisturbed(folder: Path, commands: tuple[str, ...]) -> list[Reference]:
    """Runs commands once, into `whole-COMMAND` of a new folder; raises RuntimeError if one fails."""
    folder.mkdir(parents=True)
    (folder / "study.toml").write_text(STUDY)
    made = []
    for command in commands:
        out, began = folder / f"whole-{command}", time.perf_counter()
        ended = start_words((*WORDS[command], f"--out={out.name}"), folder, out.name).wait()
        seconds = time.perf_counter() - began
        if ended.status:
            raise RuntimeError(f"{command}: ended with {ended}")
        writes = int((folder / f"{out.name}.writes").read_text())
        made.append(Reference(command, out, command_fingerprint(command, out), seconds, writes))
    return made


def saved_checkpoints(run: Path) -> list[Path]:
    """Returns the checkpoints that a run has now."""
    return [path for path in run.glob("checkpoints/*/*") if path.name.isdecimal()]


def remove(out: Path) -> None:
    """Removes what a command wrote."""
    shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)

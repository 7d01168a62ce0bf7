"""Compare methods on many data sets, with few labels and with all.

    aejax study FILE.toml --out runs/study

FILE declares data sets, methods, label budgets and questions; `aejax docs study` describes it. Each data set is a
comparison with a folder of its own; an interrupted study continues, and one that has grown runs what is new. Writes
`report.html`, `table.md`, figures and `results.json`. --list shows what will be run and about how long it takes;
--shard I/N runs every N-th comparison, into the same folder or one that is copied there later.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tyro

from aejax.cli.arguments import load_plugins, parse_args
from aejax.cli.console import make_console
from aejax.cli.devices import configure_cpu_devices
from aejax.config import CheckpointConfig, OutputConfig
from aejax.errors import require

FLAGS = ("out", "list", "shard", "overwrite", "details", "json")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `aejax study`."""

    file: tyro.conf.Positional[Path | None] = None  # TOML or Python file that declares the study
    out: Path | None = None  # folder of the study; default: runs/study-FILE
    list: bool = False  # show the comparisons with sizes, label budgets and about how long they take; run nothing
    shard: str | None = None
    """I/N, I from 1 to N: run the I-th of every N comparisons. The command without --shard, in a folder that has all of
    them, writes the results. --verbose prints all that each comparison does."""
    plugin: tuple[Path, ...] = ()  # Python files that register kinds of your own by aejax.register; they are run
    checkpoint: CheckpointConfig = CheckpointConfig()
    output: OutputConfig = OutputConfig()


def main(argv: Sequence[str]) -> None:
    """Runs `aejax study` with the words after it on the command line."""
    args = parse_args(Args(), argv, __doc__ or "", FLAGS)
    require(args.file is not None, "FILE: missing; give the TOML or Python file of a study (see aejax docs study)")
    assert args.file is not None
    load_plugins(argv)

    from aejax.experiments.study import list_study, run_study
    from aejax.experiments.study_file import read_study
    from aejax.report.study_table import render_plan, render_study_terminal
    from aejax.report.terminal import print_results

    study = read_study(args.file)
    configure_cpu_devices(max(run.config.seeds for run in study.runs))
    console, out = make_console(args.output), args.out or Path("runs") / f"study-{args.file.stem}"
    if args.list:
        console.print(render_plan(list(list_study(study, out))))
        return
    results = run_study(study, out, console, args.checkpoint, args.shard)
    if results is None:
        console.print_line(f"{out}: shard {args.shard} has been run; the command without --shard writes the results")
        return
    shown = render_study_terminal(results, details=args.output.details)
    print_results(
        console, results, shown, out, "report.html, table.md, figures, results.json, a folder of each data set"
    )

"""Show the findings and tables of finished runs, or judge them again.

    aejax report --run runs/compare-digits

Prints what the command of each run printed at its end; --out FILE.html makes one page of all of them. With --rejudge,
intervals and verdicts are computed again from the run's `correct.npz` or `scores.npz`, without training;
`results.json` and `table.md` are replaced, and a line for each verdict that differs is printed. With --merge, the
folders of all shards of `compare --shard I/N` or `sweep --shard I/N` become one run, as if it had not been divided; the
data are read again.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aejax.cli.arguments import load_plugins, parse_args
from aejax.cli.console import make_console
from aejax.config import OutputConfig
from aejax.errors import escape_unprintable, require

if TYPE_CHECKING:
    from aejax.report.terminal import RunConsole

FLAGS = ("run", "rejudge", "merge", "out", "details", "json")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `aejax report`."""

    run: tuple[Path, ...] = ()  # folders of finished runs
    rejudge: bool = False  # judge by today's rules, and replace results.json and table.md
    merge: tuple[Path, ...] = ()  # folders of all shards of one run, which become the run folder --out
    plugin: tuple[Path, ...] = ()  # with --merge: the files that registered the shards' kinds; they are run
    out: Path | None = None  # write all runs to this file, too: a page (.html), or their tables (Markdown)
    output: OutputConfig = OutputConfig()


def main(argv: Sequence[str]) -> None:
    """Runs `aejax report` with the words after it on the command line."""
    args = parse_args(Args(), argv, __doc__ or "", FLAGS)

    from rich.text import Text

    from aejax.experiments.rejudge import rejudge_run
    from aejax.report.run_page import MARKDOWN, read_run, render_run_markdown, render_run_terminal, write_runs_page
    from aejax.report.terminal import print_results
    from aejax.storage.atomic_io import remove_abandoned, write_atomically

    console = make_console(args.output)
    if args.merge:
        load_plugins(argv)
        _merge(args, console)
        return
    require(args.run, "--run: missing; give folders of finished runs")
    runs = {}
    for folder in args.run:
        results, changes = rejudge_run(folder) if args.rejudge else (read_run(folder, MARKDOWN), [])
        if not args.output.json:
            console.rule(Text(escape_unprintable(str(folder))))
        shown = render_run_terminal(results, details=args.output.details)
        print_results(console, results, shown, folder, "table.md, figures, results.json")
        if args.rejudge:
            for line in ("judged again:", *(changes or ["no verdict differs"])):
                console.print_line(line)
        runs[folder] = results
    if args.out is not None:
        remove_abandoned(args.out)
    if args.out is not None and args.out.suffix == ".html":
        write_runs_page(runs, args.out)
    elif args.out is not None:
        tables = [f"# {folder.name}\n\n{render_run_markdown(results)}" for folder, results in runs.items()]
        write_atomically(args.out, "\n".join(tables).encode())


def _merge(args: Args, console: "RunConsole") -> None:
    from aejax.cli.devices import configure_devices
    from aejax.config import DistributedConfig
    from aejax.experiments.shards import merge_shards, read_shard_config
    from aejax.report.run_page import render_run_terminal
    from aejax.report.terminal import print_results

    require(args.out is not None and not args.run, "--merge: give the folder of the run as --out, and no --run")
    assert args.out is not None
    config = read_shard_config(args.merge)
    configure_devices(DistributedConfig(), config.plan, config.seeds)
    results = merge_shards(args.merge, args.out, console)
    shown = render_run_terminal(results, details=args.output.details)
    print_results(console, results, shown, args.out, "report.html, table.md, figures, results.json, scores.npz")

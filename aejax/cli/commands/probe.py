"""Classify with the frozen encoder of a pretraining run.

    aejax probe --run runs/vae-mnist

The convex probe classifies its codes, and so does a softmax head that is trained on the frozen encoder. Writes the same
files as `aejax compare`, by default into DIR/probe, and prints the head's prediction for one test example.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.cli.arguments import asks_help, load_plugins, parse_args, required_path
from aejax.cli.console import make_console
from aejax.cli.devices import configure_devices
from aejax.cli.run_flags import RunFlags
from aejax.config import PretrainConfig, ProbeRunConfig, from_dict
from aejax.errors import require

FLAGS = ("run", "label-fraction", "labels-per-class", "data-dir", "out", "overwrite", "details", "json")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args(RunFlags):
    """Flags of `aejax probe`."""

    run: Path  # folder that aejax pretrain made
    config: ProbeRunConfig
    out: Path | None = None  # run folder; default: RUN/probe, and a hash of the other flags


def main(argv: Sequence[str]) -> None:
    """Runs `aejax probe` with the words after it on the command line."""
    from aejax.storage.atomic_io import read_json

    run = required_path("run", argv, "a folder that aejax pretrain made")
    settings = run / "config.json"
    require(asks_help(argv) or settings.is_file(), f"--run {run}: is no run; give a folder that aejax pretrain made")
    trained = PretrainConfig() if asks_help(argv) else from_dict(PretrainConfig, read_json(settings), str(settings))
    config = ProbeRunConfig(head=trained.head)
    args = parse_args(Args(run=run, config=config), argv, __doc__ or "", FLAGS)
    load_plugins(argv)

    from aejax.experiments.probe_run import probe_run
    from aejax.experiments.run_naming import default_run_dir
    from aejax.report.comparison_table import render_comparison_terminal
    from aejax.report.terminal import print_results

    configure_devices(args.processes, trained.plan, trained.seeds, args.config)
    console = make_console(args.output)
    out = args.out or default_run_dir(args.run / "probe", args.config, config)
    results = probe_run(args.run, args.config, out, console, args.checkpoint)
    prediction = results["prediction"]
    console.print_line(
        f"Test example in row {prediction['row']}: the head predicts {prediction['predicted']} with probability "
        f"{prediction['probability']:.3f}; its label is {prediction['label']}."
    )
    shown = render_comparison_terminal(results, details=args.output.details)
    print_results(console, results, shown, out, "report.html, table.md, figures, results.json, scores.npz")

"""Reconstruct, denoise, sample, find anomalies and compress.

    aejax explore --run runs/vae-mnist

Writes figures, explore.json and explore.md, by default into DIR/explore. Much of its time is the training without a
class that anomaly detection needs, as long as one seed of the run: `--anomaly-class none` leaves it out,
`--anomaly-epochs N` shortens it, `--anomaly-class all` repeats it for every class.

`denoising` on MNIST, two seeds of 8 epochs: 80 s on a busy 2-core AMD EPYC, 50 s of processor time. It keeps 17.3 dB in
16 bytes of 784 (as many principal components: 15.7 dB), takes noise of deviation 0.3 from 10.5 to 16.8 dB (the best
number of components: 17.9 dB), and finds the digit 0, held out, with an AUROC of .957 (best baseline: .865).
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.cli.arguments import load_plugins, parse_args, required_path
from aejax.cli.console import make_console
from aejax.cli.devices import configure_devices
from aejax.cli.run_flags import RunFlags
from aejax.config import PlanConfig
from aejax.config.experiment import ExploreConfig

FLAGS = ("run", "seed", "anomaly-class", "anomaly-epochs", "data-dir", "out", "overwrite", "json")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args(RunFlags):
    """Flags of `aejax explore`."""

    run: Path  # folder that aejax pretrain made
    config: ExploreConfig
    out: Path | None = None  # folder of the exploration; default: RUN/explore, and a hash of the other flags


def main(argv: Sequence[str]) -> None:
    """Runs `aejax explore` with the words after it on the command line."""
    run = required_path("run", argv, "a folder that aejax pretrain made")
    args = parse_args(Args(run=run, config=ExploreConfig()), argv, __doc__ or "", FLAGS)
    load_plugins(argv)

    from aejax.experiments.explore import explore
    from aejax.experiments.run_naming import default_run_dir
    from aejax.report.analysis_page import render_analysis_terminal
    from aejax.report.terminal import print_results

    configure_devices(args.processes, PlanConfig(), 1, args.config)
    console = make_console(args.output)
    out = args.out or default_run_dir(args.run / "explore", args.config, ExploreConfig())
    results = explore(args.run, args.config, out, console, args.checkpoint)
    figures = sum(len(part["figures"]) for part in results["parts"].values())
    shown = render_analysis_terminal(results, details=args.output.details)
    print_results(console, results, shown, out, f"report.html, explore.md, explore.json, {figures} figures")

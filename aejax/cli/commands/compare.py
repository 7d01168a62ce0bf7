"""Compare autoencoders with every control that could explain them.

    aejax compare --dataset digits --seeds 10 --methods raw pca random vae

Trains every method on the same splits, classifies each method's features with the same probe, and writes a table,
figures and `results.json` to the run folder. --label-curve repeats the comparison with fewer and fewer labels, and
--sensitivity under other settings.
What to expect, and what it cost where: `results/README.md`.
"""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.cli.arguments import flag_value, load_plugins, parse_args, starting_config
from aejax.cli.console import make_console
from aejax.cli.devices import configure_devices
from aejax.cli.run_flags import TrainingFlags
from aejax.config import CompareConfig
from aejax.errors import require

FLAGS = (
    *("dataset", "data-dir", "label-column", "seeds", "methods", "features", "epochs", "latent-dim", "label-fraction"),
    *("versus", "label-curve", "sensitivity", "out", "overwrite", "config", "details", "json"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args(TrainingFlags):
    """Flags of `aejax compare`."""

    config: CompareConfig
    out: Path | None = None  # run folder; default: runs/compare-DATASET, and a hash of the other flags
    sensitivity: bool = False
    """Judge every verdict again under other draws, probes and penalties, declared in aejax/experiments/variations.py;
    what it costs is printed first. A finished run gets it, too."""
    label_curve: bool = False
    """Compare again with 2, 4, 8, ... labels per class, nested; autoencoders are trained once. A finished run gets it,
    too."""
    label_budgets: tuple[int, ...] = ()  # the labels per class of --label-curve, which this implies
    label_epsilon: float | None = None
    """The loss in nats whose cost in labels --label-curve measures; default: that of the first control, raw inputs,
    with all labels."""


def main(argv: Sequence[str]) -> None:
    """Runs `aejax compare` with the words after it on the command line."""
    from aejax.autoencoders.registry import KINDS
    from aejax.methods.registry import CONTROLS, KIND_CONTROLS
    from aejax.recipes import compare_defaults

    load_plugins(argv)
    start = starting_config(compare_defaults(flag_value("dataset", argv, "digits")), argv)
    names = {"kinds": sorted(KINDS), "controls": [*sorted(CONTROLS), *(f"{name}-KIND" for name in KIND_CONTROLS)]}
    args = parse_args(Args(config=start), argv, __doc__ or "", FLAGS, names)

    from aejax.experiments.run_naming import dataset_slug, default_run_dir
    from aejax.report.comparison_table import render_comparison_terminal
    from aejax.report.terminal import print_results

    configure_devices(args.processes, args.config.plan, args.config.seeds, args.config)
    console = make_console(args.output)
    dataset = args.config.data.dataset
    folder = Path("runs") / f"compare-{dataset_slug(dataset)}"
    out = args.out or default_run_dir(folder, args.config, compare_defaults(dataset))
    results = run(args, out, console)
    if args.config.shard is not None:
        console.print_line(f"{out}: shard {args.config.shard}; aejax report --merge joins all")
        return
    shown = render_comparison_terminal(results, details=args.output.details)
    print_results(console, results, shown, out, "report.html, table.md, figures, results.json, scores.npz")


def run(args: Args, out: Path, console: Console) -> dict[str, Any]:
    """Runs the comparison, and those of --sensitivity and --label-curve, into a folder and returns the results."""
    from aejax.experiments.compare import load_comparison
    from aejax.experiments.label_curve import analyze_label_curve
    from aejax.experiments.variations import analyze_sensitivity
    from aejax.experiments.varied_runs import run_with_analyses

    has_curve = args.label_curve or bool(args.label_budgets)
    require(has_curve or args.label_epsilon is None, "--label-epsilon: is about --label-curve; add it")
    start_time = time.perf_counter()
    design = load_comparison(args.config)
    analyses = [analyze_sensitivity(design)] if args.sensitivity else []
    if has_curve:
        analyses.append(analyze_label_curve(design, args.label_budgets, args.label_epsilon))
    return run_with_analyses(design, analyses, out, console, args.checkpoint, start_time)

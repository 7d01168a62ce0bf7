"""Compare autoencoders with every control that could explain them.

    aejax compare --dataset digits --seeds 10 --methods raw pca random vae

Trains every method on the same splits, classifies each method's features with the same probe, and writes a table,
figures and `results.json` to the run folder. --sensitivity adds how many of its verdicts hold under other settings.
What to expect, and what it cost where: `results/README.md`.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.cli.arguments import flag_value, load_plugins, parse_args, starting_config
from aejax.cli.console import make_console
from aejax.cli.devices import configure_devices
from aejax.cli.run_flags import TrainingFlags
from aejax.config import CompareConfig

FLAGS = (
    *("dataset", "data-dir", "label-column", "seeds", "methods", "features", "epochs", "latent-dim", "label-fraction"),
    *("versus", "sensitivity", "out", "overwrite", "config", "details", "json"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args(TrainingFlags):
    """Flags of `aejax compare`."""

    config: CompareConfig
    out: Path | None = None  # run folder; default: runs/compare-DATASET, and a hash of the other flags
    sensitivity: bool = False
    """Judge every verdict again under other draws, probes and penalties, declared in aejax/experiments/variations.py;
    what it costs is printed first. A finished run gets it, too."""


def main(argv: Sequence[str]) -> None:
    """Runs `aejax compare` with the words after it on the command line."""
    from aejax.autoencoders.registry import KINDS
    from aejax.methods.registry import CONTROLS, KIND_CONTROLS
    from aejax.recipes import compare_defaults

    load_plugins(argv)
    start = starting_config(compare_defaults(flag_value("dataset", argv, "digits")), argv)
    names = {"kinds": sorted(KINDS), "controls": [*sorted(CONTROLS), *(f"{name}-KIND" for name in KIND_CONTROLS)]}
    args = parse_args(Args(config=start), argv, __doc__ or "", FLAGS, names)

    from aejax.experiments.compare import compare
    from aejax.experiments.run_naming import dataset_slug, default_run_dir
    from aejax.experiments.sensitivity import compare_with_sensitivity
    from aejax.report.comparison_table import render_comparison_terminal
    from aejax.report.terminal import print_results

    configure_devices(args.processes, args.config.plan, args.config.seeds, args.config)
    console = make_console(args.output)
    dataset = args.config.data.dataset
    folder = Path("runs") / f"compare-{dataset_slug(dataset)}"
    out = args.out or default_run_dir(folder, args.config, compare_defaults(dataset))
    run = compare_with_sensitivity if args.sensitivity else compare
    results = run(args.config, out, console, args.checkpoint)
    if args.config.shard is not None:
        console.print_line(f"{out}: shard {args.config.shard}; aejax report --merge joins all")
        return
    shown = render_comparison_terminal(results, details=args.output.details)
    print_results(console, results, shown, out, "report.html, table.md, figures, results.json, scores.npz")

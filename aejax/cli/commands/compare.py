"""Does an autoencoder's code help a classifier, by how much, and compared with what?

    aejax compare [--dataset digits] [--seeds 10] [--methods NAME ...] [--epochs N] [--out DIR]
        [--versus NAME ...] [--sensitivity]

Trains every method on the same splits, classifies each method's features with the same probe, and writes a table,
figures and `results.json` to the run folder. --sensitivity adds how many of its verdicts hold under other settings.
What to expect, and what it cost where: `results/README.md`.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.cli.arguments import flag_value, load_plugins, parse_args
from aejax.cli.console import make_console
from aejax.cli.devices import configure_devices
from aejax.config import CheckpointConfig, CompareConfig, DistributedConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `aejax compare`."""

    config: CompareConfig
    out: Path | None = None  # run folder; default: runs/compare-DATASET, and a hash of the other flags
    sensitivity: bool = False
    """Judge every verdict again under other draws, probes and penalties, declared in aejax/experiments/variations.py;
    what it costs is printed first. A finished run gets it, too."""
    plugin: tuple[Path, ...] = ()  # Python files that register kinds of your own by aejax.register; they are run
    checkpoint: CheckpointConfig = CheckpointConfig()
    processes: DistributedConfig = DistributedConfig()


def main(argv: Sequence[str]) -> None:
    from aejax.experiments.compare import compare
    from aejax.experiments.run_naming import dataset_slug, default_run_dir
    from aejax.experiments.sensitivity import compare_with_sensitivity
    from aejax.recipes import compare_defaults
    from aejax.report.comparison_table import render_comparison_terminal

    load_plugins(argv)
    defaults = Args(config=compare_defaults(flag_value("dataset", argv, "digits")))
    args = parse_args(defaults, argv, __doc__ or "")
    configure_devices(args.processes, args.config.plan, args.config.seeds, args.config)
    console = make_console()
    name = f"compare-{dataset_slug(args.config.data.dataset)}"
    out = args.out or default_run_dir(Path("runs") / name, args.config, defaults.config)
    run = compare_with_sensitivity if args.sensitivity else compare
    results = run(args.config, out, console, args.checkpoint)
    if args.config.shard is not None:
        console.print(
            f"{out}: shard {args.config.shard}; aejax report --merge joins all", highlight=False, soft_wrap=True
        )
        return
    console.print(render_comparison_terminal(results))
    console.print(f"{out}: table.md, figures, results.json, scores.npz", highlight=False, soft_wrap=True)

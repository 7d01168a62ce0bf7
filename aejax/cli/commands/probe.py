"""Classify with the encoder of a pretraining run: the convex probe, and a softmax head on the frozen encoder.

    aejax probe --run DIR [--out DIR]

Writes the same files as compare.py, by default into DIR/probe, and prints the head's prediction for one test example.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.cli.arguments import flag_value, parse_args
from aejax.cli.console import make_console
from aejax.cli.devices import configure_devices
from aejax.config import (
    CheckpointConfig,
    DistributedConfig,
    HeadConfig,
    PlanConfig,
    PretrainConfig,
    ProbeRunConfig,
    from_dict,
)
from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `aejax probe`."""

    run: Path  # folder that pretrain.py made
    config: ProbeRunConfig
    out: Path | None = None  # run folder; default: RUN/probe, and a hash of the other flags
    checkpoint: CheckpointConfig = CheckpointConfig()
    processes: DistributedConfig = DistributedConfig()


def main(argv: Sequence[str]) -> None:
    from aejax.experiments.probe_run import probe_run
    from aejax.experiments.run_naming import default_run_dir
    from aejax.report.comparison_table import render_comparison_terminal
    from aejax.storage.atomic_io import read_json

    asks_help = bool({"-h", "--help"} & set(argv))
    run = Path(flag_value("run", argv, ""))
    require(asks_help or str(run) != ".", "--run: missing; give a folder that scripts/pretrain.py made")
    trained = None if asks_help else from_dict(PretrainConfig, read_json(run / "config.json"), str(run / "config.json"))
    config = ProbeRunConfig(head=trained.head if trained else HeadConfig())
    args = parse_args(Args(run=run, config=config), argv, __doc__ or "")
    configure_devices(
        args.processes, trained.plan if trained else PlanConfig(), trained.seeds if trained else 1, args.config
    )
    console = make_console()
    out = args.out or default_run_dir(args.run / "probe", args.config, config)
    results = probe_run(args.run, args.config, out, console, args.checkpoint)
    console.print(render_comparison_terminal(results))
    prediction = results["prediction"]
    console.print(
        f"Test example in row {prediction['row']}: the head predicts {prediction['predicted']} with probability "
        f"{prediction['probability']:.3f}; its label is {prediction['label']}.",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"{out}: table.md, figures, results.json, scores.npz", highlight=False, soft_wrap=True)

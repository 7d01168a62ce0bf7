"""Classify with the encoder of a pretraining run: the convex probe, and a softmax head on the frozen encoder.

    python scripts/probe.py --run DIR [--out DIR]

Writes the same files as compare.py, by default into DIR/probe, and prints what the head says of one test example.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.cli import flag_value, main, make_console, parse, use_devices
from aejax.config import (
    HeadConfig,
    KeepingConfig,
    PlanConfig,
    PretrainConfig,
    ProbingConfig,
    ProcessesConfig,
    from_dict,
)
from aejax.errors import require
from aejax.report.table import terminal_table
from aejax.run.probing import probe_run
from aejax.store.files import read_json


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of probe.py."""

    run: Path  # folder that pretrain.py made
    config: ProbingConfig
    out: Path | None = None  # run folder; default: RUN/probe
    keeping: KeepingConfig = KeepingConfig()
    processes: ProcessesConfig = ProcessesConfig()


def script(argv: Sequence[str]) -> None:
    asks_help = bool({"-h", "--help"} & set(argv))
    run = Path(flag_value("run", argv, ""))
    require(asks_help or str(run) != ".", "--run: missing; give a folder that scripts/pretrain.py made")
    trained = None if asks_help else from_dict(PretrainConfig, read_json(run / "config.json"), str(run / "config.json"))
    config = ProbingConfig(head=trained.head if trained else HeadConfig())
    args = parse(Args(run=run, config=config), argv, __doc__ or "")
    use_devices(args.processes, trained.plan if trained else PlanConfig(), trained.seeds if trained else 1)
    console = make_console()
    out = args.out or args.run / "probe"
    results = probe_run(args.run, args.config, out, console, args.keeping)
    console.print(terminal_table(results))
    said = results["prediction"]
    console.print(
        f"Test example in row {said['row']}: the head says {said['predicted']} with probability "
        f"{said['probability']:.3f}; its label is {said['label']}.",
        highlight=False,
        soft_wrap=True,
    )
    console.print(f"{out}: table.md, figures, results.json, scores.npz", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main(script)

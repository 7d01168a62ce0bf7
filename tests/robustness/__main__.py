"""Kill it, fill its disk, flip its bits: does a run lose anything?

    python -m tests.robustness [--command-kills 500] [--inputs 100000] [--minutes 60] [--only BEGINNING ...] [--out DIR]
    python -m tests.robustness --saves [--data-dir DIR] [--out DIR]      # and what do checkpoints cost?

Writes `faults.json` and `faults.md`: disturbances tried, survived, noticed, lost; expect 0 lost. The committed table
and its cost: `results/faults/faults.md`. The full disks need the permission to mount; without it they are reported as
not run. The exit status is 1 if a promise was broken.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from aejax.cli import configure_cpu_devices, make_console, parse_args, run_main
from tests.robustness.report import broken_promises
from tests.robustness.save_overhead import measure_save_overhead
from tests.robustness.scenarios import RobustnessBudget, run_suite


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `python -m tests.robustness`."""

    budget: RobustnessBudget = RobustnessBudget()  # noqa: RUF009 -- frozen
    only: tuple[str, ...] = ()  # run the scenarios whose names begin so (`readers`: the fuzzing); other rows are kept
    saves: bool = False  # measure the cost of a checkpoint after every epoch of MNIST instead
    seeds: int = 4  # of that measurement
    data_dir: Path | None = None  # where MNIST is found; default AEJAX_DATA
    out: Path = Path("runs/faults")  # results folder; earlier results in it are replaced


def main(argv: Sequence[str]) -> None:
    args = parse_args(Args(), argv, __doc__ or "")
    console = make_console()
    if args.saves:
        configure_cpu_devices(args.seeds)
        share = measure_save_overhead(args.seeds, args.data_dir, args.out)["share"]
        console.print(f"{args.out}: saves.md, saves.json; saving takes {100 * share:+.1f} %", highlight=False)
        return
    broken = broken_promises(run_suite(args.budget, args.out, console, args.only))
    for fault in broken:
        console.print(f"BROKEN: {fault}", highlight=False, soft_wrap=True)
    console.print(f"{args.out}: faults.md, faults.json", highlight=False, soft_wrap=True)
    if broken:
        sys.exit(1)


if __name__ == "__main__":
    run_main(main)

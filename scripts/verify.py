"""Tests the statistics on simulated experiments whose truth is known; nothing is trained.

    python scripts/verify.py [--experiments 1000] [--out DIR]

Writes `verify.json`, `verify.md` and `verify.png`; took 166 s on a shared 2-core AMD EPYC.
Expect false verdicts in at most 5 % of single comparisons and of families of four, and 95 % intervals that cover 93 to
97 %, each within its binomial interval.
The exit status is 1 if something that must hold does not.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from aejax.cli import make_console, parse_args, run_main
from aejax.evaluate.verification import SimulationBudget
from aejax.experiments.verify import verify


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of verify.py."""

    experiments: int = 1000  # simulated of each kind; half as many for each coverage, a quarter for each power
    out: Path = Path("runs/verify")  # results folder; earlier results in it are replaced


def main(argv: Sequence[str]) -> None:
    args = parse_args(Args(), argv, __doc__ or "")
    console = make_console()
    results = verify(SimulationBudget(args.experiments), args.out, console)
    for check in results["checks"]:
        verdict = "holds" if check["holds"] else "DOES NOT HOLD"
        console.print(f"{check['claim']}: worst {check['worst']:.3g}, {verdict}", highlight=False, soft_wrap=True)
    console.print(f"{args.out}: verify.md, verify.png, verify.json", highlight=False, soft_wrap=True)
    if not all(check["holds"] for check in results["checks"]):
        sys.exit(1)


if __name__ == "__main__":
    run_main(main)

"""Test the statistics on simulated experiments.

    aejax verify --experiments 600

Their truth is known; --real also compares one method with itself. Writes `verify.json`, `verify.md` and `verify.png`.
Expect 95 % intervals that cover 92 to 98 % (more only where that is unavoidable), and false verdicts in at most 5 % of
families, each within its binomial interval. The exit status is 1 if something that must hold does not.
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from aejax.cli.arguments import parse_args
from aejax.cli.console import make_console

FLAGS = ("experiments", "real", "out")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `aejax verify`."""

    experiments: int = 600  # simulated of each kind; half as many of the largest, and for power
    real: bool = False  # also compare a method with itself under other seeds, on digits and tabular; trains 240 times
    out: Path = Path("runs/verify")  # results folder; earlier results in it are replaced


def main(argv: Sequence[str]) -> None:
    """Runs `aejax verify` with the words after it on the command line."""
    args = parse_args(Args(), argv, __doc__ or "", FLAGS)

    from aejax.evaluate.verification import SimulationBudget
    from aejax.experiments.verify import verify

    console = make_console()
    results = verify(SimulationBudget(args.experiments), args.out, console, real=args.real)
    for check in results["checks"]:
        verdict = "holds" if check["holds"] else "DOES NOT HOLD"
        console.print_line(f"{check['claim']}: worst {check['worst']:.3g}, {verdict}")
    console.print_line(f"{args.out}: verify.md, verify.png, verify.json")
    if not all(check["holds"] for check in results["checks"]):
        sys.exit(1)

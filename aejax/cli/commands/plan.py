"""Print how many seeds and test examples a difference needs.

    aejax plan --gap 1.0 --seeds 6 10 20 --family 6

The family is the number of controls that a method is compared with; a larger one needs more. Without --from it is
assumed how much two methods differ; with it, the variances are those between the methods and controls of a finished
comparison, worst and median, and its design and family are the plan's.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro

from aejax.cli.arguments import parse_args
from aejax.cli.console import make_console
from aejax.errors import require

FLAGS = ("gap", "from", "seeds", "family", "power")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `aejax plan`."""

    gap: float = 1.0  # difference to be found, in points of accuracy
    run: Annotated[Path | None, tyro.conf.arg(name="from")] = None  # finished run that variances are measured in
    seeds: tuple[int, ...] = (6, 10, 20, 50)  # numbers of trainings
    family: int | None = None  # comparisons of one method; default: those of the run, or 6
    power: float = 0.8  # probability with which the difference is found


def main(argv: Sequence[str]) -> None:
    """Runs `aejax plan` with the words after it on the command line."""
    args = parse_args(Args(), argv, __doc__ or "", FLAGS)

    from aejax.experiments.rejudge import ASSUMED_POWER, measure_power
    from aejax.report.plan_table import Plan, render_plan

    require(0 < args.gap < 100, f"--gap {args.gap}: expected points of accuracy, above 0 and below 100")
    require(0.5 <= args.power < 1, f"--power {args.power}: expected at least 0.5, below 1")
    require(args.seeds and min(args.seeds) > 0, f"--seeds {args.seeds}: expected numbers above 0")
    require(args.family is None or args.family > 0, f"--family {args.family}: expected a number above 0")
    measured = ASSUMED_POWER if args.run is None else measure_power(args.run)
    family_size = args.family or measured.family_size
    plan = Plan(args.gap / 100, args.seeds, measured.sizes, family_size, args.power)
    make_console().print(render_plan(plan, measured.sources))

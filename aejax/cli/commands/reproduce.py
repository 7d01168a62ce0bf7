"""Run published claims again and report which are reproduced.

    aejax reproduce --only digits-lr digits-knn

Each claim is run under its own protocol. Writes `ledger.json` and `ledger.md` after every claim; the same command
continues where it stopped. What a claim needs and this machine lacks (MNIST, the package of MNIST-1D, an accelerator)
is entered as `not run`; a claim that breaks as `failed`. The exit status says whether there is a ledger, not what is in
it: 0 once every claim has its entry, 2 for what cannot be done. `--list` shows what each claim costs.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.cli.arguments import parse_args
from aejax.cli.console import make_console
from aejax.cli.devices import configure_cpu_devices
from aejax.errors import require_known_names

FLAGS = ("only", "list", "seeds", "data-dir", "out", "overwrite")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `aejax reproduce`."""

    only: tuple[str, ...] = ()  # claims to run, by name; default: all
    list: bool = False  # show the claims with their costs, and run nothing
    seeds: int | None = None  # repetitions of every claim that draws anything; default: each claim's own number
    data_dir: Path | None = None  # where MNIST is looked for, or downloaded to; default AEJAX_DATA
    out: Path = Path("runs/ledger")  # folder of the ledger and of the runs behind it
    overwrite: bool = False  # measure again what the folder has measured already


def main(argv: Sequence[str]) -> None:
    """Runs `aejax reproduce` with the words after it on the command line."""
    args = parse_args(Args(), argv, __doc__ or "", FLAGS)

    from aejax.replication.ledger import CLAIMS, describe_claim, reproduce_claims
    from aejax.report.replication import render_claim_list, render_ledger_terminal

    console = make_console()
    require_known_names("--only", "claim", args.only, CLAIMS)
    names = args.only or tuple(CLAIMS)
    if args.list:
        console.print(render_claim_list([describe_claim(CLAIMS[name], CLAIMS[name].seeds) for name in names]))
        return
    configure_cpu_devices(max(CLAIMS[name].resolve_seeds(args.seeds) for name in names))
    ledger = reproduce_claims(
        args.out, console, only=args.only, seeds=args.seeds, data_dir=args.data_dir, overwrite=args.overwrite
    )
    console.print(render_ledger_terminal(ledger))
    console.print_line(f"{args.out}: ledger.md, ledger.json")

"""Run published claims again, each under its own protocol, and say which come out.

    python scripts/reproduce.py [--only NAME ...] [--list] [--data-dir DIR] [--seeds N] [--out DIR] [--overwrite]

Writes `ledger.json` and `ledger.md` after every claim; the same command goes on where it stopped. What a claim needs
and this machine lacks (MNIST, an accelerator) is entered as `not run`; a claim that breaks as `failed`. The exit status
says whether there is a ledger, not what is in it: 0 once every claim has its entry, 2 for what cannot be done. `--list`
shows what each claim costs.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.cli import main, make_console, parse, use_cores
from aejax.errors import require_known
from aejax.ledger.ledger import describe_claim, make_ledger
from aejax.ledger.registry import CLAIMS
from aejax.report.ledger import terminal_ledger, terminal_list


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of reproduce.py."""

    only: tuple[str, ...] = ()  # claims to run, by name; default: all
    list: bool = False  # show the claims with their costs, and run nothing
    seeds: int | None = None  # repetitions of every claim that draws anything; default: each claim's own number
    data_dir: Path | None = None  # where MNIST is looked for, or downloaded to; default AEJAX_DATA
    out: Path = Path("runs/ledger")  # folder of the ledger and of the runs behind it
    overwrite: bool = False  # measure again what the folder has measured already


def script(argv: Sequence[str]) -> None:
    args = parse(Args(), argv, __doc__ or "")
    console = make_console()
    require_known("--only", "claim", args.only, CLAIMS)
    names = args.only or tuple(CLAIMS)
    if args.list:
        console.print(terminal_list([describe_claim(CLAIMS[name], CLAIMS[name].seeds) for name in names]))
        return
    use_cores(max(CLAIMS[name].seeds_for(args.seeds) for name in names))
    ledger = make_ledger(
        args.out, console, only=args.only, seeds=args.seeds, data_dir=args.data_dir, overwrite=args.overwrite
    )
    console.print(terminal_ledger(ledger))
    console.print(f"{args.out}: ledger.md, ledger.json", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main(script)

"""How fast are training and probing here, beside PyTorch and scikit-learn on the same machine in the same minutes?

    python scripts/benchmark.py [--workload deep single dense64 tabular conv probe-path probe-path-64]
                                [--peers torch sklearn] [--seeds 4] [--epochs N] [--repeats 3] [--data-dir DIR]
                                [--out DIR]

`probe-path` solves the probe's whole path of strengths on MNIST's pixels, `probe-path-64` on 64 principal components of
them, beside one `LogisticRegression(C=1)` of scikit-learn; every solution's gradient and gap are in the table.

Writes `results.json` and `table.md`. Every number of speed in this project comes from here. On two idle cores
`--workload deep --peers torch --epochs 1 --repeats 4` took two minutes; expect 0.45 s per epoch and seed for aejax with
four seeds and 0.72 s for PyTorch at its best. Beside other work PyTorch's threads can take ten times as long.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.benchmark.benchmark import benchmark
from aejax.benchmark.kinds import DEFAULT
from aejax.benchmark.report import terminal_table
from aejax.cli import main, make_console, parse


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of benchmark.py."""

    workload: tuple[str, ...] | None = None  # what to time; default: all but memory-mnist, or with --curve nothing else
    curve: tuple[str, ...] = ()  # what to draw the deep recipe's time against: seeds, batch, width, examples
    peers: tuple[str, ...] = ()  # libraries to compare with: torch, keras, sklearn; default: none, this project alone
    seeds: int = 4  # models trained; a path's seeds are its workload's
    epochs: int | None = None  # in one repetition; default: as many as take seconds
    repeats: int = 3  # timed repetitions, in turn with every other contender
    data_dir: Path | None = None  # where MNIST is looked for, or downloaded to; default AEJAX_DATA
    out: Path = Path("runs/benchmark")  # results folder; earlier results in it are replaced


def script(argv: Sequence[str]) -> None:
    args = parse(Args(), argv, __doc__ or "")
    console = make_console()
    results = benchmark(
        args.workload if args.workload is not None else () if args.curve else DEFAULT,
        args.peers,
        args.out,
        console,
        seeds=args.seeds,
        epochs=args.epochs,
        repeats=args.repeats,
        data_dir=args.data_dir,
        curves=args.curve,
    )
    console.print(terminal_table(results))
    console.print(f"{args.out}: table.md, results.json", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main(script)

"""How fast are training, probing and encoding here, beside what a user would pick instead, in the same minutes?

    python scripts/benchmark.py [--workload deep single dense64 tabular conv vae k-sparse-1000 probe-path probe-path-64
                                 encode cold-start memory-mnist]
                                [--curve seeds batch width examples]
                                [--peers torch keras sklearn] [--seeds 4] [--epochs N] [--repeats 3] [--data-dir DIR]
                                [--out DIR]

Trainings stand beside Keras 3 on TensorFlow and on JAX, PyTorch eager and compiled, and scikit-learn's `MLPRegressor`
where it can do such work; `probe-path` and `probe-path-64`, the probe's whole path of strengths on MNIST's pixels and
on 64 principal components, beside one `LogisticRegression(C=1)`; `encode` takes 60,000 images through the encoders of
all seeds; `cold-start` is `compare.py` on digits in a fresh process. `memory-mnist`, an epoch of ten seeds of it on
MNIST, takes long and is left out unless it is named. `--curve` draws the deep recipe's time against one quantity.

Writes `results.json`, `table.md`, `ratios.png` and `curves.png`. Every number of speed in this project comes from here.
The peers come with `pip install -e ".[peers]"`. What to expect on two idle cores: `results/benchmark/table.md`; beside
other work PyTorch's threads can take ten times as long. The table is written after each workload.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from benchmark.registry import DEFAULT_WORKLOADS
from benchmark.report import render_terminal_table
from benchmark.run import run_benchmark

from aejax.cli import make_console, parse_args, run_main


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


def main(argv: Sequence[str]) -> None:
    args = parse_args(Args(), argv, __doc__ or "")
    console = make_console()
    results = run_benchmark(
        args.workload if args.workload is not None else () if args.curve else DEFAULT_WORKLOADS,
        args.peers,
        args.out,
        console,
        seeds=args.seeds,
        epochs=args.epochs,
        repeats=args.repeats,
        data_dir=args.data_dir,
        curves=args.curve,
    )
    console.print(render_terminal_table(results))
    console.print(f"{args.out}: table.md, results.json", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run_main(main)

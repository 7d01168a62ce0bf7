"""How fast are training, probing and encoding, compared with what a user would pick instead?

    python scripts/benchmark.py [--workload deep single dense64 tabular conv vae k-sparse-1000 probe-path probe-path-64
                                 encode cold-start memory-mnist]
                                [--curve seeds batch width examples]
                                [--peers torch keras sklearn] [--seeds 4] [--epochs N] [--repeats 3] [--data-dir DIR]
                                [--out DIR]

Trainings are compared with Keras 3 on TensorFlow and on JAX, eager and compiled PyTorch, and scikit-learn's
`MLPRegressor` where it can do the same; `probe-path` and `probe-path-64` are the probe's whole path of strengths on
MNIST's pixels and on 64 principal components, compared with one `LogisticRegression(C=1)`; `encode` takes 60,000 images
through the encoders of all seeds; `cold-start` is `compare.py` on digits in a fresh process. `memory-mnist`, an epoch
of ten seeds of it on MNIST, takes long and runs only if named. `--curve` plots the deep
recipe's time against one quantity.

Writes `results.json`, `table.md`, `ratios.png` and `curves.png`, after each workload. `pip install -e ".[peers]"`
installs the peers. Results on two idle cores: `results/benchmark/table.md`; on a busy machine PyTorch's threads can
take ten times as long.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of benchmark.py."""

    workload: tuple[str, ...] | None = None  # what to time; default: all but memory-mnist, or with --curve nothing else
    curve: tuple[str, ...] = ()  # quantities to draw the deep recipe's time against: seeds, batch, width, examples
    peers: tuple[str, ...] = ()  # libraries to compare with: torch, keras, sklearn; default: none
    seeds: int = 4  # models trained; a path has its own numbers of seeds
    epochs: int | None = None  # in one repetition; default: the workload's own number, which takes seconds
    repeats: int = 3  # timed repetitions, interleaved with those of the other contenders
    data_dir: Path | None = None  # where MNIST is found, or downloaded to; default AEJAX_DATA
    out: Path = Path("runs/benchmark")  # results folder; earlier results in it are replaced


def main(argv: Sequence[str]) -> None:
    from benchmark.report import render_markdown
    from benchmark.run import BenchmarkPlan, run_benchmark
    from benchmark.timing import TimingBudget
    from benchmark.workloads import DEFAULT_WORKLOADS
    from rich.markdown import Markdown

    from aejax.cli import make_console, parse_args
    from aejax.experiments.environment import usable_cores

    args = parse_args(Args(), argv, __doc__ or "")
    console = make_console()
    workloads = args.workload if args.workload is not None else () if args.curve else DEFAULT_WORKLOADS
    budget = TimingBudget(args.seeds, args.epochs, args.repeats, usable_cores())
    results = run_benchmark(BenchmarkPlan(workloads, budget, args.peers, args.curve, args.data_dir), args.out, console)
    console.print(Markdown(render_markdown(results)))
    console.print(f"{args.out}: table.md, results.json", highlight=False, soft_wrap=True)


if __name__ == "__main__":  # each process of a peer imports this file, and must not import JAX with it
    from aejax.cli import run_main

    run_main(main)

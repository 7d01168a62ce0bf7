"""How fast are training, probing and encoding, compared with what a user would pick instead?

    python scripts/benchmark.py [--workload deep single dense64 tabular conv vae k-sparse-1000 probe-path probe-path-64
                                 probe-path-rows probe-path-64-rows encode cold-start cached-start second-run sweep
                                 wide memory-mnist mnist]
                                [--curve seeds batch width examples]
                                [--peers torch keras sklearn cyanure] [--seeds 4] [--epochs N] [--repeats 3]
                                [--before CHECKOUT] [--data-dir DIR] [--out DIR]

Trainings are compared with Keras 3 on TensorFlow and on JAX, eager and compiled PyTorch, and scikit-learn's
`MLPRegressor` where it can do the same; `probe-path` and `probe-path-64` are the probe's whole path of strengths on
MNIST's pixels and on 64 principal components, compared with one `LogisticRegression(C=1)` and with solvers that follow
the same path to the same certificate; `-rows` scales each example to norm 1 instead of each feature to deviation 1.
`encode` takes 60,000 images through the encoders of all seeds. The others are whole commands: `cold-start` is
`compare.py` on digits in a fresh process, `cached-start` with a compilation cache, `second-run` the second in one
process; `sweep`, `wide` (20,000 columns), `mnist` and `memory-mnist` (one epoch of it) say what they are. Those that
take long run only if named. `--before` interleaves the same commands of another checkout of this project, such as a
`git worktree` of an earlier commit, but for `wide` and `mnist`, which are long in early versions. `--curve` plots the
deep recipe's time against one quantity.

Writes `results.json`, `table.md`, `ratios.png` and `curves.png`, after each workload. `pip install -e ".[peers]"`
installs the peers. Results on two idle cores: `results/benchmark/table.md`; on a busy machine PyTorch's threads can
take ten times as long.
"""

from collections.abc import Sequence


def main(argv: Sequence[str]) -> None:
    from benchmark.args import Args
    from benchmark.report import render_markdown
    from benchmark.run import run_benchmark
    from rich.markdown import Markdown

    from aejax.cli import make_console, parse_args

    args = parse_args(Args(), argv, __doc__ or "")
    console = make_console()
    console.print(Markdown(render_markdown(run_benchmark(args, console))))
    console.print(f"{args.out}: table.md, results.json", highlight=False, soft_wrap=True)


if __name__ == "__main__":  # each process of a peer imports this file, and must not import JAX with it
    from aejax.cli import run_main

    run_main(main)

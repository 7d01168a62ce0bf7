"""Run comparisons on many data sets and see what they show together: the same as `aejax study`."""

from aejax.cli import run_main
from aejax.cli.commands.study import main

if __name__ == "__main__":
    run_main(main)

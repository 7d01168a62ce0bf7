"""Test the statistics on simulated experiments: the same as `aejax verify`."""

from aejax.cli import run_main
from aejax.cli.commands.verify import main

if __name__ == "__main__":
    run_main(main)

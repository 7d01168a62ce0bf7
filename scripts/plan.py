"""Print how many seeds and test examples a difference needs: the same as `aejax plan`."""

from aejax.cli import run_main
from aejax.cli.commands.plan import main

if __name__ == "__main__":
    run_main(main)

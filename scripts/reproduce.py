"""Run published claims again and report which are reproduced: the same as `aejax reproduce`."""

from aejax.cli import run_main
from aejax.cli.commands.reproduce import main

if __name__ == "__main__":
    run_main(main)

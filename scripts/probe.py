"""Classify with the frozen encoder of a pretraining run: the same as `aejax probe`."""

from aejax.cli import run_main
from aejax.cli.commands.probe import main

if __name__ == "__main__":
    run_main(main)

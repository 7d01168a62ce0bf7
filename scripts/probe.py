"""Classify with the frozen encoder of a pretraining run.

The same as `aejax probe`; its flags and body are in `aejax/cli/commands/probe.py`.
"""

from aejax.cli import run_main
from aejax.cli.commands.probe import main

if __name__ == "__main__":
    run_main(main)

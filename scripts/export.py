"""Publish the encoder of a pretraining run for use anywhere.

The same as `aejax export`; its flags and body are in `aejax/cli/commands/export.py`.
"""

from aejax.cli import run_main
from aejax.cli.commands.export import main

if __name__ == "__main__":
    run_main(main)

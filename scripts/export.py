"""Publish the encoder of a pretraining run for use anywhere: the same as `aejax export`."""

from aejax.cli import run_main
from aejax.cli.commands.export import main

if __name__ == "__main__":
    run_main(main)

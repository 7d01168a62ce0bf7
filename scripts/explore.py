"""Reconstruct, denoise, sample, find anomalies and compress: the same as `aejax explore`."""

from aejax.cli import run_main
from aejax.cli.commands.explore import main

if __name__ == "__main__":
    run_main(main)

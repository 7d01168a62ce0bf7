"""Reconstruct, denoise, sample, find anomalies and compress.

The same as `aejax explore`; its flags and body are in `aejax/cli/commands/explore.py`.
"""

from aejax.cli import run_main
from aejax.cli.commands.explore import main

if __name__ == "__main__":
    run_main(main)

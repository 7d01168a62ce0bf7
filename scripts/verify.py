"""Test the statistics on simulated experiments.

The same as `aejax verify`; its flags and body are in `aejax/cli/commands/verify.py`.
"""

from aejax.cli import run_main
from aejax.cli.commands.verify import main

if __name__ == "__main__":
    run_main(main)

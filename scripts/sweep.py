"""Train one kind of autoencoder at every combination of settings.

The same as `aejax sweep`; its flags and body are in `aejax/cli/commands/sweep.py`.
"""

from aejax.cli import run_main
from aejax.cli.commands.sweep import main

if __name__ == "__main__":
    run_main(main)

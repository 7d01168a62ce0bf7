"""Train one kind of autoencoder at every combination of settings: the same as `aejax sweep`."""

from aejax.cli import run_main
from aejax.cli.commands.sweep import main

if __name__ == "__main__":
    run_main(main)

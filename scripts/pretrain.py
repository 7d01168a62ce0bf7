"""Train one autoencoder for many seeds and keep it: the same as `aejax pretrain`."""

from aejax.cli import run_main
from aejax.cli.commands.pretrain import main

if __name__ == "__main__":
    run_main(main)

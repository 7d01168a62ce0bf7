"""Train one autoencoder for many seeds and keep it.

The same as `aejax pretrain`; its flags and body are in `aejax/cli/commands/pretrain.py`.
"""

from aejax.cli import run_main
from aejax.cli.commands.pretrain import main

if __name__ == "__main__":
    run_main(main)

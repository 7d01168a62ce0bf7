"""Compare autoencoders with every control that could explain them: the same as `aejax compare`."""

from aejax.cli import run_main
from aejax.cli.commands.compare import main

if __name__ == "__main__":
    run_main(main)

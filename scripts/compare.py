"""Compare autoencoders with every control that could explain them.

The same as `aejax compare`; its flags and body are in `aejax/cli/commands/compare.py`.
"""

from aejax.cli import run_main
from aejax.cli.commands.compare import main

if __name__ == "__main__":
    run_main(main)

"""Run published claims again and report which are reproduced.

The same as `aejax reproduce`; its flags and body are in `aejax/cli/commands/reproduce.py`.
"""

from aejax.cli import run_main
from aejax.cli.commands.reproduce import main

if __name__ == "__main__":
    run_main(main)

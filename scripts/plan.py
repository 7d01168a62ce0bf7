"""Print how many seeds and test examples a difference needs.

The same as `aejax plan`; its flags and body are in `aejax/cli/commands/plan.py`.
"""

from aejax.cli import run_main
from aejax.cli.commands.plan import main

if __name__ == "__main__":
    run_main(main)

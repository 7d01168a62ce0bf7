"""Run comparisons on many data sets and see what they show together.

The same as `aejax study`; its flags and body are in `aejax/cli/commands/study.py`.
"""

from aejax.cli import run_main
from aejax.cli.commands.study import main

if __name__ == "__main__":
    run_main(main)

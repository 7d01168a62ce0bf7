"""Show the findings and tables of finished runs, or judge them again: the same as `aejax report`."""

from aejax.cli import run_main
from aejax.cli.commands.report import main

if __name__ == "__main__":
    run_main(main)

"""Show the findings and tables of finished runs, or judge them again.

The same as `aejax report`; its flags and body are in `aejax/cli/commands/report.py`.
"""

from aejax.cli import run_main
from aejax.cli.commands.report import main

if __name__ == "__main__":
    run_main(main)

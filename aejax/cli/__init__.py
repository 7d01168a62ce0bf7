"""The command line: flags, devices, one-line errors, exit status, and the commands themselves.

Importing it loads neither JAX nor the rest of the package: the commands import what they run when they run it.
"""

from aejax.cli.arguments import flag_value, load_plugins, merge_repeated_flags, parse_args
from aejax.cli.console import make_console
from aejax.cli.devices import configure_cpu_devices, configure_devices
from aejax.cli.exit_status import exit_with_error, run_main

__all__ = [
    "configure_cpu_devices",
    "configure_devices",
    "exit_with_error",
    "flag_value",
    "load_plugins",
    "make_console",
    "merge_repeated_flags",
    "parse_args",
    "run_main",
]

"""The command `aejax`: lists its sub-commands and runs one."""

import sys

from aejax import __version__
from aejax.cli.commands import (
    compare,
    docs,
    explore,
    export,
    plan,
    pretrain,
    probe,
    report,
    reproduce,
    study,
    sweep,
    verify,
)
from aejax.cli.exit_status import exit_with_error, run_main
from aejax.errors import suggest_names

COMMANDS = {
    module.__name__.rpartition(".")[2]: module
    for module in (compare, pretrain, probe, sweep, study, explore, export, report, plan, reproduce, verify, docs)
}


def describe_commands() -> str:
    """Returns the text of `aejax --help`: each sub-command with the first line of its docstring."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {(module.__doc__ or '').splitlines()[0]}" for name, module in COMMANDS.items()]
    return "\n".join(
        [
            "usage: aejax COMMAND [FLAGS]",
            "",
            "Does a learned representation help a classifier, and compared with what?",
            "",
            *lines,
            "",
            "aejax COMMAND --help shows the flags of one; aejax --version the version.",
        ]
    )


def main() -> None:
    """Runs the sub-command that `sys.argv` names; an unknown one ends with status 2."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(describe_commands())
    elif name == "--version":
        print(f"aejax {__version__}")
    elif name in COMMANDS:
        body = COMMANDS[name].main
        run_main(lambda argv: body(argv[1:]))
    else:
        exit_with_error(f"aejax {name}: no such command; {suggest_names(name, COMMANDS)}")

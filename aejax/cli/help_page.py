"""Help: one page with the flags that most people need, or every flag in groups."""

import contextlib
import io
import re
import shutil
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aejax.cli.arguments import Names
from aejax.config.settings import setting_names

FLAG_COLUMN = 26  # characters of a flag and its value

# Of the flags on the short pages: the value, and what it is in a few words. The whole text is the field's own. What
# differs in one command has its name in front.
SUMMARIES: dict[str, tuple[str, str]] = {
    "anomaly-class": ("CLASS", "left out to detect it as an anomaly; all, none"),
    "anomaly-epochs": ("N", "epochs of that training; default: those of the run"),
    "axis": ("FIELD=V,V", "a setting and its values; repeat it for a grid"),
    "config": ("RUN", "start from the settings of an earlier run"),
    "data-dir": ("DIR", "where data sets are found or downloaded to"),
    "dataset": ("NAME|PATH", "your file, or a name that aejax docs data lists"),
    "details": ("", "print every table"),
    "encoder": ("NAME=DIR", "published encoders as rows"),
    "epochs": ("N", "passes over the training rows"),
    "experiments": ("N", "simulated experiments of each kind"),
    "family": ("N", "controls that a method is compared with"),
    "features": ("NAME=FILE", "your features as rows: .npy, .npz, .parquet"),
    "formats": ("NAME ...", "orbax, safetensors, stablehlo"),
    "from": ("RUN", "finished comparison in which the variances are measured"),
    "gap": ("POINTS", "difference to be found, in points of accuracy"),
    "hidden": ("N ...", "widths of the encoder's hidden layers"),
    "json": ("", "print the results as JSON and nothing else"),
    "label-budgets": ("N ...", "labels per class of --label-curve"),
    "label-curve": ("", "compare again with 2, 4, 8, ... labels per class"),
    "label-column": ("NAME", "column of the labels in your table"),
    "label-fraction": ("SHARE", "share of the labels that classifiers see"),
    "labels-per-class": ("N", "labels of each class that classifiers see"),
    "latent-dim": ("N", "width of the code"),
    "list": ("", "show what would be run and what it costs, and run nothing"),
    "merge": ("DIR ...", "join the shards of one run into the folder --out"),
    "method": ("KIND", "kind; default: the first that uses every axis"),
    "methods": ("NAME ...", "rows of the table"),
    "only": ("NAME ...", "claims to run; default: all"),
    "out": ("DIR", "where results go; default: a folder in runs/"),
    "explore out": ("DIR", "where results go; default: explore in the folder of the run"),
    "export out": ("DIR", "folder of the encoder"),
    "probe out": ("DIR", "where results go; default: probe in the folder of the run"),
    "report out": ("FILE|DIR", "one page of all runs, FILE.html; with --merge, the folder of the joined run"),
    "reproduce out": ("DIR", "where results go"),
    "verify out": ("DIR", "where results go"),
    "overwrite": ("", "replace an earlier run in that folder"),
    "power": ("P", "probability with which the difference is found"),
    "quiet": ("", "print only the results and warnings"),
    "real": ("", "also compare a method with itself; trains 240 times"),
    "recipe": ("NAME", "a tutorial or a kind"),
    "rejudge": ("", "judge by today's rules, without training"),
    "run": ("DIR", "folder of a run of aejax pretrain"),
    "report run": ("DIR ...", "folders of finished runs"),
    "seed": ("best|all|N", "seed of the run"),
    "seeds": ("N", "independent repetitions"),
    "sensitivity": ("", "judge every verdict again under other settings"),
    "shard": ("I/N", "run the I-th of every N comparisons"),
    "shuffle-window": ("N", "with --stream: examples that are shuffled together"),
    "stream": ("", "train on data larger than memory"),
    "test": ("FILE", "a second file whose examples are the test set"),
    "versus": ("NAME ...", "compare every row with these rows, too"),
    "weights": ("last|best", "after the last epoch, or the one of lowest validation loss"),
}

# Titles of the groups of --help-all, by the last part of the field that holds them.
GROUP_TITLES = {
    "": "Command",
    "checkpoint": "Run folder",
    "config": "Experiment",
    "data": "Data",
    "evaluation": "Statistics",
    "head": "Softmax head",
    "model": "Model",
    "objective": "Objective",
    "optimizer": "Optimizer",
    "output": "What is printed",
    "plan": "Devices",
    "probe": "Classifier",
    "processes": "Several processes",
    "split": "Test set, validation rows and labels",
    "train": "Training",
}
GROUP_TITLE = re.compile(r"^ (?:[\w.]*?(\w+) )?options *$", re.MULTILINE)
HELP_TEXT = re.compile(r"(?:^ {8}\S.*\n)+", re.MULTILINE)
NONE_VALUE = re.compile(r"\{None(?:\}\||,)(\S*)")  # how tyro writes that a value may be absent
NO_DEFAULT = re.compile(r"\s+\(default:\s+(?:None)?\)")


def short_help(command: str, default: Any, description: str, flags: Sequence[str], names: Names) -> str:
    """Returns the help of the flags that most people need, in at most 40 lines at 80 columns.

    Args:
        command: name of the sub-command.
        default: dataclass of flags; its values are shown as defaults.
        description: its first paragraph is the summary, the first indented line the example.
        flags: names of the flags, without dashes.
        names: lists of names to show, by title.
    """
    width = max(40, min(shutil.get_terminal_size().columns, 100))
    summary, example = description.partition("\n\n")[0], re.search(r"^ {4}(.*)", description, re.MULTILINE)
    lines = [*textwrap.wrap(summary, width), "", f"    {example[1] if example else f'aejax {command}'}", ""]
    for flag in flags:
        value, text = SUMMARIES.get(f"{command} {flag}") or SUMMARIES[flag]
        left = f"  --{flag} {value}".ljust(FLAG_COLUMN)
        text += _describe_default(default, flag)
        gap = " " * FLAG_COLUMN
        if len(left) > FLAG_COLUMN or not left.endswith(" "):
            lines.append(left)
            left = gap
        lines += textwrap.wrap(text, width, initial_indent=left, subsequent_indent=gap, break_on_hyphens=False)
    lines += [""] if names else []
    for title, group in names.items():
        lines += textwrap.wrap(f"{title}: {', '.join(group)}", width, subsequent_indent="  ", break_on_hyphens=False)
    return "\n".join([*lines, "", "--help-all shows every flag; aejax docs lists the pages of the manual."])


def print_all_flags(description: str, print_help: Callable[[], object]) -> None:
    """Prints every flag in groups with plain titles, as wide as the terminal.

    Args:
        description: docstring of the command.
        print_help: prints tyro's help; its groups have the names of fields, its lines break where the source's do.
    """
    width = shutil.get_terminal_size().columns
    for paragraph in description.strip("\n").split("\n\n"):
        print(paragraph if paragraph.startswith(" ") else textwrap.fill(paragraph, width), end="\n\n")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        print_help()
    text = GROUP_TITLE.sub(lambda match: f" {GROUP_TITLES.get(match[1] or '', match[1])}", printed.getvalue())
    text = NONE_VALUE.sub(lambda match: f"{'{' * match[0].endswith('}')}{match[1]}".ljust(len(match[0])), text)
    text = HELP_TEXT.sub(lambda match: _fill(match[0], width), NO_DEFAULT.sub("", text))
    print("\n".join(line.rstrip() for line in text.partition("\n\n")[2].splitlines()))


def _fill(text: str, width: int) -> str:
    indent = " " * 8
    lines = textwrap.wrap(
        " ".join(text.split()), width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
    return "\n".join(lines) + "\n"


def _describe_default(default: Any, flag: str) -> str:
    """Returns a flag's default in parentheses, or nothing where its text says what is chosen."""
    path = setting_names(default).get(flag.replace("-", "_"), ())
    value: Any = default
    for field in path:
        value = getattr(value, field)
    if not path or value is None or value == () or isinstance(value, bool) or value == Path():
        return ""
    return f" (default: {' '.join(map(str, value)) if isinstance(value, tuple) else value})"

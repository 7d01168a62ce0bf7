"""Nothing that a repeated flag gives is lost in silence."""

from operator import attrgetter

import pytest

from aejax.cli import merge_repeated_flags, parse_args
from aejax.cli.commands import compare, report, sweep
from aejax.config import CompareConfig, SweepConfig


def parse(args, *words):
    return parse_args(args, words, "")


COMPARE, SWEEP = compare.Args(config=CompareConfig()), sweep.Args(config=SweepConfig())


@pytest.mark.parametrize(
    ("args", "flag", "field"),
    [
        (COMPARE, "--drop-columns", "config.data.drop_columns"),
        (COMPARE, "--drop_columns", "config.data.drop_columns"),
        (COMPARE, "--features", "config.features"),
        (COMPARE, "--encoder", "config.encoder"),
        (COMPARE, "--methods", "config.methods"),
        (COMPARE, "--versus", "config.versus"),
        (SWEEP, "--axis", "config.axis"),
        (report.Args(), "--run", "run"),
    ],
)
def test_lists_of_names_have_the_values_of_all_occurrences(args, flag, field, capsys):
    words = [flag, "a=1", "--quiet", f"{flag}=b=2", flag, "c=3", "d=4"]
    words = words if args is not SWEEP else [word for word in words if word != "--quiet"]
    assert [str(value) for value in attrgetter(field)(parse(args, *words))] == ["a=1", "b=2", "c=3", "d=4"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "field", "expected", "warning"),
    [
        (["--seeds", "3", "--seeds=4"], "config.seeds", 4, "--seeds: is given 2 times (3, 4); the last one counts"),
        (
            ["--hidden", "3", "--hidden", "5", "4"],
            "config.model.hidden",
            (5, 4),
            "--hidden: is given 2 times (3, 5",
        ),
        (["--seeds", "3", "--seeds", "3", "--hidden", "5", "4"], "config.seeds", 3, ""),
        (["--hidden", "5", "4", "--hidden", "5", "4"], "config.model.hidden", (5, 4), ""),
        (["--overwrite", "--overwrite"], "checkpoint.overwrite", True, ""),
    ],
)
def test_of_other_flags_the_last_value_counts_with_a_warning(words, field, expected, warning, capsys):
    assert attrgetter(field)(parse(COMPARE, *words)) == expected
    printed = capsys.readouterr().err
    assert warning in printed
    assert len(printed.splitlines()) == bool(warning)


def test_a_command_line_without_repeated_flags_is_left_as_it_is():
    words = ["file", "--axis=a=1", "--hidden", "8", "4", "--label-column=--x"]
    assert merge_repeated_flags(words, ["axis"]) == words

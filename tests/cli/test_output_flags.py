"""`--json` prints the results and nothing else on standard output; `--quiet` and `--details` print less and more."""

import json

import pytest

from aejax.cli.commands import compare, report
from aejax.errors import InputError


def test_json_is_all_that_is_printed(comparison, capsys):
    folder = comparison[-1]
    with open(f"{folder}/results.json", encoding="utf-8") as file:
        saved = json.load(file)
    for main, argv in ((compare.main, [*comparison, "--json"]), (report.main, ["--run", folder, "--json"])):
        capsys.readouterr()
        main(argv)
        printed = json.loads(capsys.readouterr().out)
        assert printed["methods"] == saved["methods"]
        assert printed["comparisons"] == saved["comparisons"]


def test_quiet_and_details_print_less_and_more(comparison, capsys):
    lengths = []
    for flags in (["--quiet"], [], ["--details"]):
        capsys.readouterr()
        compare.main([*comparison, *flags])
        lengths.append(len(capsys.readouterr().out.splitlines()))
    assert lengths == sorted(set(lengths))
    with pytest.raises(InputError, match="--quiet: leave out --details"):
        compare.main([*comparison, "--quiet", "--details"])

"""The README and the results page cannot drift from what produced them."""

import json
import re
from pathlib import Path

import pytest

from aejax.report.page import index
from aejax.report.table import markdown_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_the_readme_has_the_two_commands_that_ci_runs():
    commands = re.findall(r"^python3 -m venv .*$", README, flags=re.MULTILINE)
    assert len(commands) == 2
    assert commands[0].endswith("scripts/compare.py")
    assert commands[1].endswith("-m pytest")


def test_the_results_page_is_what_the_results_make():
    assert (ROOT / "results" / "README.md").read_text() == index(ROOT / "results")


def test_every_committed_result_names_its_command_machine_and_seconds():
    for path in (ROOT / "results").glob("*/results.json"):
        environment = json.loads(path.read_text())["environment"]
        assert environment["command"].startswith("python scripts/"), path
        assert environment["machine"], path
        assert environment["seconds"] > 0, path


def test_the_readmes_table_is_the_committed_one():
    table = markdown_table(json.loads((ROOT / "results" / "digits" / "results.json").read_text()))
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert rows
    assert all(row in README for row in rows[: rows.index(next(row for row in rows if "sparse-l1" in row)) + 1])


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", README))))
def test_every_link_of_the_readme_leads_somewhere(target):
    assert (ROOT / target).exists()


def test_every_flag_in_the_readme_exists():
    known = (ROOT / "aejax" / "config.py").read_text() + "".join(p.read_text() for p in (ROOT / "scripts").glob("*.py"))
    for flag in set(re.findall(r"--([a-z][a-z-]+)", README)) - {"help"}:
        name = flag.removeprefix("no-").replace("-", "_")
        assert re.search(rf"^    {name}\b", known, flags=re.MULTILINE), f"--{flag}"

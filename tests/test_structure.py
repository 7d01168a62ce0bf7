"""The house: rooms in import order, modules of readable size, nothing at the top but what belongs there."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "aejax"
ROOMS = [
    "errors",
    "config",
    "data",
    "models",
    "objectives",
    "kinds",
    "train",
    "classify",
    "methods",
    "recipes",
    "evaluate",
    "explore",
    "store",
    "report",
    "run",
    "ledger",
    "cli",
    "benchmark",
    "faults",
]
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(dotted: str) -> str | None:
    parts = dotted.split(".")
    return parts[1] if parts[0] == "aejax" and len(parts) > 1 else None


def imported_rooms(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {room for name in names if (room := room_of(name)) is not None}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_itself_and_rooms_above_it(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    below = set(ROOMS[ROOMS.index(own) + 1 :])
    assert not imported_rooms(path) & below


def test_every_room_has_its_place_in_the_order():
    found = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in MODULES} - {"__init__"}
    assert found <= set(ROOMS)


def test_scripts_are_under_80_lines_and_modules_under_300():
    too_long = {path.name: n for path in MODULES if (n := len(path.read_text().splitlines())) > 300}
    too_long |= {
        path.name: n for path in (ROOT / "scripts").glob("*.py") if (n := len(path.read_text().splitlines())) > 80
    }
    assert not too_long


def test_there_is_no_drawer():
    assert not {path.name for path in MODULES} & {"utils.py", "helpers.py", "common.py", "misc.py"}


def test_nothing_loads_pickles_or_code_by_name():
    forbidden = ("allow_pickle=True", "import pickle", "import_module", "eval(", "exec(")
    offenders = [
        (path.name, word)
        for path in MODULES
        for word in forbidden
        if word in path.read_text().replace("block_eval(", "")
    ]
    assert not offenders

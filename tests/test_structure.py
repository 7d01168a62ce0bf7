"""The layout of the repository: import order of the packages, size of modules, what lies at the top level."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "aejax"
IMPORT_ORDER = [
    "errors",
    "config",
    "data",
    "models",
    "objectives",
    "autoencoders",
    "train",
    "probes",
    "methods",
    "recipes",
    "evaluate",
    "analysis",
    "storage",
    "report",
    "experiments",
    "replication",
    "api",
    "estimators",
    "cli",
]
TOP_LEVEL = {"LICENSE", "README.md", "aejax", "pyproject.toml", "results", "scripts", "tests"}
MAX_MODULE_LINES, MAX_SCRIPT_LINES = 300, 80
MODULES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "scripts" / "benchmark").rglob("*.py")])
SCRIPTS = [path for path in (ROOT / "scripts").glob("*.py") if path.name != "example.py"]  # one file on purpose


def imported_packages(path: Path) -> set[str]:
    """The parts of aejax that a module imports, wherever in it the import is."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    parts = [name.split(".") for name in names]
    return {part[1] for part in parts if part[0] == "aejax" and len(part) > 1 and part[1] in IMPORT_ORDER}


def test_a_package_imports_only_itself_and_packages_before_it():
    backwards = {}
    for path in PACKAGE.rglob("*.py"):
        package = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if package in ("__init__", "__main__"):  # the public names, imported on first use, and the command
            continue
        assert package in IMPORT_ORDER, f"{path}: no place in the import order"
        later = IMPORT_ORDER[IMPORT_ORDER.index(package) + 1 :]
        if wrong := imported_packages(path) & set(later):
            backwards[str(path.relative_to(ROOT))] = wrong
    assert not backwards


def test_modules_and_scripts_are_short():
    limits = {**dict.fromkeys(MODULES, MAX_MODULE_LINES), **dict.fromkeys(SCRIPTS, MAX_SCRIPT_LINES)}
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in limits}
    assert not {path: n for (path, n), limit in zip(lines.items(), limits.values(), strict=True) if n > limit}


def test_the_top_level_holds_only_what_belongs_there():
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files"], capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout, so that build products cannot be told from files of the project")
    top = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} == TOP_LEVEL


def test_files_of_tests_have_names_of_their_own():
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert not {name for name in names if names.count(name) > 1}  # pytest imports each as a top-level module


def test_no_module_is_a_collection_of_helpers():
    assert not {path.name for path in MODULES} & {"utils.py", "helpers.py", "common.py", "misc.py"}


def test_nothing_loads_pickles_runs_text_or_uses_private_apis():
    forbidden = ("allow_pickle=True", "import pickle", "import_module", " eval(", " exec(", "._src", "._dynamo")
    offenders = [(path.name, word) for path in MODULES for word in forbidden if word in path.read_text()]
    assert not offenders

"""The notebook uses public names only, was saved without warnings, and runs: its cells, with fewer epochs and seeds.

The cells are executed here rather than by nbclient, which would bring a kernel and thirty packages into every test run.
"""

import ast
import json
import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

import aejax

NOTEBOOK = json.loads((Path(__file__).parents[1] / "aejax" / "docs" / "notebook.ipynb").read_text())
CELLS = [cell for cell in NOTEBOOK["cells"] if cell["cell_type"] == "code"]
SOURCES = [re.sub(r"^%.*$", "", "".join(cell["source"]), flags=re.MULTILINE) for cell in CELLS]


def test_it_begins_with_pip_install_and_imports_no_internals():
    assert "".join(CELLS[0]["source"]).startswith("%pip install")
    nodes = [node for source in SOURCES for node in ast.walk(ast.parse(source))]
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    modules |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name for name in modules if name.startswith("aejax")} == {"aejax"}
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "aejax"}
    assert used <= set(aejax.__all__)


def test_it_was_saved_after_a_run_without_warnings():
    assert [cell["execution_count"] for cell in CELLS[1:]] == list(range(1, len(CELLS)))  # after pip install
    outputs = [output for cell in CELLS for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]


@pytest.mark.slow
def test_its_cells_run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    names: dict = {}
    for source in SOURCES:
        exec(re.sub(r"seeds=10", "seeds=4", re.sub(r"epochs=\d+", "epochs=2", source)), names)
    assert names["codes"].shape == (1797, 16)
    np.testing.assert_allclose(names["codes"], names["model"].encode(names["data"].inputs)[0], atol=1e-6)
    assert list(names["published"].verdicts["method"].unique()) == ["published"]

import json
from pathlib import Path

import pytest

from aejax.report.__main__ import main
from aejax.report.findings import describe_findings
from aejax.report.index import render_index

EXPLORED = Path(__file__).parents[1] / "fixtures" / "version-0.1.0" / "explore" / "explore.json"


@pytest.fixture
def folder(tmp_path, results):
    """Two runs, one of them with two figures, and a folder that is not a run."""
    for name in ("digits", "my wine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(results))
    (tmp_path / "my wine" / "accuracy.png").touch()
    (tmp_path / "my wine" / "codes.png").touch()
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_every_run_has_a_summary_row_that_links_to_its_section(folder, results):
    page = render_index(folder)
    for name, anchor in (("digits", "digits"), ("my wine", "my-wine")):
        assert f"\n## {name}\n" in page
        headline = next(line for line in page.splitlines() if line.startswith(f"| [{name}](#{anchor})"))
        assert "supervised, 97.1" in headline
        assert "denoising, 95.5" in headline
        assert headline.endswith("| -1.50 | [-1.80, -1.10] | worse |")
    sentence = describe_findings(results, ["denoising"])[0]
    links = "[my wine](my%20wine/table.md), with every method, [figure](my%20wine/accuracy.png)"
    assert page.count(f"\n{sentence}\n\n{links}") == 1  # of the best autoencoder alone
    assert page.count("supervised (-1.50") == 2
    assert "notes" not in page


def test_a_run_without_autoencoders_has_no_difference(folder, results):
    results["methods"], results["comparisons"] = results["methods"][:4], []
    (folder / "digits" / "results.json").write_text(json.dumps(results))
    headline = next(line for line in render_index(folder).splitlines() if line.startswith("| [digits]"))
    assert headline.endswith("| — | — | — | — |")


def test_results_of_another_kind_are_linked(folder):
    (folder / "speed").mkdir()
    content = {"kind": "benchmark", "schema": 7, "environment": {"command": "time it", "machine": "abacus"}}
    (folder / "speed" / "results.json").write_text(json.dumps(content))
    line = "- [speed](speed/table.md): benchmark. Made by `time it` on abacus."
    assert line in render_index(folder).split("## Other results")[1]


def test_a_missing_folder_and_a_damaged_file_are_errors_of_one_line_and_status_2(folder, capsys):
    damaged = folder / "digits" / "results.json"
    damaged.write_text("[]")
    for path, problem in ((folder / "absent", f"{folder}/absent: no such folder"), (folder, f"{damaged}: expected an")):
        assert main([str(path)]) == 2
        message = capsys.readouterr().err
        assert message.startswith(f"error: {problem}")
        assert message.count("\n") == 1


def test_the_command_writes_the_same_page_every_time(folder, capsys):
    assert main([str(folder)]) == 0
    first = (folder / "README.md").read_bytes()
    assert capsys.readouterr().out.strip() == str(folder / "README.md")
    assert main([str(folder)]) == 0
    assert (folder / "README.md").read_bytes() == first
    assert str(folder) not in first.decode()


def test_explorations_and_pages_of_other_scripts_are_linked_by_their_titles(folder):
    assert "Other results" not in render_index(folder)
    (folder / "explore vae").mkdir()
    explored = json.loads(EXPLORED.read_text()) | {"method": "vae"}
    (folder / "explore vae" / "explore.json").write_text(json.dumps(explored))
    (folder / "stream").mkdir()
    (folder / "stream" / "stream.md").write_text("# Title\n\ntext\n")
    page = render_index(folder)
    assert "- [explore vae](explore%20vae/explore.md): vae on wine" in page
    assert "- [stream](stream/stream.md): Title" in page


def test_the_page_of_an_empty_folder_has_a_note(tmp_path):
    assert "No comparisons here yet" in render_index(tmp_path)

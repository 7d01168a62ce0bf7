"""Pages of runs in a folder; `tests/test_readme.py` compares that of the committed runs, which are of every kind."""

import json

import pytest

from aejax.report.__main__ import main
from aejax.report.findings import describe_findings
from aejax.report.index import render_index


@pytest.fixture
def folder(tmp_path, results):
    """Two runs, one of them with a figure, and a folder that is not a run."""
    for name in ("digits", "my wine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(results))
    (tmp_path / "my wine" / "accuracy.png").touch()
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


def test_the_page_of_an_empty_folder_has_a_note(tmp_path):
    assert "No comparisons here yet" in render_index(tmp_path)

import json
import re

import pytest

from aejax.errors import InputError
from aejax.report.__main__ import main
from aejax.report.comparison_table import render_comparison_markdown
from aejax.report.index import render_index
from aejax.report.results import best_method


@pytest.fixture
def folder(tmp_path, results):
    """Two runs, one of them with two figures, and a folder that is no run."""
    for name in ("digits", "my wine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps(results))
    (tmp_path / "my wine" / "accuracy.png").touch()
    (tmp_path / "my wine" / "codes.png").touch()
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_every_run_has_a_headline_that_links_to_its_section_and_its_table(folder, results):
    page = render_index(folder)
    for name, anchor in (("digits", "digits"), ("my wine", "my-wine")):
        assert f"\n## {name}\n" in page
        headline = next(line for line in page.splitlines() if line.startswith(f"| [{name}](#{anchor})"))
        assert "supervised, 97.1" in headline
        assert "denoising, 95.5" in headline
        assert headline.endswith("| -1.50 | [-1.80, -1.10] | worse |")
    assert page.count(render_comparison_markdown(results).rstrip("\n")) == 2
    assert "notes" not in page


def test_the_headline_follows_the_numbers_not_the_order_of_methods(results):
    results["methods"][1]["test_accuracy"]["mean"] = 0.99
    results["methods"][6]["test_accuracy"]["mean"] = 0.98
    results["methods"][5]["test_accuracy"]["mean"] = float("nan")
    assert best_method(results, control=True)["name"] == "pca"
    assert best_method(results, control=False)["name"] == "sparse-l1"


def test_only_figures_that_exist_are_shown(folder):
    shown = re.findall(r"!\[[^]]+\]\(([^)]+)\)", render_index(folder))
    assert shown == ["my%20wine/accuracy.png", "my%20wine/codes.png"]


def test_a_run_with_controls_alone_has_no_difference(folder, results):
    results["methods"], results["comparisons"] = results["methods"][:4], []
    (folder / "digits" / "results.json").write_text(json.dumps(results))
    headline = next(line for line in render_index(folder).splitlines() if line.startswith("| [digits]"))
    assert headline.endswith("| — | — | — | — |")


def test_results_of_another_kind_show_the_table_they_wrote_and_are_not_read_as_comparisons(folder):
    (folder / "speed").mkdir()
    content = {"kind": "benchmark", "schema": 7, "environment": {"command": "time it", "machine": "abacus"}}
    (folder / "speed" / "results.json").write_text(json.dumps(content))
    (folder / "speed" / "table.md").write_text("| fast |\n")
    section = render_index(folder).split("## speed")[1]
    assert "Kind: benchmark. Made by `time it` on abacus." in section
    assert "| fast |" in section


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "expected a JSON object, found list"),
        ('{"schema": 2}', "schema 2, expected 1"),
        ('{"schema": 1}', "without dataset, environment, methods, comparisons"),
    ],
)
def test_a_file_that_is_not_schema_1_is_refused_by_name_and_with_a_mend(folder, content, complaint):
    path = folder / "digits" / "results.json"
    path.write_text(content)
    with pytest.raises(InputError) as refusal:
        render_index(folder)
    message = str(refusal.value)
    assert message.startswith(f"{path}: ")
    assert complaint in message
    assert "again with --overwrite" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda results: results["methods"][2].pop("test_nll"), r"methods\[2\]: without test_nll"),
        (lambda results: results["methods"].clear(), "methods: none"),
        (lambda results: results["methods"][0].update(test_accuracy=0.9), r"methods\[0\].test_accuracy: expected an"),
        (lambda results: results["methods"][0]["test_accuracy"].update(ci95=[0.9]), r"ci95: expected \[low, high\]"),
        (
            lambda results: results["methods"][0]["test_accuracy"].update(per_seed=["0.9"]),
            "one number or null per seed",
        ),
        (lambda results: results["comparisons"][3].pop("verdict"), r"comparisons\[3\]: without verdict"),
        (lambda results: results["dataset"].pop("n_test"), "dataset: without n_test"),
    ],
)
def test_a_field_that_is_missing_or_mistaken_is_named(folder, results, damage, complaint):
    damage(results)
    (folder / "digits" / "results.json").write_text(json.dumps(results))
    with pytest.raises(InputError, match=complaint):
        render_index(folder)


def test_the_command_writes_the_page_and_writing_again_changes_nothing(folder, capsys):
    assert main([str(folder)]) == 0
    first = (folder / "README.md").read_bytes()
    assert capsys.readouterr().out.strip() == str(folder / "README.md")
    assert main([str(folder)]) == 0
    assert (folder / "README.md").read_bytes() == first
    assert str(folder) not in first.decode()


def test_a_folder_that_is_not_there_is_an_error_of_one_line_and_status_2(tmp_path, capsys):
    assert main([str(tmp_path / "absent")]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("error: ")
    assert "absent: no such folder" in complaint
    assert complaint.count("\n") == 1


def test_explorations_are_linked_to_by_their_titles(folder):
    assert "Explorations" not in render_index(folder)
    (folder / "explore vae").mkdir()
    (folder / "explore vae" / "explore.md").write_text("# vae on mnist\n\nmore\n")
    assert "- [vae on mnist](explore%20vae/explore.md)" in render_index(folder)


def test_an_empty_folder_makes_a_page_that_says_so(tmp_path):
    assert "No comparisons here yet" in render_index(tmp_path)

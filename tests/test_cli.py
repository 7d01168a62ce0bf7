"""Scripts reject bad input with exit status 2 and one line that names the input and the fix, without a traceback."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aejax.cli import dispatch, make_console
from aejax.cli.arguments import required_path
from aejax.cli.dispatch import COMMANDS
from aejax.errors import InputError
from aejax.experiments.environment import command_line

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """The folder of files that CASES name."""
    folder = tmp_path_factory.mktemp("inputs")
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    x[7, 1] = np.nan
    np.savez(folder / "nan.npz", x=x, y=np.arange(40) % 2)
    (folder / "twins.csv").write_text("a,b,label\n" + "1,2,0\n2,1,1\n" * 10)
    (folder / "file").touch()
    (folder / "busy").mkdir()
    (folder / "busy" / "thesis.tex").write_text("")
    return folder


@pytest.mark.parametrize(("columns", "width"), [("63", 63), (None, 100)])
def test_without_a_terminal_a_console_is_as_wide_as_columns_or_100(monkeypatch, columns, width):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    assert make_console().width == width


GRID = ("latent_dim", "k", "k_start", "epochs", "batch_size", "patch")
CASES = {
    "unknown dataset": ("compare", ["--dataset", "digitz"], "digits"),
    "NaN in a file": ("compare", ["--dataset", "{}/nan.npz"], "row 7"),
    "unknown method": ("compare", ["--methods", "raw", "undercompleat"], "undercomplete"),
    "a method twice": ("compare", ["--methods", "raw", "raw"], "once"),
    "unknown flag": ("compare", ["--dataste", "digits"], "--dataste"),
    "a word for a number": ("compare", ["--seeds", "ten"], "--seeds"),
    "an unknown choice": ("compare", ["--optimizer", "lion"], "--optimizer"),
    "examples that are in the test too": ("compare", ["--dataset", "{}/twins.csv", "--duplicates", "refuse"], "twins"),
    "nothing to choose settings by": (
        "compare",
        ["--dataset", "digits", "--valid-fraction", "0", "--probe-c", "1", "--methods", "svm"],
        "choose settings by",
    ),
    "out is not a run": ("compare", ["--out", "{}/busy"], "busy"),
    "out cannot be made": ("compare", ["--out", "{}/file/run"], "--out"),
    "a stream of nothing": ("pretrain", ["--stream", "--dataset", "{}/none.npy"], "none.npy"),
    "a stream of a table": ("pretrain", ["--stream", "--dataset", "{}/twins.csv"], "--stream reads"),
    "a control to pretrain": ("pretrain", ["--recipe", "tutorial-tabular", "--method", "pca"], "--method pca"),
    "too long a warm-up": (
        "pretrain",
        ["--recipe", "tutorial-tabular", "--epochs", "2", "--warmup-epochs", "3"],
        "--warmup-epochs",
    ),
    "claims with no seeds": ("reproduce", ["--only", "digits-lr", "--seeds", "0"], "--seeds 0"),
    "a ledger among other files": ("reproduce", ["--only", "digits-lr", "--out", "{}/busy"], "busy"),
    "no run to probe": ("probe", [], "--run"),
    "no axis": ("sweep", [], "--axis"),
    "an axis without values": ("sweep", ["--axis", "latent_dim"], "FIELD=VALUE"),
    "an axis of no field": ("sweep", ["--axis", "latent_dims=2,4"], "latent_dim"),
    "an axis of data": ("sweep", ["--axis", "label-fraction=0.1,1"], "--label-fraction"),
    "an axis twice": ("sweep", ["--axis", "latent_dim=2,4", "--axis", "latent-dim=8"], "twice"),
    "a value twice": ("sweep", ["--axis", "noise_std=0.1,0.10"], "0.1 is given twice"),
    "a share of a unit": ("sweep", ["--axis", "latent_dim=2,4.5"], "'4.5'"),
    "a value out of range": ("sweep", ["--axis", "latent_dim=2,0"], "--latent-dim 0"),
    "an axis that the kind does not use": (
        "sweep",
        ["--dataset", "wine", "--axis", "noise_std=0.1,0.3", "--method", "undercomplete"],
        "denoising does",
    ),
    "axes of different kinds": ("sweep", ["--dataset", "wine", "--axis", "l1=0,1", "k=2,3"], "no kind"),
    "a control to sweep": ("sweep", ["--axis", "latent_dim=2,4", "--method", "pca"], "--method pca"),
    "more epochs than memory": (
        "compare",
        ["--dataset", "wine", "--methods", "raw", "--epochs", "1000000000"],
        "--epochs 1000000000",
    ),
    "more seeds than memory": (
        "compare",
        ["--dataset", "wine", "--methods", "raw", "--seeds", "99999999"],
        "--seeds 9",
    ),
    "a grid that is larger than memory": (
        "sweep",
        ["--dataset", "wine", "--axis", *(f"{field}={','.join(map(str, range(1, 30)))}" for field in GRID)],
        "594823321 combinations",
    ),
    "a seed of many digits": ("export", ["--run", "x", "--seed", "9" * 5000], "--seed 99999999999999999999: expected"),
    "too long a warm-up along an axis": (
        "sweep",
        ["--dataset", "wine", "--axis", "epochs=9,2", "--warmup-epochs", "3"],
        "--warmup-epochs",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_rejected_in_one_line(case, inputs, tmp_path, load_script):
    name, argv, named = CASES[case]
    out = [] if "--out" in argv or name == "probe" else ["--out", str(tmp_path / "out")]
    with pytest.raises(InputError) as raised:
        load_script(name)([word.format(inputs) for word in argv] + out)
    message = str(raised.value)
    assert named in message
    assert "\n" not in message
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_run_is_found_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for words in (["--run=~/run"], ["--run", "~/run"]):
        assert required_path("run", words, "a run") == tmp_path / "run"


def run_script(*argv):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *argv], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_every_script_runs_its_main_with_one_line_errors():
    scripts = [path for path in (ROOT / "scripts").glob("*.py") if path.name != "example.py"]
    bodies = {path.name: path.read_text().partition('\nif __name__ == "__main__":')[2] for path in scripts}
    assert [name for name, body in bodies.items() if not body.endswith("    run_main(main)\n")] == []


def test_the_list_of_commands_needs_no_jax():
    report = "print({'jax', 'numpy', 'tyro'} & set(sys.modules))"
    done = run_script(
        "-c", f"import sys, aejax.cli; {report}; from aejax.cli import dispatch; dispatch.main(); {report}"
    )
    imported, *lines, imported_by_help = done.stdout.splitlines()
    assert (imported, imported_by_help) == ("set()", "{'tyro'}")
    assert [name for name in COMMANDS if not any(line.startswith(f"  {name} ") for line in lines)] == []
    assert max(map(len, lines)) <= 80


def test_help_of_a_command_needs_no_jax():
    code = "import sys; from aejax.cli import dispatch; sys.argv = ['aejax', 'probe', '--help']\ntry: dispatch.main()\n"
    done = run_script(
        "-c", f"{code}except SystemExit as stop: print(stop.code, {{'jax', 'pandas'}} & set(sys.modules))"
    )
    assert done.stdout.endswith("\n0 set()\n")


@pytest.mark.parametrize("words", [["prob"], ["prob", "--help"]])
def test_an_unknown_command_ends_with_the_nearest_name(words, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["aejax", *words])
    with pytest.raises(SystemExit) as stop:
        dispatch.main()
    assert stop.value.code == 2
    assert capsys.readouterr().err == "error: aejax prob: no such command; did you mean probe\n"


@pytest.mark.parametrize("program", ["/usr/bin/aejax", str(ROOT / "aejax" / "__main__.py")])
def test_results_record_the_command_as_it_was_typed(program, monkeypatch):
    monkeypatch.setattr(sys, "argv", [program, "compare", "--dataset", "my data.csv"])
    assert command_line() == "aejax compare --dataset 'my data.csv'"


def printed_help(main, capsys, *argv):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert not stop.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_help_is_one_page_of_80_columns(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = printed_help(COMMANDS[name].main, capsys, "--help").splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    assert any(line.startswith(f"    aejax {name} ") for line in lines)
    assert {f"--{flag}" for flag in COMMANDS[name].FLAGS} <= set(" ".join(lines).split())


def test_help_has_the_defaults_of_the_data_set_and_the_kinds(capsys):
    shown = printed_help(COMMANDS["compare"].main, capsys, "--dataset", "tabular", "--help").split()
    assert "200)" in shown  # epochs
    assert "sparse-l1," in shown
    assert "supervised-KIND," in shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_is_explained_in_the_terminals_width(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = printed_help(COMMANDS[name].main, capsys, "--help-all")
    assert max(len(line) for line in shown.splitlines() if not line.startswith("    aejax ")) <= 80
    assert {f"--{flag}" for flag in COMMANDS[name].FLAGS} <= set(re.findall(r"^  (--[\w-]+)", shown, re.MULTILINE))
    # A flag that is followed by its default, another flag or nothing has no explanation.
    assert not re.findall(r"^  (--[a-z]\S+)(?: \S+)*(?: {2,}\(|\n(?! {8,}[^\s(]))", shown, re.MULTILINE)
    assert "None" not in shown
    assert "config." not in shown.replace("config.json", "")


FAILING_SAVE = """
import resource, sys
import numpy as np
from pathlib import Path
from aejax.cli import run_main
from aejax.storage.pytree_io import save_tree

def main(argv):
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))
    rng = np.random.default_rng(0)
    save_tree(Path(argv[0]) / "tree", {f"leaf{index}": rng.normal(size=5000) for index in range(20)})

run_main(main)
"""


def test_failed_save_prints_one_line(tmp_path):
    done = run_script("-c", FAILING_SAVE, str(tmp_path))
    assert done.returncode == 2
    problem = f"error: {tmp_path}/tree: cannot be saved (File too large)"
    assert done.stderr == f"{problem}; free disk space, then run the same again\n"

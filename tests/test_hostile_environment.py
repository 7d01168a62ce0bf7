"""No home, an old locale, names that are not UTF-8, a full disk, used-up memory: 0 or 2, and one line.

Nothing here depends on the locale's letters: Python's `lower` and `upper` do not (Turkish's dotless i is a matter of
C's `tolower`), and what people read and write is UTF-8 by name; a test looks for files that leave it to the locale.
"""

import ast
import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from aejax.cli import parse_args, run_main
from aejax.config import CompareConfig
from aejax.errors import InputError, escape_unprintable
from aejax.experiments.run_naming import dataset_slug

LATIN = os.fsdecode(b"caf\xe9")
ROOT = Path(__file__).parents[1]
ROWS = "a,b,label\n" + "".join(f"{i % 7},{i % 5},{i % 2}\n" for i in range(60))
ELSEWHERE = {"HOME": "/dev/null/x", "LC_ALL": "tr_TR.ISO-8859-9", "PYTHONIOENCODING": "ascii:strict"}


def run(*argv, **environment):
    """A script in a process of its own, without a home, in Turkish, on a terminal that knows only ASCII."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONUTF8", "MPLCONFIGDIR", "LANG")}
    return subprocess.run(
        [sys.executable, *argv],
        cwd=ROOT,
        env={**kept, "PYTHONPATH": str(ROOT), **ELSEWHERE, **environment},
        capture_output=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def comparison(tmp_path_factory):
    """A comparison on a table whose name is not UTF-8."""
    folder = tmp_path_factory.mktemp("bad times")
    (folder / f"{LATIN}.csv").write_text(ROWS)
    words = ("--dataset", str(folder / f"{LATIN}.csv"), "--methods", "raw", "pca", "--seeds", "2")
    return run("scripts/compare.py", *words, "--out", str(folder / "out")), folder


@pytest.mark.slow
def test_a_run_needs_no_home_and_no_encoding_of_the_locale(comparison):
    done, folder = comparison
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    results = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))
    assert results["dataset"]["name"] == r"caf\udce9"
    assert r"caf\udce9" in (folder / "out" / "table.md").read_text(encoding="utf-8")
    assert done.stdout.isascii()


@pytest.mark.slow
def test_nothing_was_written_outside_the_run_folder(comparison):
    _, folder = comparison
    assert {path.name for path in folder.iterdir()} - {f"{LATIN}.csv", "out"} <= {".out.lock"}


@pytest.mark.slow
def test_an_error_is_one_line_of_ascii_there():
    done = run("scripts/compare.py", "--dataset", f"{LATIN}.npz")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"error: ")
    assert rb"caf\udce9.npz: no such file" in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.isascii()


def test_without_a_home_mnist_names_the_folder_that_cannot_be_made(load_script, monkeypatch):
    monkeypatch.setenv("HOME", ELSEWHERE["HOME"])
    for name in ("AEJAX_DATA", "TFDS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match=r"^MNIST cannot be downloaded to /dev/null/x/tensorflow_datasets/mnist"):
        load_script("compare")(["--dataset", "mnist"])


def run_to_exit(body, capsys) -> tuple[int, str]:
    """Exit status and standard error of a script's body."""
    with pytest.raises(SystemExit) as stop:
        run_main(body)
    return stop.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("failure", "named"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/runs/a/table.md"), "/runs/a/table.md: No space left"),
        (PermissionError(errno.EACCES, "Permission denied", "/runs"), "/runs: Permission denied"),
        (RuntimeError("open failed: Too many open files [/x/y]"), "ulimit -n 1024"),
        (MemoryError("Unable to allocate 7.45 GiB"), "out of memory (Unable to allocate 7.45 GiB)"),
        (jax.errors.JaxRuntimeError("INTERNAL: Error dispatching: Out of memory allocating 9 bytes."), "out of memory"),
        (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 9 bytes\non GPU"), "fewer seeds"),
        (InputError(f"{LATIN}\nfile: \x1b[31mred"), r"error: caf\udce9\nfile: \x1b[31mred"),
    ],
)
def test_errors_of_the_machine_end_like_errors_of_the_user(failure, named, capsys):
    def body(argv):
        raise failure

    status, message = run_to_exit(body, capsys)
    assert status == 2
    assert message.startswith("error: ")
    assert named in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    "failure", [KeyError("x"), jax.errors.JaxRuntimeError("INTERNAL: bug"), io.UnsupportedOperation()]
)
def test_a_bug_keeps_its_traceback(failure):
    def body(argv):
        raise failure

    with pytest.raises(type(failure)):
        run_main(body)


SCRIPTS = ["benchmark", "compare", "explore", "pretrain", "probe", "report", "reproduce", "sweep", "verify"]
REQUIRED_FLAGS = {"explore": ["--run", "/nowhere"], "probe": ["--run", "/nowhere"]}
INVALID_FLAGS = (["--nosuch", "1"], ["--out"], ["--out", LATIN], ["--seeds", "1e3"], ["--experiments", "x"], ["stray"])


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_rejects_flags_that_it_cannot_use(name, load_script):
    body = load_script(name)
    for words in INVALID_FLAGS:
        with pytest.raises(InputError) as error:
            body([*REQUIRED_FLAGS.get(name, []), *words])
        assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--learning-rate", "inf"], "--learning-rate inf"),
        (["--l1", "1e308"], "--l1 1e+308"),
        (["--epochs", "9999999999999"], "at most 2147483647"),
        (["--hidden", "64", "99999999"], "--hidden"),
        (["--latent-dim", "99999999"], "--latent-dim 99999999"),
        (["--noise-std", "nan"], "--noise-std nan"),
    ],
)
def test_numbers_that_no_device_can_hold_are_rejected(words, named):
    with pytest.raises(InputError, match=r"expected|at most") as error:
        parse_args(CompareConfig(), words, "")
    assert named in str(error.value)


def test_names_become_words_for_folders_that_every_library_can_write():
    assert dataset_slug(f"data/{LATIN}.csv") == "caf_"
    assert escape_unprintable(LATIN) == r"caf\udce9"
    with pytest.raises(InputError, match="no home is known for ~nobody-of-that-name"):
        dataset_slug("~nobody-of-that-name/x.csv")


KERNEL_READERS = ("memory.py", "environment.py")  # they read files of the kernel, which are ASCII
OPENERS = ("open", "read_text", "write_text", "fdopen")


def leaves_encoding_to_the_locale(node):
    """A call that opens a file as text and does not name its encoding."""
    if not isinstance(node, ast.Call):
        return False
    called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    values = [*node.args, *(keyword.value for keyword in node.keywords)]
    words = [value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)]
    of_libraries = ast.unparse(node).startswith(("os.open(", "Image.open(", "gzip.open(", "archive.open("))
    binary = any("b" in word for word in words)
    named = any(keyword.arg == "encoding" for keyword in node.keywords)
    return called in OPENERS and not (of_libraries or binary or named)


def test_no_file_is_opened_in_the_encoding_of_the_locale():
    offenders = []
    for path in [*(ROOT / "aejax").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if leaves_encoding_to_the_locale(node) and path.name not in KERNEL_READERS:
                offenders.append(f"{path.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)[:90]}")
    assert offenders == []

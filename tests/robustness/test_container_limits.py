"""What does not fit into a container of 2 GiB is refused with status 2 and one line, and never killed (137)."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest

ROOT = Path(__file__).parents[2]
LIMIT = 2 << 30
PARENT = Path("/sys/fs/cgroup/memory")  # version 1; of version 2, a process may not be in a group with subgroups
TINY = ["--seeds", "2", "--epochs", "1", "--methods", "undercomplete"]

pytestmark = pytest.mark.slow


@pytest.fixture
def container():
    """A control group with a limit of its own, or a skipped test."""
    group = PARENT / f"aejax-{os.getpid()}"
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(LIMIT))
    except OSError as error:
        pytest.skip(f"no control group of one's own here: {error}")
    yield group
    with contextlib.suppress(OSError):
        group.rmdir()


def zeros_npz(folder):
    np.savez_compressed(folder / "data.npz", x=np.zeros((180_000, 1000)), y=np.arange(180_000) % 2)
    return folder / "data.npz"


def repeated_text(folder):
    words = [f"{'x' * 2000}{index}" for index in range(50)]
    chosen = np.arange(100_000) % 50
    part = pyarrow.table({"text": [words[index] for index in chosen], "label": chosen % 2})
    with pyarrow.parquet.ParquetWriter(folder / "data.parquet", part.schema) as writer:
        for _ in range(20):
            writer.write_table(part)
    return folder / "data.parquet"


def zeros_feather(folder):
    zeros = pyarrow.array(np.zeros(120_000_000))
    table = pyarrow.table({"a": zeros, "b": zeros, "label": pyarrow.array(np.zeros(120_000_000, np.int8))})
    pyarrow.feather.write_feather(table, folder / "data.feather", compression="zstd")
    return folder / "data.feather"


def run_inside(container, *flags):
    enter = f'echo $$ > {container / "cgroup.procs"} && exec "$@"'
    command = ["sh", "-c", enter, "sh", sys.executable, "scripts/compare.py", *TINY, *map(str, flags)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("write", [zeros_npz, repeated_text, zeros_feather])
def test_files_that_become_larger_than_the_container_are_refused(container, tmp_path, write):
    ended = run_inside(container, "--dataset", write(tmp_path), "--out", tmp_path / "run")
    assert ended.returncode == 2, ended.stderr
    assert "does not fit into memory" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wide", [["--hidden", 20_000, 20_000], ["--latent-dim", 1_000_000]])
def test_models_larger_than_the_container_are_refused(container, tmp_path, wide):
    ended = run_inside(container, "--dataset", "digits", *wide, "--out", tmp_path / "run")
    assert ended.returncode == 2, ended.stderr
    assert "undercomplete: 2 seeds need" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1

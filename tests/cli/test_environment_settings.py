"""What the environment sets of JAX, matplotlib and signals ends in 0, 2 with one line, or 75: never in a traceback."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.cli import devices, run_main
from aejax.cli.arguments import parse_args, required_path
from aejax.cli.commands import compare
from aejax.config import CompareConfig, PlanConfig
from aejax.errors import InputError
from aejax.train.plan import make_plan

ROOT = Path(__file__).parents[2]
SMALL = "compare --dataset wine --methods raw undercomplete --seeds 2 --epochs 1 --latent-dim 3 --hidden 4 --probe-c 1"


def run(*argv, folder=ROOT, limit=256, **environment):
    """A process with further variables of the environment, and at most `limit` open files."""
    return subprocess.run(
        ["bash", "-c", f'ulimit -n {limit}; exec "$0" "$@"', sys.executable, *argv],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


INTERRUPTED = """
import os, signal, sys
from aejax.cli import exit_status, run_main
def interrupt():
    os.kill(os.getpid(), signal.{})
    sys.exit(3)
if {}:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
exit_status._configure_libraries = interrupt
run_main(print)
"""


@pytest.mark.parametrize(
    ("name", "ignored", "status"),
    [("SIGTERM", False, 75), ("SIGINT", False, 75), ("SIGHUP", False, 75), ("SIGHUP", True, 3)],
)
def test_a_signal_during_the_imports_ends_at_once_unless_it_is_ignored(name, ignored, status):
    done = run("-c", INTERRUPTED.format(name, ignored))
    assert done.returncode == status
    assert done.stderr.count("\n") == (status == 75)


def test_a_hangup_is_handled_like_a_termination():
    code = "import os, signal, time\nfrom aejax.experiments.preemption import handle_signals\nwith handle_signals():\n"
    done = run("-c", f"{code}    os.kill(os.getpid(), signal.SIGHUP)\n    time.sleep(60)")
    assert done.returncode == 75
    assert done.stderr.startswith("stopped by a signal; everything is saved")


@pytest.mark.parametrize("error", [AssertionError(), RuntimeError("Unable to initialize backend 'cuda'\n...")])
def test_an_absent_backend_is_named(error, monkeypatch):
    def fail():
        raise error

    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    monkeypatch.setattr(jax, "devices", fail)
    monkeypatch.setattr(devices, "_set_cpu_devices", lambda seeds: None)
    with pytest.raises(InputError, match="JAX_PLATFORMS=cuda: no such device"):
        devices.configure_cpu_devices(1)


def test_commands_choose_the_backend_of_matplotlib_and_the_promotion_of_types(monkeypatch):
    before = jax.config.jax_numpy_dtype_promotion
    monkeypatch.setenv("MPLBACKEND", "nosuch")
    try:
        jax.config.update("jax_numpy_dtype_promotion", "strict")
        run_main(lambda argv: None)
        assert os.environ["MPLBACKEND"] == "agg"
        assert jax.config.jax_numpy_dtype_promotion == "standard"
    finally:
        jax.config.update("jax_numpy_dtype_promotion", before)


def test_without_jit_results_without_values_have_their_shape():
    plan = make_plan(PlanConfig(), 2)
    with jax.disable_jit():
        empty = plan.map_seeds(lambda row: jnp.zeros(0))(plan.shard(np.ones((2, 3), np.float32)))
        assert plan.to_host(empty).shape == (2, 0)


def test_a_home_is_expanded_and_the_current_folder_is_a_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    args = parse_args(compare.Args(config=CompareConfig()), ["--out=~/x", "--plugin", "~/a.py", "b.py"], "")
    assert args.out == Path("/home/me/x")
    assert args.plugin == (Path("/home/me/a.py"), Path("b.py"))
    assert required_path("out", ["--out", "."], "a folder") == Path()
    with pytest.raises(InputError, match="--out: missing; give a folder"):
        required_path("out", ["--seed", "1"], "a folder")


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {"JAX_DISABLE_JIT": "1"},
        {"JAX_DEBUG_NANS": "1"},
        {"JAX_NUMPY_DTYPE_PROMOTION": "strict"},
        {"MPLBACKEND": "nosuch"},
        {},  # with a matplotlibrc in the current folder
    ],
)
def test_a_comparison_works_in_any_environment(environment, tmp_path):
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfigure.dpi: 1\n")
    done = run("-m", "aejax", *SMALL.split(), "--out", "out", folder=tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "accuracy.png").exists()


def test_few_file_descriptors_are_one_line():
    done = run("-m", "aejax", *SMALL.split(), limit=12)
    assert done.returncode == 2
    assert done.stderr == "error: at most 12 open files are allowed here; raise this: ulimit -n 1024\n"


@pytest.mark.slow
@pytest.mark.parametrize("platforms", ["nosuch", "cuda"])
def test_an_absent_backend_is_one_line(platforms, tmp_path):
    done = run("-m", "aejax", *SMALL.split(), "--out", str(tmp_path / "out"), JAX_PLATFORMS=platforms)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: JAX_PLATFORMS={platforms}: no such device")
    assert done.stderr.count("\n") == 1


def test_signals_of_the_process_are_restored():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    run_main(lambda argv: None)
    assert before == [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]

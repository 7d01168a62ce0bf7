"""The command for an accelerator works where there is none; what it reports of speed is not tested."""

import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from benchmark import accelerator
from benchmark.accelerator import REHEARSAL, Measurement, block_imports, run_measurements
from benchmark.accelerator_report import PARTS, add_shares, records_of, render_markdown, save_seeds_figure

from aejax.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_rehearsal_measures_every_part(tmp_path: Path) -> None:
    command = [sys.executable, "scripts/benchmark/accelerator.py", "--rehearse", "--minutes", "30"]
    environment = {name: value for name, value in os.environ.items() if name not in ("XLA_FLAGS", "PYTHONPATH")}
    subprocess.run([*command, "--out", str(tmp_path)], cwd=ROOT, env=environment, check=True, timeout=1800)
    results = json.loads((tmp_path / "accelerator.json").read_text())
    assert [one for one in results["measurements"] if "failed" in one or "skipped" in one] == []
    assert {part for part in PARTS if records_of(results, part)} >= set(PARTS) - {"torch"}
    assert all(one["agree"] and one["repeats_bit_equal"] for one in records_of(results, "agreement"))
    assert [one["seeds"] for one in records_of(results, "path")] == list(REHEARSAL.path_seeds)
    assert (tmp_path / "table.md").read_text().count("\n## ") >= len(PARTS) - 1
    assert (tmp_path / "seeds.png").stat().st_size > 5000


def run(minutes: float, *measurements: Measurement) -> list[dict[str, Any]]:
    written: list[int] = []
    records: list[dict[str, Any]] = []

    def write(done: list[Any]) -> None:
        written.append(len(done))
        records[:] = done

    run_measurements(iter(measurements), minutes, write)
    assert written == list(range(1, 1 + len(measurements)))
    return records


@pytest.mark.slow
def test_a_failed_measurement_is_recorded_and_the_others_go_on() -> None:
    bad = Measurement("training", "too many seeds", "one", 1, divmod, (1, 0))
    crash = Measurement("training", "crash", "one", 1, os._exit, (1,))
    good = Measurement("training", "few seeds", "one", 1, dict, ([("seeds", 3)],))
    first, second, third = run(1, bad, crash, good)
    assert first["failed"].startswith("ZeroDivisionError")
    assert second["failed"].startswith("BrokenProcessPool")
    assert third["seeds"] == 3


def test_nothing_is_begun_after_the_time_is_up() -> None:
    (record,) = run(-1, Measurement("path", "late", "one", 1, dict))
    assert record["skipped"] == "no time was left"


def test_blocked_packages_fail_to_import_in_new_processes(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(accelerator, "MISSING_PACKAGES", ("a_package_of_one_machine",))
    block_imports(tmp_path)
    with ProcessPoolExecutor(1, get_context("spawn")) as process, pytest.raises(ModuleNotFoundError, match="blocked"):
        process.submit(__import__, "a_package_of_one_machine").result()
    monkeypatch.setattr(accelerator, "MISSING_PACKAGES", ("json",))
    with pytest.raises(InputError, match="json: is imported by this command"):
        block_imports(tmp_path)


def training(seeds: int, seconds: float, *, shuffling: float = 0.1, gflops: float = 30.0) -> dict[str, Any]:
    record = {"part": "training", "name": "deep", "seeds": seeds, "seconds": {"median": seconds}}
    return record | {"shuffling_share": shuffling, "gflop_per_second": gflops, "seconds_until_first_result": 1.0}


def test_what_bounds_an_epoch_is_told_from_its_neighbours() -> None:
    trainings = [
        training(1, 1.0),  # four times the seeds take little longer
        training(4, 1.2, gflops=90.0),  # the product rate is reached
        training(16, 4.8, shuffling=0.6),
        training(64, 19.0),
    ]
    assert [one["bound"] for one in add_shares(trainings, 100.0)] == ["launches", "arithmetic", "shuffling", "memory"]
    assert trainings[3]["seconds_per_seed"] == pytest.approx(19 / 64)


def test_a_page_shows_what_failed_and_what_was_skipped(tmp_path: Path) -> None:
    failed = {"part": "training", "name": "deep", "failed": "XlaRuntimeError: out of memory"}
    skipped = {"part": "comparison", "name": "MNIST", "skipped": "no time was left"}
    results = {"environment": {"command": "it", "seconds": 1.0}, "measurements": [training(1, 1.0), failed, skipped]}
    page = render_markdown(results)
    assert "| deep | 1 | 1 | 1 | 30 |" in page
    assert "out of memory" in page
    assert "no time was left" in page
    save_seeds_figure(results, tmp_path / "seeds.png")
    assert (tmp_path / "seeds.png").exists()

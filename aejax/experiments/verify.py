"""Verification of the statistics by simulation: writes `verify.json`, `verify.md` and `verify.png`."""

import itertools
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.errors import InputError, require
from aejax.evaluate.across_verification import verify_across_datasets
from aejax.evaluate.verification import DESIGNS, SimulationBudget, verify_statistics
from aejax.experiments.environment import command_line, describe_machine
from aejax.experiments.same_method import DATASETS, compare_same_method
from aejax.report.style import save_figure
from aejax.report.verification_page import plot_power_and_coverage, render_verification_page
from aejax.storage.atomic_io import write_atomically, write_json

MIN_EXPERIMENTS = 40
OUTPUT_FILES = {"verify.md", "verify.png", "verify.json"}


def verify(budget: SimulationBudget, out: Path, console: Console, *, real: bool = False) -> dict[str, Any]:
    """Simulates experiments and writes the results, replacing earlier ones in the folder.

    Args:
        budget: how many experiments, of which sizes.
        out: folder of the results.
        console: for a line about each part.
        real: whether one method is compared with itself on real data, too.

    Raises:
        InputError: there are too few experiments, or the folder cannot be written or holds other files.
    """
    start = time.perf_counter()
    need = f"expected at least {MIN_EXPERIMENTS}"
    require(budget.experiments >= MIN_EXPERIMENTS, f"--experiments {budget.experiments}: {need}")
    _make_out_dir(out)

    def log(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    checks = verify_statistics(budget, log)
    checks["checks"] += verify_across_datasets(budget.experiments, log)
    if real:
        checks["real"] = []
        for dataset, design in itertools.product(DATASETS, DESIGNS):
            log(f"one method under two sets of seeds, {dataset}, {design}")
            checks["real"].append(compare_same_method(dataset, design))
        checks["checks"] += [_check_real(entry) for entry in checks["real"]]
    environment = {
        "python": platform.python_version(),
        **{package: version(package) for package in ("numpy", "scipy", "scikit-learn")},
        "machine": describe_machine(),
        "command": command_line(),
        "seconds": time.perf_counter() - start,
    }
    results = {"schema": 1, "kind": "verify", "effort": budget._asdict(), "environment": environment, **checks}
    write_atomically(out / "verify.md", render_verification_page(results).encode())
    save_figure(plot_power_and_coverage(results), out / "verify.png")
    write_json(out / "verify.json", results)
    return results


def _check_real(entry: dict[str, Any]) -> dict[str, Any]:
    """Checks that at most 5 % of the pairs differ; pairs share trainings, so that no binomial interval is exact."""
    share = entry["decisive"] / entry["pairs"]
    claim = f"{entry['dataset']}, {entry['design']}: one method under two sets of seeds differs in at most 5 %"
    return {"claim": claim, "worst": share, "holds": share <= 0.05}


def _make_out_dir(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror}); give another --out") from None
    others = sorted({path.name for path in out.iterdir()} - OUTPUT_FILES)
    require(
        not others, f"--out {out}: holds {others[0] if others else ''}, which is not of verify.py; give another --out"
    )

"""Everything people do with a trained autoencoder, done with one: parts, figures, `explore.json` and a page."""

import time
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import PlanConfig, to_dict
from aejax.config.explore import ExploreConfig
from aejax.errors import InputError, require
from aejax.report.exploration import exploration_page
from aejax.run.environment import describe
from aejax.run.exploring import drawn, inside, restored
from aejax.run.exploring.heldout import epochs_ahead, make_anomaly_detection
from aejax.run.exploring.part import Part, Skipped
from aejax.run.exploring.subject import Subject, open_subject
from aejax.run.progress import Reporter, reporting
from aejax.store.runs import plain, read_json, write_atomically, write_json
from aejax.train.plan import make_plan

FOUND = "explore.json"  # written last: where it is, everything is


def parts_of(reporter: Reporter) -> dict[str, Part]:
    """Every part by name, in the order of the page."""
    return {
        "reconstructions": restored.reconstructions,
        "denoising": restored.denoising,
        "samples": drawn.samples,
        "latent_grid": drawn.latent_grid,
        "interpolation": drawn.interpolation,
        "traversals": drawn.traversals,
        "codes": inside.codes,
        "filters": inside.filters,
        "atoms": inside.decoder_atoms,
        "compression": restored.compression,
        "anomaly_detection": make_anomaly_detection(reporter),
    }


def explore(
    folder: Path, config: ExploreConfig, out: Path, console: Console, *, overwrite: bool = False
) -> dict[str, Any]:
    """Explore a pretraining run into a folder: figures, `explore.json`, `explore.md`.

    An exploration of the same run with the same settings that the folder already holds is just read.

    Raises:
        InputError: the run cannot be opened, the data are not those it was trained on, or the folder is not free.
    """
    began = time.perf_counter()
    subject = open_subject(folder, config)
    settings = {"run": subject.run.results["config"], **to_dict(config)}
    if found := _finished(out, settings, overwrite=overwrite):
        console.print(
            f"{out} holds this exploration already; --overwrite makes it again", highlight=False, soft_wrap=True
        )
        return found
    ahead = epochs_ahead(subject)
    _begin(out, settings)
    parts: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    with reporting(console, total_epochs=max(ahead, 1)) as reporter:
        for name, part in parts_of(reporter).items():
            reporter.begin(name)
            found_or_not = part(subject, out)
            if isinstance(found_or_not, Skipped):
                skipped[name] = found_or_not.reason
                reporter.end(f"left out: {found_or_not.reason}")
            else:
                parts[name] = {"says": found_or_not.says, **found_or_not.numbers, "figures": found_or_not.figures}
                reporter.end(found_or_not.says)
    results = _results(subject, parts, skipped, time.perf_counter() - began)
    write_atomically(out / "explore.md", exploration_page(plain(results)).encode())
    write_json(out / FOUND, results)
    return plain(results)


def _results(subject: Subject, parts: dict[str, Any], skipped: dict[str, str], seconds: float) -> dict[str, Any]:
    return {
        "schema": 1,
        "kind": "explore",
        "dataset": subject.run.results["dataset"],
        "config": subject.run.results["config"],
        "settings": to_dict(subject.config),
        "environment": {**describe(make_plan(PlanConfig(), 1)), "seconds": seconds},
        "method": subject.name,
        "seed": subject.config.seed,
        "code": "the posterior's mean" if subject.variational else "the encoder's output",
        "parts": parts,
        "skipped": skipped,
    }


def _finished(out: Path, settings: dict[str, Any], *, overwrite: bool) -> dict[str, Any] | None:
    """The exploration with these settings that the folder holds, or None if the folder may be filled.

    Raises:
        InputError: it holds another exploration, or something else, or is a file.
    """
    if not out.exists():
        return None
    require(out.is_dir(), f"{out}: is a file; give another --out")
    if not any(out.iterdir()):
        return None
    require((out / "settings.json").is_file(), f"{out}: holds other files and no exploration; give another --out")
    same = read_json(out / "settings.json") == plain(settings)
    mend = "give --overwrite to replace it, or another --out"
    require(same or overwrite, f"{out}: holds an exploration with other settings; {mend}")
    return read_json(out / FOUND) if (out / FOUND).is_file() and not overwrite else None


def _begin(out: Path, settings: dict[str, Any]) -> None:
    """An empty exploration: figures of an earlier one, which may have had other parts, are removed."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        for earlier in (out / FOUND, out / "explore.md", *out.glob("*.png")):
            earlier.unlink(missing_ok=True)
        write_json(out / "settings.json", settings)
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror}); give another --out") from None

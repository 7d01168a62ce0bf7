"""Shards of a comparison or a sweep, and the run that all of them make together.

A shard saves the results of its methods or settings in its folder, as an interrupted run does. The run that merges
shards starts with all of these results: it trains nothing, and writes what one run without shards writes.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from aejax.config import CheckpointConfig, CompareConfig, SweepConfig, from_dict
from aejax.config.experiment import parse_shard
from aejax.errors import InputError, require
from aejax.experiments.checkpointing import CHECKPOINTS_DIR, RESULT_CACHE_DIR
from aejax.experiments.job import Job
from aejax.experiments.multihost import is_primary
from aejax.storage.atomic_io import read_json
from aejax.storage.run_folder import read_state_record
from aejax.storage.run_identity import HASH_SUBJECTS, setting_differences
from aejax.storage.runs import CONFIG_FILE, Run

SHARD_FILE = "shard.json"  # results of a shard


def make_shard_job(job: Job) -> Job:
    """Returns a job that fills the folder of a shard, which keeps its saved results."""
    return job._replace(results_file=SHARD_FILE, remove=(CHECKPOINTS_DIR,))


def shard_results(shard: str, names: Sequence[str]) -> dict[str, Any]:
    """Returns `shard.json`; `names` are those of the methods or settings."""
    return {"schema": 2, "kind": "shard", "shard": shard, "names": list(names)}


def read_shard_config(folders: Sequence[Path]) -> CompareConfig | SweepConfig:
    """Returns the config of the run that shards belong to.

    Raises:
        InputError: a folder is no finished shard, a shard is missing or given twice, or their number, settings, data
            or versions differ.
    """
    shards = [_read_shard(folder) for folder in folders]
    count = shards[0]["shard"].total
    for folder, one in zip(folders, shards, strict=True):
        total = one["shard"].total
        require(
            total == count,
            f"--merge {folder}: is one of {total} shards, {folders[0]} one of {count}; merge those of one command",
        )
    numbers = sorted(one["shard"].number for one in shards)
    missing = sorted(set(range(1, count + 1)) - set(numbers))
    require(not missing, f"--merge: shard {missing[0] if missing else 0}/{count} is missing; give the folders of all")
    require(len(numbers) == count, f"--merge: got {len(numbers)} folders of {count} shards; give each once")
    for folder, one in zip(folders, shards, strict=True):
        for path, there, here in setting_differences(one["described"], shards[0]["described"], {}):
            raise InputError(
                f"--merge {folder}: differs from {folders[0]} in {'.'.join(path)} ({there} there, {here} here); "
                "merge the shards of one command, run by one version"
            )
    settings = shards[0]["described"]["config"]
    where = str(folders[0] / CONFIG_FILE)
    return from_dict(SweepConfig, settings, where) if "axis" in settings else from_dict(CompareConfig, settings, where)


def _read_shard(folder: Path) -> dict[str, Any]:
    """Returns the shard of a folder, and what must be equal for all."""
    finished = (folder / SHARD_FILE).is_file() and (folder / RESULT_CACHE_DIR).is_dir()
    require(finished, f"--merge {folder}: is no finished shard; give folders that --shard I/N filled")
    config, record = read_json(folder / CONFIG_FILE), read_state_record(folder)
    attempt = record["attempts"][-1]
    made_by = {name: attempt.get(name) for name in ("versions", "commit")}
    described = {"config": {**config, "shard": None}, "identity": record["identity"], **made_by}
    return {"shard": parse_shard(config["shard"]), "described": described}


def adopt_results(run: Run, folders: Sequence[Path]) -> None:
    """Copies the saved results of shards into a run.

    Raises:
        InputError: a shard was made from other data or another split, its results cannot be copied, or the folder of
            the run was moved or deleted meanwhile.
    """
    for folder in folders:
        for name, there in read_state_record(folder)["identity"].items():
            here = run.state_record["identity"].get(name, there)
            what = HASH_SUBJECTS.get(name, name)
            require(here == there, f"--merge {folder}: was made from other {what} than {run.folder}; run it again")
        if is_primary():
            with run.guard_save(run.path / RESULT_CACHE_DIR):
                _copy_results(folder, run.path)


def _copy_results(source: Path, target: Path) -> None:
    try:
        shutil.copytree(source / RESULT_CACHE_DIR, target / RESULT_CACHE_DIR, dirs_exist_ok=True)
    except OSError as error:  # `shutil.Error` is one, too, of several files
        reason = error.strerror or "several files"
        raise InputError(
            f"{target}: the results of {source} cannot be copied there ({reason}); free disk space, then run the same "
            "command again"
        ) from None


def merge_shards(
    folders: Sequence[Path], out: Path, console: Console, checkpoint: CheckpointConfig = CheckpointConfig()
) -> dict[str, Any]:
    """Makes one run of shards and returns its results. Raises as `read_shard_config` and `run_job`."""
    from aejax.experiments.compare import compare
    from aejax.experiments.sweep import sweep

    config = read_shard_config(folders)
    if isinstance(config, SweepConfig):
        return sweep(config, out, console, checkpoint, folders)
    return compare(config, out, console, checkpoint, folders)

"""The state of a run, `run.json`: `running`, `interrupted`, `finished` or `failed`, its attempts, and its hashes."""

from pathlib import Path
from typing import Any, Literal, get_args

from aejax.errors import require
from aejax.storage.atomic_io import read_json

RunState = Literal["running", "interrupted", "finished", "failed"]
RUN_STATE_FILE, RESULTS_FILE = "run.json", "results.json"


def read_run_state(folder: Path, results_file: str = RESULTS_FILE) -> RunState:
    """Returns the state that a run saved last."""
    unrecorded = "finished" if (folder / results_file).exists() else "interrupted"
    return read_state_record(folder).get("state", unrecorded)


def read_state_record(folder: Path) -> dict[str, Any]:
    """Returns the content of `run.json`; nothing for a run of a version without this file.

    Raises:
        InputError: it is damaged.
    """
    if not (folder / RUN_STATE_FILE).exists():
        return {}
    record = read_json(folder / RUN_STATE_FILE)
    valid = (
        isinstance(record, dict)
        and record.get("schema") == 1
        and record.get("state") in get_args(RunState)
        and isinstance(record.get("attempts"), list)
        and isinstance(record.get("identity", {}), dict)
    )
    require(valid, f"{folder / RUN_STATE_FILE}: is damaged; give --overwrite to start again, or another --out")
    return record

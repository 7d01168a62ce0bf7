"""The state of a run, `run.json`: `running`, `interrupted`, `finished` or `failed`, its attempts, and its hashes."""

from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from aejax.config.serialization import check_type
from aejax.storage.atomic_io import read_json

RunState = Literal["running", "interrupted", "finished", "failed"]
RUN_STATE_FILE, RESULTS_FILE = "run.json", "results.json"


class Attempt(TypedDict):
    """An attempt at a run."""

    seconds: NotRequired[float]
    host: NotRequired[str]
    process: NotRequired[int]
    commit: NotRequired[str | None]
    versions: NotRequired[dict[str, str]]
    backend: NotRequired[str]
    devices: NotRequired[int]
    cores: NotRequired[int]
    x64: NotRequired[bool]


class RunRecord(TypedDict):
    """The content of `run.json`."""

    schema: Literal[1]
    state: RunState
    attempts: list[Attempt]
    identity: NotRequired[dict[str, str | int]]


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
    record: dict[str, Any] = read_json(folder / RUN_STATE_FILE)
    fix = "give --overwrite to start again, or another --out"
    check_type(RunRecord, record, str(folder / RUN_STATE_FILE), fix)
    return record

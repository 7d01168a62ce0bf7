"""What makes a run this run and not another: its settings, and the hashes of what it was made from.

A folder is resumed, or its results are read, only if both agree. Settings that older versions did not have count as
what those versions did; hashes that older versions did not save are not compared, except those in their results.
"""

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aejax.errors import require
from aejax.storage.atomic_io import to_jsonable
from aejax.storage.results_file import read_results

MAX_DIFFERENCES = 3  # settings named in a message
MAX_VALUE_LENGTH = 40  # characters of a setting in a message
SHORT_HASH = 8  # hex digits of a hash in a message
PLACE_SETTINGS = frozenset({"data_dir"})  # where data lie; what they are is compared by hash

PROTOCOL_KEY = "protocol"
FUNCTIONS_KEY = f"functions-{sys.implementation.cache_tag}"  # code of another version of Python cannot be compared

HASH_SUBJECTS = {  # by name: what differs where the hashes do
    "data": "data",
    "names": "names of classes or columns",
    "stream": "streamed data",
    "split": "training, validation and test rows",
    "weights": "pretrained weights",
    "representations": "features or encoders of one's own",
    FUNCTIONS_KEY: "functions, transformers or kinds of one's own",
}


@dataclasses.dataclass(frozen=True)
class RunIdentity:
    """The settings of a run, and the SHA-256 of each thing that it is made from."""

    settings: Mapping[str, Any]  # as JSON, nested; the content of `config.json`
    hashes: Mapping[str, str] = dataclasses.field(default_factory=dict)  # by name in `HASH_SUBJECTS`
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # of settings; for runs that lack some
    protocol: int = 1  # grows when the same settings are to give other results; runs of another are not continued

    def require_same_protocol(self, folder: Path, saved_hashes: Mapping[str, Any]) -> None:
        """Raises `InputError` if an unfinished run was begun by another protocol, whose results must not be mixed."""
        require(
            saved_hashes.get(PROTOCOL_KEY, 1) == self.protocol,
            f"{folder}: holds an unfinished run of another version, whose methods differ; give --overwrite to start "
            "again, or another --out",
        )

    @property
    def record(self) -> dict[str, Any]:
        """`identity` of `run.json`."""
        return {**self.hashes, **({PROTOCOL_KEY: self.protocol} if self.protocol > 1 else {})}

    def require_same_settings(self, folder: Path, saved: Any) -> None:
        """Raises `InputError`, which names what differs, unless a run with the settings `saved` is this run."""
        require(isinstance(saved, dict), f"{folder}: its config.json is damaged; give --overwrite, or another --out")
        differences = [
            f"{path[-1]} {_format(there)} there, {_format(here)} here"
            for path, there, here in setting_differences(saved, self.settings, self.defaults)
        ]
        shown, more = differences[:MAX_DIFFERENCES], len(differences) - MAX_DIFFERENCES
        shown += [f"and {more} more"] if more > 0 else []
        require(
            not differences,
            f"{folder}: holds another run ({'; '.join(shown)}); give --overwrite to replace it, or another --out",
        )


def require_same_hashes(folder: Path, there: Mapping[str, Any], here: Mapping[str, str]) -> None:
    """Raises `InputError` if a run was made from something else; hashes that only one of both has are ignored."""
    for name in (name for name in here if name in there):
        old, new = str(there[name])[:SHORT_HASH], here[name][:SHORT_HASH]
        require(
            there[name] == here[name],
            f"{folder}: holds a run of other {HASH_SUBJECTS.get(name, name)} (SHA-256 {old} there, {new} here); give "
            "--overwrite to make it again, or another --out",
        )


def setting_differences(
    there: Mapping[str, Any], here: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Yields the path of each setting that differs, with its value there and here, but for the folder of the data.

    >>> list(setting_differences({"train": {"epochs": 30}}, {"train": {"epochs": 10}, "seeds": 2}, {"seeds": 2}))
    [(('train', 'epochs'), 30, 10)]
    """
    left, right, default = (_flatten(to_jsonable(values)) for values in (there, here, defaults))
    for path in dict.fromkeys([*right, *left]):
        old, new = (side.get(path, default.get(path)) for side in (left, right))
        if path[-1] not in PLACE_SETTINGS and old != new:
            yield path, old, new


def read_saved_hashes(folder: Path, results_file: str, state_record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the hashes of a run: those in its state record, or else those in the results of an older version."""
    if "identity" in state_record:
        return dict(state_record["identity"])
    if not (folder / results_file).exists():
        return {}
    dataset = read_results(folder / results_file)["dataset"]
    found = {"data": dataset.get("sha256"), "stream": dataset.get("stream", {}).get("fingerprint")}
    return {name: value for name, value in found.items() if value is not None}


def _flatten(settings: Mapping[str, Any], above: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    flat: dict[tuple[str, ...], Any] = {}
    for name, value in settings.items():
        flat |= _flatten(value, (*above, name)) if isinstance(value, Mapping) else {(*above, name): value}
    return flat


def _format(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= MAX_VALUE_LENGTH else f"{text[: MAX_VALUE_LENGTH - 3]}..."

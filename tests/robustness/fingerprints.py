"""What must be equal in two runs of a command, of which one was disturbed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from aejax.storage.atomic_io import read_json
from aejax.storage.manifest import verify_manifest
from aejax.storage.pretrained_encoder import load_encoder
from aejax.storage.pytree_io import META_FILE, load_tree, named_leaves
from aejax.storage.results_file import read_results

VOLATILE_FIELDS = ("seconds", "seconds_per_seed_and_epoch", "command", "attempts")  # that differ between equal runs
WORKING_NAMES = ("found", "checkpoints", "replaced")  # that a finished run does not need


def command_fingerprint(command: str, out: Path) -> Any:
    """Returns what must be equal in two runs of a command; raises if the folder has what does not belong there."""
    if command == "report":
        return out.read_bytes()
    if command.startswith("shard"):  # which leaves the features of its methods to the merge
        trees = sorted({path.parent for path in out.rglob(META_FILE)})
        return {tree.name: _tree_bytes(tree) for tree in trees}
    if command == "export":
        verify_manifest(out)
        return load_encoder(out).metadata.arrays_sha256
    kept = "checkpoints" if command.startswith("training") else ""  # a pretraining keeps its last ones
    left = [path.name for path in out.rglob("*") if path.name in WORKING_NAMES or path.name.endswith(".tmp")]
    assert set(left) <= {kept}, f"left over: {left}"
    if command == "explore":
        parts = read_results(out / "explore.json")["parts"]
        return repr(parts), sorted(path.name for path in out.glob("*.png"))
    if command == "reproduce":
        return json.dumps(drop_volatile_fields(read_json(out / "ledger.json")))
    runs = [path.parent for path in sorted(out.rglob("config.json"))]
    of_all = json.dumps(drop_volatile_fields(read_results(out / "results.json")))
    return of_all, {str(run.relative_to(out)): run_fingerprint(run) for run in runs}


def run_fingerprint(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of each part of a run that must be equal in two runs of a config. Times are not included."""
    parts = {
        name: repr(drop_volatile_fields(read(folder / name))).encode()
        for name, read in (("config.json", read_json), ("results.json", read_results))
    }
    if (folder / "metrics.jsonl").exists():
        parts["metrics.jsonl"] = (folder / "metrics.jsonl").read_bytes()
    for name in ("checkpoint", "best"):
        if (folder / name).exists():
            parts |= {f"{name} {path}": leaf for path, leaf in _tree_bytes(folder / name).items()}
    if (folder / "scores.npz").exists():
        with np.load(folder / "scores.npz", allow_pickle=False) as scores:
            parts |= {f"scores.npz {path}": _array_bytes(scores[path]) for path in scores}
    return {name: hashlib.sha256(content).hexdigest() for name, content in parts.items()}


def _tree_bytes(folder: Path) -> dict[str, bytes]:
    return {path: _array_bytes(leaf) for path, leaf in named_leaves(load_tree(folder).tree).items()}


def _array_bytes(array: np.ndarray) -> bytes:
    return f"{array.dtype} {array.shape} ".encode() + array.tobytes()


def drop_volatile_fields(value: Any) -> Any:
    """Returns JSON without the fields that differ between equal runs."""
    if isinstance(value, dict):
        return {name: drop_volatile_fields(item) for name, item in value.items() if name not in VOLATILE_FIELDS}
    return [drop_volatile_fields(item) for item in value] if isinstance(value, list) else value

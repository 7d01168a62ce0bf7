"""The kinds of work, each in a folder of its own, and the registry of all that can be timed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aejax.benchmark.command.measure import measure_command
from aejax.benchmark.command.workloads import COMMANDS, Command, prepare_command
from aejax.benchmark.encoding.measure import measure_encoding
from aejax.benchmark.encoding.workloads import ENCODINGS, EncodingWorkload, prepare_encoding
from aejax.benchmark.path.measure import measure_path
from aejax.benchmark.path.workloads import PATHS, PathWorkload, prepare_path
from aejax.benchmark.peers import Peer
from aejax.benchmark.training.measure import measure
from aejax.benchmark.training.workloads import WORKLOADS, Workload, prepare_job
from aejax.benchmark.turns import Effort, Say


class Kind(NamedTuple):
    """How one kind of workload is got ready and timed."""

    prepare: Callable[[Any, Path | None], Any]  # the work of a workload, from the folder of the data
    measure: Callable[[str, Any, Any, Sequence[str], Effort, Say], dict[str, Any]]
    """An entry of `workloads` in the results, from its name, the workload, its work, and the peers."""
    occupies: Callable[[Peer, Any], bool]  # whether a peer has anything to do at such work


KINDS: dict[type, Kind] = {
    Workload: Kind(prepare_job, measure, lambda peer, job: bool(peer.trains(job.config, 1, 1))),
    PathWorkload: Kind(prepare_path, measure_path, lambda peer, job: bool(peer.fits(1))),
    EncodingWorkload: Kind(prepare_encoding, measure_encoding, lambda peer, job: bool(peer.encodes(1, 1))),
    Command: Kind(prepare_command, measure_command, lambda peer, job: False),
}

EVERYTHING: dict[str, Any] = {**WORKLOADS, **PATHS, **ENCODINGS, **COMMANDS}
LONG = ("memory-mnist",)  # timed only where it is asked for
DEFAULT = tuple(name for name in EVERYTHING if name not in LONG)

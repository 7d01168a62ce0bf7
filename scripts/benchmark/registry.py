"""The kinds of work, each in a folder of its own, and the registry of all that can be timed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.command.measure import measure_command
from benchmark.command.workloads import COMMAND_WORKLOADS, CommandWorkload, prepare_command
from benchmark.encoding.measure import measure_encoding
from benchmark.encoding.workloads import ENCODING_WORKLOADS, EncodingWorkload, prepare_encoding_job
from benchmark.interleaved import Log, TimingBudget
from benchmark.logistic_path.measure import measure_path
from benchmark.logistic_path.workloads import PATH_WORKLOADS, PathWorkload, prepare_path_job
from benchmark.peers import Peer
from benchmark.training.measure import measure_training
from benchmark.training.workloads import TRAINING_WORKLOADS, TrainingWorkload, prepare_training_job


class WorkloadType(NamedTuple):
    """How one kind of workload is got ready and timed."""

    prepare: Callable[[Any, Path | None], Any]  # the work of a workload, from the folder of the data
    measure: Callable[[str, Any, Any, Sequence[str], TimingBudget, Log], dict[str, Any]]
    """An entry of `workloads` in the results, from its name, the workload, its work, and the peers."""
    has_contenders: Callable[[Peer, Any], bool]  # whether a peer has anything to do at such work


WORKLOAD_TYPES: dict[type, WorkloadType] = {
    TrainingWorkload: WorkloadType(
        prepare_training_job, measure_training, lambda peer, job: bool(peer.training_contenders(job.config, 1, 1))
    ),
    PathWorkload: WorkloadType(prepare_path_job, measure_path, lambda peer, job: bool(peer.path_contenders(1))),
    EncodingWorkload: WorkloadType(
        prepare_encoding_job, measure_encoding, lambda peer, job: bool(peer.encoding_contenders(1, 1))
    ),
    CommandWorkload: WorkloadType(prepare_command, measure_command, lambda peer, job: False),
}

ALL_WORKLOADS: dict[str, Any] = {**TRAINING_WORKLOADS, **PATH_WORKLOADS, **ENCODING_WORKLOADS, **COMMAND_WORKLOADS}
OPT_IN_WORKLOADS = ("memory-mnist",)  # timed only where it is asked for
DEFAULT_WORKLOADS = tuple(name for name in ALL_WORKLOADS if name not in OPT_IN_WORKLOADS)

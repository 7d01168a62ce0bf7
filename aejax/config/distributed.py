"""How the processes of a run start. These settings change no result, so they are not part of a run's config."""

import dataclasses
from pathlib import Path

from aejax.config.validation import require_at_least
from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class DistributedConfig:
    """Processes, on one or several machines, that share the seeds of a run, and where programs are kept."""

    distributed: bool = False
    """Join the other processes of this run. SLURM, Open MPI, TPU pods and Kubernetes are detected; elsewhere give the
    next three flags, and run the same command with another --process-id in every process."""
    coordinator: str | None = None  # HOST:PORT of process 0
    num_processes: int | None = None  # number of processes
    process_id: int | None = None  # index of this process, from 0
    join_timeout: int = 300  # seconds to wait for the others at the start
    heartbeat_timeout: int = 60  # seconds without an answer after which a process counts as lost
    compilation_cache: Path | None = None
    """Folder in which JAX keeps compiled programs, so that later processes need not compile them. They are made for
    this machine's processor: give every kind of machine a folder of its own."""

    def __post_init__(self) -> None:
        given = [value is not None for value in (self.coordinator, self.num_processes, self.process_id)]
        require(
            self.distributed or not any(given),
            "--coordinator, --num-processes and --process-id: need --distributed",
        )
        require(
            all(given) or not any(given),
            "--distributed: give all of --coordinator, --num-processes and --process-id, or none where the cluster "
            "provides them",
        )
        require_at_least(1, self, "join_timeout", "heartbeat_timeout", "num_processes")
        if self.coordinator is None or self.num_processes is None or self.process_id is None:
            return
        host, _, port = self.coordinator.rpartition(":")
        require(host and port.isdigit(), f"--coordinator {self.coordinator}: expected HOST:PORT, as localhost:1234")
        require(
            0 <= self.process_id < self.num_processes,
            f"--process-id {self.process_id}: expected 0 to {self.num_processes - 1}, one for each process",
        )

"""Which processes make up a run. Nothing here changes a number, so none of it is part of a run's config."""

import dataclasses

from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class DistributedConfig:
    """Several processes, on one machine or many, that share a run's seeds."""

    distributed: bool = False
    """Join the other processes of this run. SLURM, Open MPI, TPU pods and Kubernetes are found out; elsewhere say
    which with the next three flags, the same command in every process but for --process-id."""
    coordinator: str | None = None  # HOST:PORT of the first process, which the others reach
    num_processes: int | None = None  # how many there are
    process_id: int | None = None  # which one this is, from 0
    join_timeout: int = 300  # seconds to wait for the others at the start

    def __post_init__(self) -> None:
        by_hand = (self.coordinator, self.num_processes, self.process_id)
        given = [value is not None for value in by_hand]
        require(
            self.distributed or not any(given),
            "--coordinator, --num-processes and --process-id: say which processes there are; give --distributed too",
        )
        require(
            all(given) or not any(given),
            "--distributed: give all of --coordinator, --num-processes and --process-id, or none where the cluster "
            "says them",
        )
        require(self.join_timeout >= 1, f"--join-timeout {self.join_timeout}: expected at least 1")
        if self.coordinator is None or self.num_processes is None or self.process_id is None:
            return
        host, _, port = self.coordinator.rpartition(":")
        require(host and port.isdigit(), f"--coordinator {self.coordinator}: expected HOST:PORT, as localhost:1234")
        require(self.num_processes >= 1, f"--num-processes {self.num_processes}: expected at least 1")
        require(
            0 <= self.process_id < self.num_processes,
            f"--process-id {self.process_id}: expected 0 to {self.num_processes - 1}, one for each process",
        )

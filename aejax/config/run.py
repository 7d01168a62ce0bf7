"""How a run starts, saves and prints. These settings change no result, so they are not part of a run's config."""

import dataclasses
from pathlib import Path
from typing import Literal

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointConfig:
    """Handling of an earlier run in the same folder, how often to save, and where else to log."""

    overwrite: bool = False  # start again; an earlier run in the folder is moved aside until this one has finished
    save_every: float = 30.0  # minimum seconds of training between checkpoints; 0: after every training call
    keep: int = 2  # number of latest checkpoints to keep in addition to the best by validation loss
    figure_format: Literal["png", "svg", "pdf"] = "png"  # svg, pdf: every figure is in this format, too
    allow_fallback: bool = False  # if the latest checkpoint is damaged, continue from the previous one

    track: tuple[Literal["tensorboard", "wandb", "trackio", "mlflow"], ...] = ()
    """Send losses of every epoch and seed, figures and verdicts to these tools, too, as each method ends."""

    def __post_init__(self) -> None:
        require_at_least(0, self, "save_every")
        require_at_least(1, self, "keep")


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutputConfig:
    """How much is printed."""

    details: bool = False  # after the run, every table: NLL, calibration, codes, diagnostics, seconds, p-values
    verbose: bool = False  # before the run, the layers, shapes, parameters and FLOPs of every model
    quiet: bool = False  # neither the plan nor the progress, only the results and warnings
    json: bool = False  # the results as JSON on standard output; everything else goes to standard error

    def __post_init__(self) -> None:
        require(not (self.quiet and (self.details or self.verbose)), "--quiet: leave out --details and --verbose")

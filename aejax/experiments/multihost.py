"""Several processes of one run, joined by `jax.distributed`: each computes on its own devices.

Every process runs the same program on the same data, so arrays that are copied from the devices are equal in all
processes. The state of folders, clocks and signals is read in the primary process and broadcast to the others. Only the
primary process writes, so a run's folder does not depend on the number of processes.

With one process these functions do nothing.
"""

import contextlib
import io
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from aejax.config.run import DistributedConfig
from aejax.errors import InputError, Preempted, ProcessLost, require, summarize_error
from aejax.experiments.coordinator_relay import start_relay
from aejax.experiments.environment import code_version
from aejax.experiments.rendezvous import OnLost, Rendezvous, find_difference, meet, raise_refusal, split_address
from aejax.storage.atomic_io import to_jsonable
from aejax.storage.manifest import CorruptedFileError
from aejax.storage.pytree_io import SavedTree
from aejax.storage.serialization import RecordClasses, deserialize, serialize

NO_RECORD_CLASSES: RecordClasses = {}
ABORT_GRACE_SECONDS = 2.0  # seconds in which the other processes can report their errors
# Error texts of collectives and of JAX's coordination service: there is no public exception.
LOST_PROCESS_ERROR = re.compile(
    r"gloo|nccl|connection (closed|reset|refused)|peer|coordination|heartbeat|barrier|UNAVAILABLE|DEADLINE_EXCEEDED",
    re.IGNORECASE,
)


_rendezvous: Rendezvous | None = None  # of this process; None: the cluster says who the others are


def initialize_distributed(
    config: DistributedConfig, settings: Mapping[str, Any] | None = None, on_lost: OnLost | None = None
) -> None:
    """Joins the other processes of this run, if any; called before JAX starts.

    Args:
        config: who the other processes are.
        settings: what must be equal in all processes, next to the version.
        on_lost: ends this process when another one no longer answers.

    Raises:
        InputError: the flags contradict each other, the other processes do not answer, or they are started otherwise.
    """
    global _rendezvous
    if not config.distributed:
        return
    coordinator = config.coordinator
    if coordinator is not None:
        code = code_version()
        versions = {**code["versions"], "commit": code["commit"], "python": None}
        shape = {"processes": config.num_processes, "CPU devices": jax.config.jax_num_cpu_devices}  # type: ignore[attr-defined]
        _rendezvous = meet(config, to_jsonable({"versions": versions, "shape": shape, "settings": settings or {}}))
        _rendezvous.watch(config.heartbeat_timeout, on_lost or (lambda reason: None))
        if config.process_id != 0:
            coordinator = start_relay(*split_address(coordinator))
    jax.config.update("jax_enable_preemption_service", False)  # it would handle SIGTERM instead of `preemption`
    try:
        jax.distributed.initialize(
            coordinator_address=coordinator,
            num_processes=config.num_processes,
            process_id=config.process_id,
            initialization_timeout=config.join_timeout,
            heartbeat_timeout_seconds=2 * config.heartbeat_timeout,  # after ours, as JAX aborts the process
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"--distributed: {summarize_error(error, 300)}; start every process with the same --coordinator "
            "HOST:PORT and --num-processes, each with its own --process-id, or under SLURM, MPI or Kubernetes"
        ) from None


def is_multihost() -> bool:
    """Returns whether this run has several processes."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_primary() -> bool:
    """Returns whether this process reads and writes for all."""
    return not is_multihost() or jax.process_index() == 0


def require_same_run(settings: Mapping[str, Any], hashes: Mapping[str, str]) -> None:
    """Raises `InputError` in all processes if they have other settings or other data; it names what differs."""
    if not is_multihost():
        return
    facts = json.dumps(to_jsonable({"settings": settings, "SHA-256 of": hashes})).encode()
    width = int(multihost_utils.process_allgather(np.int32(len(facts))).max())
    gathered = multihost_utils.process_allgather(np.frombuffer(facts.ljust(width), np.uint8))
    rows = enumerate(np.asarray(gathered))
    raise_refusal(find_difference({index: json.loads(row.tobytes()) for index, row in rows}))


def broadcast_from_primary(compute: Callable[[], Any], classes: RecordClasses = NO_RECORD_CLASSES) -> Any:
    """Calls `compute` in the primary process and returns its result, a record made of `classes`, in all processes.

    Raises:
        InputError: `compute` raised it (or `CorruptedFileError`).
    """
    if not is_multihost():
        return compute()
    failure: InputError | None = None
    message = b""
    if is_primary():
        try:
            message = _serialize({"value": compute()}, classes)
        except InputError as error:
            failure = error
            message = _serialize({"error": str(error), "is_corrupted": isinstance(error, CorruptedFileError)}, classes)
    answer = _deserialize(_broadcast_bytes(message), classes)
    if failure is not None:
        raise failure
    if "error" in answer:
        raise (CorruptedFileError if answer["is_corrupted"] else InputError)(answer["error"])
    return answer["value"]


def primary_first(load: Callable[[], Any]) -> Any:
    """Calls `load` in the primary process and then in the others, so that files on a shared disk are prepared once."""
    if not is_multihost():
        return load()
    loaded: list[Any] = []

    def load_first() -> None:
        loaded.append(load())

    broadcast_from_primary(load_first)
    return loaded[0] if loaded else load()


def any_process(flag: bool) -> bool:
    """Returns whether the flag is set in any process."""
    if not is_multihost():
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array([flag]))))


@contextlib.contextmanager
def raise_on_lost_process() -> Iterator[None]:
    """Raises `ProcessLost` when JAX reports in the block that another process has ended."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not is_multihost() or not LOST_PROCESS_ERROR.search(str(error)):
            raise
        raise ProcessLost(summarize_error(error)) from error


@contextlib.contextmanager
def abort_all() -> Iterator[None]:
    """Exits at once when the block, a script's whole body, ends in this process alone.

    Python's own exit would wait for minutes for the other processes, which wait for this one in a collective. When its
    connections close they notice. The primary process, to which all are connected, exits last.
    """
    try:
        yield
    except BaseException as error:
        all_end = isinstance(error, SystemExit) and (not error.code or type(error) is Preempted)
        if all_end and _rendezvous is not None:
            _rendezvous.say_goodbye()
        if all_end or not is_multihost():
            raise
        if not isinstance(error, SystemExit):
            traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if is_primary():
            time.sleep(ABORT_GRACE_SECONDS)
        os._exit(error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1)
    if _rendezvous is not None:
        _rendezvous.say_goodbye()


def _broadcast_bytes(message: bytes) -> bytes:
    """Returns the primary process's message in all processes."""
    require(len(message) < 2**31, f"a message of {len(message)} bytes between processes; take fewer seeds at once")
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(message))))
    content = np.frombuffer(message, np.uint8) if is_primary() else np.zeros(size, np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(content)).tobytes()


def _serialize(value: Any, classes: RecordClasses) -> bytes:
    """Returns a record as an .npz archive."""
    arrays, meta = serialize(value, classes)
    file = io.BytesIO()
    np.savez(file, meta=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
    return file.getvalue()


def _deserialize(message: bytes, classes: RecordClasses) -> Any:
    with np.load(io.BytesIO(message), allow_pickle=False) as archive:
        arrays = dict(archive)
    meta = json.loads(arrays.pop("meta").tobytes())
    return deserialize(SavedTree(arrays, meta), classes)

"""Several processes of one run: each computes on its own devices, and all of them know and decide the same.

JAX's own runtime joins them (`jax.distributed`). Every process runs the same program on the same data, so whatever is
fetched from the devices is the same on all hosts, and so is everything that is worked out from it. Only what lies
outside is asked of the first process alone and told to the others: what a folder holds, what a clock says, and whether
a signal came. The first process writes; a run's folder never knows how many there were.

With one process nothing here costs or changes anything.
"""

import contextlib
import io
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from aejax.config.distributed import DistributedConfig
from aejax.errors import InputError, Preempted, ProcessLost, require
from aejax.storage.manifest import CorruptedFileError
from aejax.storage.pytree_io import SavedTree
from aejax.storage.serialization import RecordClasses, deserialize, serialize

# How a collective, or the service that knows who is alive, says that somebody is not.
NO_RECORD_CLASSES: RecordClasses = {}
ABORT_GRACE_SECONDS = 2.0  # seconds in which the others may say what ended them
LOST_PROCESS_ERROR = re.compile(
    r"gloo|nccl|connection (closed|reset|refused)|peer|coordination|heartbeat|barrier|UNAVAILABLE|DEADLINE_EXCEEDED",
    re.IGNORECASE,
)


def initialize_distributed(config: DistributedConfig) -> None:
    """Join the other processes of this run, if it has others; to be called before JAX starts.

    Raises:
        InputError: flags that do not fit together, or nobody answers.
    """
    if not config.distributed:
        return
    jax.config.update("jax_enable_preemption_service", False)  # it would take SIGTERM away from `run.signals`
    try:
        jax.distributed.initialize(
            coordinator_address=config.coordinator,
            num_processes=config.num_processes,
            process_id=config.process_id,
            initialization_timeout=config.join_timeout,
        )
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"--distributed: {' '.join(str(error).split())[:300]}; start every process with the same --coordinator "
            "HOST:PORT and --num-processes, each with its own --process-id, or under SLURM, MPI or Kubernetes"
        ) from None


def is_multihost() -> bool:
    """Whether this run has other processes."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_primary() -> bool:
    """Whether this process reads and writes for all."""
    return not is_multihost() or jax.process_index() == 0


def broadcast_from_primary(compute: Callable[[], Any], classes: RecordClasses = NO_RECORD_CLASSES) -> Any:
    """What `ask` gives in the first process, a record made of `classes`, in all of them.

    Raises:
        InputError: it did so there (a `DamagedError` too, as itself).
    """
    if not is_multihost():
        return compute()
    refused: InputError | None = None
    message = b""
    if is_primary():
        try:
            message = _serialize({"value": compute()}, classes)
        except InputError as error:
            refused = error
            message = _serialize({"refused": str(error), "damaged": isinstance(error, CorruptedFileError)}, classes)
    answer = _deserialize(_broadcast_bytes(message), classes)
    if refused is not None:
        raise refused
    if "refused" in answer:
        raise (CorruptedFileError if answer["damaged"] else InputError)(answer["refused"])
    return answer["value"]


def primary_first(load: Callable[[], Any]) -> Any:
    """`load` in the first process, and then in the others: what it prepares on a shared disk is made once."""
    if not is_multihost():
        return load()
    found: list[Any] = []

    def load_first() -> None:
        found.append(load())

    broadcast_from_primary(load_first)
    return found[0] if found else load()


def any_process(flag: bool) -> bool:
    """Whether it is set in any process."""
    if not is_multihost():
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array([flag]))))


@contextlib.contextmanager
def raise_on_lost_process() -> Iterator[None]:
    """A block that ends with `PeerLost` where JAX finds that another process has ended."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not is_multihost() or not LOST_PROCESS_ERROR.search(str(error)):
            raise
        raise ProcessLost(" ".join(str(error).split())[:200]) from error


@contextlib.contextmanager
def abort_all() -> Iterator[None]:
    """A script's whole body. What ends it in this process alone ends the process at once, not after the others.

    Left to itself, Python's exit waits for the other processes, which wait for this one in a sum or a gather: for
    minutes. Once its connections close they know. The first process, which they are all connected to, goes last.
    """
    try:
        yield
    except BaseException as error:
        all_end = isinstance(error, SystemExit) and (not error.code or type(error) is Preempted)
        if all_end or not is_multihost():
            raise
        if not isinstance(error, SystemExit):
            traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if is_primary():
            time.sleep(ABORT_GRACE_SECONDS)
        os._exit(error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1)


def _broadcast_bytes(message: bytes) -> bytes:
    """The first process's message, in all."""
    require(len(message) < 2**31, f"a message of {len(message)} bytes between processes; take fewer seeds at once")
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(message))))
    own = np.frombuffer(message, np.uint8) if is_primary() else np.zeros(size, np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(own)).tobytes()


def _serialize(value: Any, classes: RecordClasses) -> bytes:
    """A record as one archive of arrays."""
    arrays, meta = serialize(value, classes)
    file = io.BytesIO()
    np.savez(file, said=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
    return file.getvalue()


def _deserialize(message: bytes, classes: RecordClasses) -> Any:
    with np.load(io.BytesIO(message), allow_pickle=False) as archive:
        arrays = dict(archive)
    said = json.loads(arrays.pop("said").tobytes())
    return deserialize(SavedTree(arrays, said), classes)

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

from aejax.config.processes import ProcessesConfig
from aejax.errors import InputError, PeerLost, Stopped, require
from aejax.store.manifest import DamagedError
from aejax.store.records import Classes, put_together, take_apart
from aejax.store.trees import Saved

# How a collective, or the service that knows who is alive, says that somebody is not.
NO_CLASSES: Classes = {}
TIME_TO_SPEAK = 2.0  # seconds in which the others may say what ended them
LOST = re.compile(
    r"gloo|nccl|connection (closed|reset|refused)|peer|coordination|heartbeat|barrier|UNAVAILABLE|DEADLINE_EXCEEDED",
    re.IGNORECASE,
)


def join(config: ProcessesConfig) -> None:
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


def several() -> bool:
    """Whether this run has other processes."""
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_first() -> bool:
    """Whether this process reads and writes for all."""
    return not several() or jax.process_index() == 0


def from_first(ask: Callable[[], Any], classes: Classes = NO_CLASSES) -> Any:
    """What `ask` gives in the first process, a record made of `classes`, in all of them.

    Raises:
        InputError: it did so there (a `DamagedError` too, as itself).
    """
    if not several():
        return ask()
    refused: InputError | None = None
    message = b""
    if is_first():
        try:
            message = _packed({"value": ask()}, classes)
        except InputError as error:
            refused = error
            message = _packed({"refused": str(error), "damaged": isinstance(error, DamagedError)}, classes)
    answer = _unpacked(_told(message), classes)
    if refused is not None:
        raise refused
    if "refused" in answer:
        raise (DamagedError if answer["damaged"] else InputError)(answer["refused"])
    return answer["value"]


def in_turn(load: Callable[[], Any]) -> Any:
    """`load` in the first process, and then in the others: what it prepares on a shared disk is made once."""
    if not several():
        return load()
    found: list[Any] = []

    def load_first() -> None:
        found.append(load())

    from_first(load_first)
    return found[0] if found else load()


def any_of(flag: bool) -> bool:
    """Whether it is set in any process."""
    if not several():
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array([flag]))))


@contextlib.contextmanager
def noticing_losses() -> Iterator[None]:
    """A block that ends with `PeerLost` where JAX finds that another process has ended."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if not several() or not LOST.search(str(error)):
            raise
        raise PeerLost(" ".join(str(error).split())[:200]) from error


@contextlib.contextmanager
def ending_for_all() -> Iterator[None]:
    """A script's whole body. What ends it in this process alone ends the process at once, not after the others.

    Left to itself, Python's exit waits for the other processes, which wait for this one in a sum or a gather: for
    minutes. Once its connections close they know. The first process, which they are all connected to, goes last.
    """
    try:
        yield
    except BaseException as error:
        all_end = isinstance(error, SystemExit) and (not error.code or type(error) is Stopped)
        if all_end or not several():
            raise
        if not isinstance(error, SystemExit):
            traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        if is_first():
            time.sleep(TIME_TO_SPEAK)
        os._exit(error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1)


def _told(message: bytes) -> bytes:
    """The first process's message, in all."""
    require(len(message) < 2**31, f"a message of {len(message)} bytes between processes; take fewer seeds at once")
    size = int(multihost_utils.broadcast_one_to_all(np.int32(len(message))))
    own = np.frombuffer(message, np.uint8) if is_first() else np.zeros(size, np.uint8)
    return np.asarray(multihost_utils.broadcast_one_to_all(own)).tobytes()


def _packed(value: Any, classes: Classes) -> bytes:
    """A record as one archive of arrays."""
    arrays, meta = take_apart(value, classes)
    file = io.BytesIO()
    np.savez(file, said=np.frombuffer(json.dumps(meta).encode(), np.uint8), **arrays)
    return file.getvalue()


def _unpacked(message: bytes, classes: Classes) -> Any:
    with np.load(io.BytesIO(message), allow_pickle=False) as archive:
        arrays = dict(archive)
    said = json.loads(arrays.pop("said").tobytes())
    return put_together(Saved(arrays, said), classes)

"""The processes of a run meet over TCP before JAX starts, compare their settings, and notice one that is silent.

JAX aborts a process whose partners are absent, and its collectives wait for ever for a process that is stopped. So
process 0 first listens at the coordinator's address itself: it starts JAX there when all have registered and agree, by
one line of JSON from and to each. The connections stay open for heartbeats, which are single bytes.
"""

import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Container, Mapping
from typing import Any, NamedTuple

from aejax.config.run import DistributedConfig
from aejax.config.serialization import parse_json
from aejax.errors import InputError, summarize_error
from aejax.storage.run_identity import setting_differences

HEARTBEAT, GOODBYE = b".", b"!"
HEARTBEAT_SECONDS = 1.0
ENDED_GRACE_SECONDS = 5.0  # in which a process whose partner has ended reports the collective that failed
RETRY_SECONDS = 0.2
MAX_MESSAGE_BYTES = 1 << 20
MAX_DIFFERENCES = 3  # in a message
REFUSAL = "refused"
HELLO_SECONDS = 5.0  # in which a new connection introduces itself
NOTICE_SECONDS = 10.0  # of waiting at the start, after which standard error says for what

Facts = Mapping[str, Any]  # nested, as JSON
OnLost = Callable[[str], None]  # ends this process; receives what happened


class Rendezvous(NamedTuple):
    """The connections of process 0 to all others, or of another one to process 0."""

    links: dict[int, socket.socket]  # by the index of the process at the other end

    def watch(self, timeout: float, on_lost: OnLost) -> None:
        """Watches the other processes in threads; see `DistributedConfig.heartbeat_timeout`."""
        for index, link in self.links.items():
            grace = ENDED_GRACE_SECONDS if index else 0.0  # without process 0, JAX aborts the others
            words = (link, f"process {index}", timeout, grace, on_lost)
            threading.Thread(target=_watch, args=words, name=f"heartbeat-{index}", daemon=True).start()

    def say_goodbye(self) -> None:
        """Tells the other processes that this one ends as it should; they count one that does not as lost."""
        for link in self.links.values():
            with contextlib.suppress(OSError):
                link.sendall(GOODBYE)


def _watch(link: socket.socket, name: str, timeout: float, grace: float, on_lost: OnLost) -> None:
    """Sends and expects heartbeats until the other process ends, and calls `on_lost` if it does so unexpectedly.

    What counts is the number of silent intervals, not the clock: this process may have been stopped itself.
    """
    link.settimeout(HEARTBEAT_SECONDS)
    silent, last_sent, received, said_goodbye = 0, 0.0, HEARTBEAT, False
    with contextlib.suppress(OSError):
        while received:  # also after a goodbye: the other process may wait in JAX for the end of this one
            if silent * HEARTBEAT_SECONDS >= timeout:
                return on_lost(f"{name} has not answered for {timeout:.0f} s")
            if time.monotonic() - last_sent >= HEARTBEAT_SECONDS:
                last_sent = time.monotonic()
                link.sendall(HEARTBEAT)
            try:
                received, silent = link.recv(1 << 16), 0
            except TimeoutError:
                silent += 1
            said_goodbye |= GOODBYE in received
    if not said_goodbye:
        time.sleep(grace)
        on_lost(f"{name} has ended")
    return None


def meet(config: DistributedConfig, facts: Facts) -> Rendezvous:
    """Waits until all processes of a run have registered with process 0, at most `config.join_timeout` seconds.

    A line on standard error says so once it takes long.

    Args:
        config: with `coordinator`, `num_processes` and `process_id`.
        facts: what must be equal in all processes: versions and settings.

    Raises:
        InputError: a process is missing or there twice, the address cannot be used, or facts differ.
    """
    text = (
        f"process {config.process_id} of {config.num_processes} waits for the others at {config.coordinator}, at most "
        f"{config.join_timeout} s (--join-timeout)"
    )
    notice = threading.Timer(NOTICE_SECONDS, print, [text], {"file": sys.stderr, "flush": True})
    notice.daemon = True
    notice.start()
    deadline = time.monotonic() + config.join_timeout
    try:
        return (_register if config.process_id else _gather)(config, deadline, facts)
    except socket.gaierror as error:
        raise InputError(
            f"--coordinator {config.coordinator}: the host cannot be resolved ({error.strerror}); give the name or "
            "address of the machine of process 0"
        ) from None
    finally:
        notice.cancel()


def split_address(address: str) -> tuple[str, int]:
    """Returns host and port of `HOST:PORT` or `[IPV6]:PORT`."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def find_difference(facts: Mapping[int, Facts]) -> str | None:
    """Returns what differs between process 0 and the first process that has other facts, from those of each index."""
    for index, there in sorted(facts.items()):
        differences = setting_differences(facts[0], there, {})
        found = [f"{path[-1]} {old!s:.40} and {new!s:.40}" for path, old, new in differences]
        if found:
            shown, more = "; ".join(found[:MAX_DIFFERENCES]), len(found) - MAX_DIFFERENCES
            shown += f"; and {more} more" if more > 0 else ""
            return f"process 0 and process {index} differ: {shown}; start all with the same code, flags and data"
    return None


def raise_refusal(problem: str | None) -> None:
    """Raises what process 0 found wrong, if anything."""
    if problem is not None:
        raise InputError(f"--distributed: {problem}")


def _gather(config: DistributedConfig, deadline: float, facts: Facts) -> Rendezvous:
    """Listens in process 0 until all others have registered, and compares them."""
    assert config.num_processes is not None
    joined: list[tuple[int, socket.socket]] = []
    registered = {0: facts}
    problem: str | None = None
    with contextlib.ExitStack() as opened, _listen(config) as server:
        while problem is None and len(registered) < config.num_processes:
            server.settimeout(_seconds_until(deadline))
            try:
                link = server.accept()[0]
            except TimeoutError:
                break
            link.settimeout(min(HELLO_SECONDS, _seconds_until(deadline)))
            try:
                hello = _receive(link)
                index, there = int(hello["process"]), hello["facts"]
            except (OSError, ValueError, KeyError, TypeError):  # none of ours: a port scan, a health check
                link.close()
                continue
            joined.append((index, opened.enter_context(link)))
            if index in registered:
                problem = f"two processes have --process-id {index}; give each its own"
            elif not isinstance(there, Mapping):
                problem = f"process {index} runs another version; start all with the same code"
            registered[index] = there
        problem = problem or find_difference(registered) or _find_absent(config, registered)
        for _, link in joined:
            with contextlib.suppress(OSError):
                _send(link, {REFUSAL: problem})
        raise_refusal(problem)
        opened.pop_all()
    return Rendezvous(dict(joined))


def _find_absent(config: DistributedConfig, registered: Container[int]) -> str | None:
    """Returns which processes have not registered with process 0 in time, if any."""
    absent = [str(index) for index in range(config.num_processes or 1) if index not in registered]
    missing = f"no answer from process {', '.join(absent)} within --join-timeout {config.join_timeout}; start it, too"
    return missing if absent else None


def _listen(config: DistributedConfig) -> socket.socket:
    assert config.coordinator is not None
    host, port = split_address(config.coordinator)
    socket.getaddrinfo(host, port)  # JAX connects to it by this name, too
    ipv6 = socket.has_dualstack_ipv6()
    try:
        return socket.create_server(("", port), family=socket.AF_INET6 if ipv6 else socket.AF_INET, dualstack_ipv6=ipv6)
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else error
        raise InputError(
            f"--coordinator {config.coordinator}: process 0 cannot listen at port {port} ({reason}); give another "
            "port, and --process-id 0 to one process only"
        ) from None


def _register(config: DistributedConfig, deadline: float, facts: Facts) -> Rendezvous:
    """Connects to process 0, which may not have started yet, and waits for its answer."""
    with contextlib.ExitStack() as opened:
        link = opened.enter_context(_connect(config, deadline))
        try:
            _send(link, {"process": config.process_id, "facts": facts})
            problem = _receive(link)[REFUSAL]
        except TimeoutError:
            count = config.num_processes
            problem = f"other processes are missing after --join-timeout {config.join_timeout}; start all {count}"
        except (OSError, ValueError, KeyError) as error:
            raise InputError(
                f"--coordinator {config.coordinator}: what answers there is not process 0 of this run "
                f"({summarize_error(error, 100)}); give a port that is free, and each process its own --process-id"
            ) from None
        raise_refusal(problem)
        opened.pop_all()
    return Rendezvous({0: link})


def _connect(config: DistributedConfig, deadline: float) -> socket.socket:
    assert config.coordinator is not None
    while True:
        try:
            return socket.create_connection(split_address(config.coordinator), _seconds_until(deadline))
        except (OSError, OverflowError) as error:
            if time.monotonic() + RETRY_SECONDS > deadline:
                if isinstance(error, socket.gaierror):
                    raise
                raise InputError(
                    f"--coordinator {config.coordinator}: process 0 does not answer "
                    f"({getattr(error, 'strerror', None) or error}) within --join-timeout {config.join_timeout}; start "
                    "it, and give its address"
                ) from None
        time.sleep(RETRY_SECONDS)


def _seconds_until(deadline: float) -> float:
    return max(0.01, deadline - time.monotonic())


def _send(link: socket.socket, message: Facts) -> None:
    link.sendall(json.dumps(message).encode() + b"\n")


def _receive(link: socket.socket) -> dict[str, Any]:
    """Returns the next line. Raises `OSError` or `ValueError` if there is none in time, or it is no object of JSON."""
    message = parse_json(link.makefile("rb", buffering=0).readline(MAX_MESSAGE_BYTES))  # and nothing of what follows
    if not isinstance(message, dict):
        raise ValueError("a message is no object")
    return message

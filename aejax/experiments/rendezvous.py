"""The processes of a run meet over TCP before JAX starts, compare their settings, and notice one that is silent.

JAX aborts a process whose partners are absent, and its collectives wait for ever for a process that is stopped. So
process 0 first listens at the coordinator's address itself: it starts JAX there when all have registered and agree.
The connections stay open for heartbeats, and for the comparison of the data. Messages are lines of JSON.
"""

import contextlib
import json
import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from aejax.config.run import DistributedConfig
from aejax.config.serialization import parse_json
from aejax.errors import InputError, summarize_error
from aejax.storage.run_identity import setting_differences

HEARTBEAT_SECONDS = 1.0
ENDED_GRACE_SECONDS = 5.0  # in which a process whose partner has ended reports the collective that failed
RETRY_SECONDS = 0.2
MAX_MESSAGE_BYTES = 1 << 20
MAX_DIFFERENCES = 3  # in a message
GOODBYE, REFUSAL = {"goodbye": True}, "refused"
HELLO_SECONDS = 5.0  # in which a new connection introduces itself
NOTICE_SECONDS = 10.0  # of waiting at the start, after which standard error says for what

Facts = Mapping[str, Any]  # nested, as JSON
OnLost = Callable[[str], None]  # ends this process; receives what happened


class _Connection:
    """Lines of JSON to and from one other process."""

    def __init__(self, link: socket.socket, deadline: float) -> None:
        self._link, self._received = link, b""
        self._link.settimeout(max(0.01, deadline - time.monotonic()))
        self._sending = threading.Lock()
        self.inbox: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.said_goodbye = False

    def send(self, message: Facts) -> None:
        with self._sending:
            self._link.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        """Returns the next message. Raises `OSError` or `ValueError` if there is none in time, or it has no form."""
        while b"\n" not in self._received:
            block = self._link.recv(1 << 16)
            if not block:
                raise ConnectionError("the connection was closed")
            self._received += block
            if len(self._received) > MAX_MESSAGE_BYTES:
                raise ValueError("a message is too long")
        line, _, self._received = self._received.partition(b"\n")
        message = parse_json(line)
        if not isinstance(message, dict):
            raise ValueError("a message is no object")
        return message

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)  # a thread may be waiting at it
        self._link.close()

    def watch(self, name: str, timeout: float, grace: float, on_lost: OnLost) -> None:
        """Sends and expects heartbeats until the other process ends, and calls `on_lost` if it does so unexpectedly.

        What counts is the number of silent intervals, not the clock: this process may have been stopped itself.
        """
        self._link.settimeout(HEARTBEAT_SECONDS)
        silent, last_sent = 0, 0.0
        with contextlib.suppress(OSError, ValueError):
            while silent * HEARTBEAT_SECONDS < timeout:
                if time.monotonic() - last_sent >= HEARTBEAT_SECONDS:
                    last_sent = time.monotonic()
                    with contextlib.suppress(TimeoutError):
                        self.send({})
                try:
                    message, silent = self.receive(), 0
                except TimeoutError:
                    silent += 1
                    continue
                self.said_goodbye |= message == GOODBYE
                if message and message != GOODBYE:
                    self.inbox.put(message)
            return on_lost(f"{name} has not answered for {timeout:.0f} s")
        if not self.said_goodbye:
            time.sleep(grace)
            on_lost(f"{name} has ended")
        return None


class Rendezvous:
    """The connections of process 0 to all others, or of another one to process 0."""

    def __init__(self, connections: dict[int, _Connection], is_primary: bool) -> None:
        self._connections, self._is_primary = connections, is_primary

    def watch(self, timeout: float, on_lost: OnLost) -> None:
        """Watches the other processes in threads; see `DistributedConfig.heartbeat_timeout`."""
        grace = ENDED_GRACE_SECONDS if self._is_primary else 0.0  # without process 0, JAX aborts the others
        for index, connection in self._connections.items():
            words = (f"process {index}", timeout, grace, on_lost)
            threading.Thread(target=connection.watch, args=words, name=f"heartbeat-{index}", daemon=True).start()

    def require_same(self, facts: Facts) -> None:
        """Compares facts in all processes, each of which calls this equally often.

        Raises:
            InputError: they differ; all processes raise it, and it names what differs.
        """
        if self._is_primary:
            others = {index: connection.inbox.get() for index, connection in self._connections.items()}
            problem = _find_difference(facts, others)
            for connection in self._connections.values():
                connection.send({REFUSAL: problem})
        else:
            self._connections[0].send(facts)
            problem = self._connections[0].inbox.get()[REFUSAL]
        _raise_refusal(problem)

    def say_goodbye(self) -> None:
        """Tells the other processes that this one ends as it should."""
        for connection in self._connections.values():
            with contextlib.suppress(OSError):
                connection.send(GOODBYE)

    def close(self) -> None:
        """Closes the connections; without a goodbye, the other processes count this one as lost."""
        for connection in self._connections.values():
            connection.close()


def meet(config: DistributedConfig, facts: Facts) -> Rendezvous:
    """Waits until all processes of a run have registered with process 0, at most `config.join_timeout` seconds.

    A line on standard error says so once it takes long.

    Args:
        config: with `coordinator`, `num_processes` and `process_id`.
        facts: what must be equal in all processes: versions and settings.

    Raises:
        InputError: a process is missing or there twice, the address cannot be used, or facts differ.
    """
    assert config.coordinator is not None
    host, port = split_address(config.coordinator)
    deadline = time.monotonic() + config.join_timeout
    notice = threading.Timer(NOTICE_SECONDS, _print_notice, [config])
    notice.daemon = True
    notice.start()
    try:
        if config.process_id == 0:
            return _gather(config, host, port, deadline, facts)
        return _register(config, host, port, deadline, facts)
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


def _print_notice(config: DistributedConfig) -> None:
    print(
        f"process {config.process_id} of {config.num_processes} waits for the others at {config.coordinator}, at most "
        f"{config.join_timeout} s (--join-timeout)",
        file=sys.stderr,
        flush=True,
    )


def _gather(config: DistributedConfig, host: str, port: int, deadline: float, facts: Facts) -> Rendezvous:
    """Listens in process 0 until all others have registered, and compares them."""
    assert config.num_processes is not None
    connected: list[_Connection] = []
    registered: dict[int, tuple[_Connection, Facts]] = {}
    problem = None
    with _listen(config, host, port) as server:
        while problem is None and len(registered) < config.num_processes - 1:
            server.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                link = server.accept()[0]
            except TimeoutError:
                absent = ", ".join(str(index) for index in range(1, config.num_processes) if index not in registered)
                problem = f"no answer from process {absent} within --join-timeout {config.join_timeout}; start it, too"
                break
            connection = _Connection(link, min(deadline, time.monotonic() + HELLO_SECONDS))
            try:
                hello = connection.receive()
                index, there = int(hello["process"]), hello["facts"]
            except (OSError, ValueError, KeyError, TypeError):  # none of ours: a port scan, a health check
                connection.close()
                continue
            connected.append(connection)
            if index in (0, *registered):
                problem = f"two processes have --process-id {index}; give each its own"
            registered[index] = connection, there
    problem = problem or _find_difference(facts, {index: there for index, (_, there) in registered.items()})
    for connection in connected:
        with contextlib.suppress(OSError):
            connection.send({REFUSAL: problem})
        if problem is not None:
            connection.close()
    _raise_refusal(problem)
    return Rendezvous({index: connection for index, (connection, _) in registered.items()}, is_primary=True)


def _listen(config: DistributedConfig, host: str, port: int) -> socket.socket:
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


def _register(config: DistributedConfig, host: str, port: int, deadline: float, facts: Facts) -> Rendezvous:
    """Connects to process 0, which may not have started yet, and waits for its answer."""
    while True:
        try:
            connection = _Connection(socket.create_connection((host, port), deadline - time.monotonic()), deadline)
            break
        except socket.gaierror:
            if time.monotonic() + RETRY_SECONDS > deadline:
                raise
        except (OSError, OverflowError, ValueError) as error:
            if time.monotonic() + RETRY_SECONDS > deadline:
                _raise_unreachable(config, error)
        time.sleep(RETRY_SECONDS)
    try:
        connection.send({"process": config.process_id, "facts": facts})
        _raise_refusal(connection.receive()[REFUSAL])
        return Rendezvous({0: connection}, is_primary=False)
    except InputError:
        connection.close()
        raise
    except TimeoutError:
        connection.close()
        raise InputError(
            f"--coordinator {config.coordinator}: other processes are missing after --join-timeout "
            f"{config.join_timeout}; start all {config.num_processes}"
        ) from None
    except (OSError, ValueError, KeyError) as error:
        connection.close()
        raise InputError(
            f"--coordinator {config.coordinator}: what answers there is not process 0 of this run "
            f"({summarize_error(error, 100)}); give a port that is free, and each process its own --process-id"
        ) from None


def _raise_unreachable(config: DistributedConfig, error: Exception) -> NoReturn:
    reason = getattr(error, "strerror", None) or error
    raise InputError(
        f"--coordinator {config.coordinator}: process 0 does not answer ({reason}) within --join-timeout "
        f"{config.join_timeout}; start it, and give its address"
    ) from None


def _raise_refusal(problem: str | None) -> None:
    """Raises what process 0 found wrong, if anything."""
    if problem is not None:
        raise InputError(f"--distributed: {problem}")


def _find_difference(facts: Facts, others: Mapping[int, Facts]) -> str | None:
    """Returns what differs between process 0 and the first process that has other facts."""
    for index, there in sorted(others.items()):
        if not isinstance(there, Mapping):
            return f"process {index} runs another version"
        found = [f"{path[-1]} {old!s:.40} and {new!s:.40}" for path, old, new in setting_differences(facts, there, {})]
        if found:
            shown, more = "; ".join(found[:MAX_DIFFERENCES]), len(found) - MAX_DIFFERENCES
            shown += f"; and {more} more" if more > 0 else ""
            return f"process 0 and process {index} differ: {shown}; start all with the same code, flags and data"
    return None

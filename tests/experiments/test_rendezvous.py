"""Processes meet before JAX starts: those that do not fit together end with one line, in time, in all processes."""

import contextlib
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from aejax.config import DistributedConfig
from aejax.errors import InputError
from aejax.experiments import rendezvous
from aejax.experiments.rendezvous import Rendezvous, meet
from tests.two_processes import free_port

FACTS = {"versions": {"aejax": "1"}, "settings": {"seeds": 3}}


def process(index, port, processes=2, host="localhost", timeout=2):
    return DistributedConfig(
        distributed=True,
        coordinator=f"{host}:{port}",
        num_processes=processes,
        process_id=index,
        join_timeout=timeout,
    )


def outcome(function, *args):
    """What a function returns, or the text of the `InputError` that it raises."""
    try:
        return function(*args)
    except InputError as error:
        return str(error)


def meet_in_threads(configs, facts):
    """What `meet` returns or raises in each process, and the seconds until the last has ended."""
    began = time.monotonic()
    with ThreadPoolExecutor(len(configs)) as pool:
        return [*pool.map(outcome, [meet] * len(configs), configs, facts)], time.monotonic() - began


def close(met):
    for one in met:
        for link in one.links.values():
            with contextlib.suppress(OSError):  # the other end is closed
                link.shutdown(socket.SHUT_RDWR)  # a thread may be waiting at it
            link.close()


def test_processes_that_agree_meet_in_any_order_and_leave_the_port_to_jax():
    port = free_port()
    met, _ = meet_in_threads([process(index, port, 3) for index in (2, 1, 0)], [FACTS] * 3)
    assert all(isinstance(one, Rendezvous) for one in met)
    close(met)
    with socket.create_server(("", port)):
        pass


def test_processes_that_differ_all_say_in_what():
    port, there = free_port(), {"versions": {"aejax": "2"}, "settings": {"seeds": 4, "epochs": 2, "k": 1}}
    said, _ = meet_in_threads([process(0, port), process(1, port)], [FACTS, there])
    assert said[0] == said[1]
    difference = "aejax 1 and 2; seeds 3 and 4; epochs None and 2; and 1 more"
    assert said[0].startswith(f"--distributed: process 0 and process 1 differ: {difference};")


@pytest.mark.parametrize("counts", [(2, 3), (3, 2)])
def test_processes_of_different_numbers_are_told_so(counts):
    port, (here, there) = free_port(), counts
    configs = [process(0, port, here, timeout=1), process(there - 1, port, there, timeout=5)]
    said, seconds = meet_in_threads(configs, [{"shape": {"processes": count}} for count in counts])
    assert said[0] == said[1]
    assert said[0].startswith(f"--distributed: process 0 and process {there - 1} differ: processes {here} and {there};")
    assert seconds < 4


def connect(port):
    """A connection to process 0, as soon as it listens."""
    while True:
        try:
            return socket.create_connection(("localhost", port))
        except ConnectionRefusedError:
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("hellos", "problem"),
    [
        ([{"process": 1, "facts": FACTS}] * 2, "two processes have --process-id 1"),
        ([{"process": 0, "facts": FACTS}], "two processes have --process-id 0"),
        ([{"process": 1, "facts": [1]}], "process 1 runs another version"),
    ],
)
def test_a_process_that_cannot_be_of_the_run_ends_the_meeting_at_once(hellos, problem):
    port, began = free_port(), time.monotonic()
    with ThreadPoolExecutor(1) as pool, contextlib.ExitStack() as opened:
        primary = pool.submit(outcome, meet, process(0, port, 4, timeout=20), FACTS)
        links = [opened.enter_context(connect(port)) for _ in hellos]
        for link, hello in zip(links, hellos, strict=True):
            link.sendall(json.dumps(hello).encode() + b"\n")
        assert primary.result().startswith(f"--distributed: {problem}; ")
        assert all(problem in link.makefile().readline() for link in links)
    assert time.monotonic() - began < 10


def test_a_missing_process_is_named_within_the_timeout():
    port = free_port()
    said, seconds = meet_in_threads([process(index, port, 3, timeout=1) for index in (0, 1)], [FACTS] * 2)
    assert "no answer from process 2 within --join-timeout 1" in said[0]
    assert "--join-timeout 1" in said[1]
    assert seconds < 3


def test_a_long_wait_is_announced_and_a_short_one_is_not(monkeypatch, capfd):
    monkeypatch.setattr(rendezvous, "NOTICE_SECONDS", 0.2)
    port = free_port()
    with pytest.raises(InputError, match="no answer from process 1"):
        meet(process(0, port, timeout=1), FACTS)
    notice = f"process 0 of 2 waits for the others at localhost:{port}, at most 1 s (--join-timeout)\n"
    assert capfd.readouterr().err == notice
    monkeypatch.setattr(rendezvous, "NOTICE_SECONDS", 60)
    met, _ = meet_in_threads([process(index, port) for index in (0, 1)], [FACTS] * 2)
    close(met)
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(5)  # it ends at once, as it is cancelled
            assert not thread.is_alive()
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_two_processes_with_one_id_are_refused():
    port = free_port()
    said, _ = meet_in_threads([process(index, port, 3) for index in (0, 1, 1)], [FACTS] * 3)
    assert said == ["--distributed: two processes have --process-id 1; give each its own"] * 3
    said, _ = meet_in_threads([process(0, port), process(0, port)], [FACTS] * 2)
    assert any(f"process 0 cannot listen at port {port}" in one for one in said)


@pytest.mark.slow
def test_an_address_that_cannot_be_used_is_refused():
    (said,), seconds = meet_in_threads([process(1, free_port(), timeout=1)], [FACTS])
    assert "process 0 does not answer (Connection refused) within --join-timeout 1" in said
    assert seconds < 2
    for index in (0, 1):
        (said,), _ = meet_in_threads([process(index, 1, host="no-such-host.invalid", timeout=1)], [FACTS])
        assert "--coordinator no-such-host.invalid:1: the host cannot be resolved" in said
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        (said,), _ = meet_in_threads([process(0, port)], [FACTS])
        assert f"process 0 cannot listen at port {port} (Address already in use)" in said


def test_another_program_at_the_address_is_not_taken_for_process_0():
    with socket.create_server(("", 0)) as other:

        def answer():
            link = other.accept()[0]
            link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            link.close()

        threading.Thread(target=answer).start()
        (said,), _ = meet_in_threads([process(1, other.getsockname()[1])], [FACTS])
    assert "what answers there is not process 0 of this run" in said


def test_a_stranger_that_connects_first_does_not_disturb():
    port = free_port()
    with ThreadPoolExecutor(2) as pool:
        primary = pool.submit(meet, process(0, port), FACTS)
        with connect(port) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        met = [meet(process(1, port), FACTS), primary.result()]
    assert all(isinstance(one, rendezvous.Rendezvous) for one in met)
    close(met)


def test_a_process_that_is_silent_or_ends_without_goodbye_is_lost(monkeypatch):
    monkeypatch.setattr(rendezvous, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(rendezvous, "ENDED_GRACE_SECONDS", 0.05)
    port, lost, told = free_port(), [], threading.Event()

    def on_lost(reason):
        lost.append(reason)
        told.set()

    met, _ = meet_in_threads([process(index, port, 4) for index in range(4)], [FACTS] * 4)
    met[0].watch(1, on_lost)
    met[3].say_goodbye()
    close(met[2:])
    assert told.wait(5)
    assert lost == ["process 2 has ended"]
    told.clear()
    assert told.wait(5)
    assert lost[1:] == ["process 1 has not answered for 1 s"]
    close(met)

"""The relay to the coordinator passes bytes on both ways, and hides the coordinator's end for some seconds."""

import contextlib
import os
import socket
import time

import pytest

from aejax.experiments import coordinator_relay
from aejax.experiments.coordinator_relay import LOOPBACK, start_relay
from tests.two_processes import free_port


def connect(address):
    host, _, port = address.rpartition(":")
    link = socket.create_connection((host, int(port)), timeout=5)
    link.settimeout(5)
    return link


@contextlib.contextmanager
def relayed():
    """Both ends of a connection through a relay."""
    with (
        socket.create_server((LOOPBACK, 0)) as server,
        connect(start_relay(LOOPBACK, server.getsockname()[1])) as near,
        server.accept()[0] as far,
    ):
        yield near, far


def test_bytes_pass_both_ways_and_the_end_of_the_coordinator_comes_late(monkeypatch):
    monkeypatch.setattr(coordinator_relay, "GRACE_SECONDS", 0.5)
    with relayed() as (near, far):
        near.sendall(b"question")
        assert far.recv(100) == b"question"
        far.sendall(b"answer")
        assert near.recv(100) == b"answer"
        began = time.monotonic()
        far.close()
        assert near.recv(100) == b""
        assert 0.4 < time.monotonic() - began < 4


def test_the_end_of_this_process_reaches_the_coordinator_at_once():
    with relayed() as (near, far):
        began = time.monotonic()
        near.close()
        assert far.recv(100) == b""
        assert time.monotonic() - began < 2


def test_a_coordinator_that_does_not_listen_yet_looks_like_that_and_can_be_reached_later():
    port = free_port()
    address = start_relay(LOOPBACK, port)
    with connect(address) as near:
        assert near.recv(100) == b""
    with socket.create_server((LOOPBACK, port)) as server, connect(address) as near, server.accept()[0] as far:
        far.sendall(b"here")
        assert near.recv(100) == b"here"


@pytest.mark.parametrize(("before", "after"), [({}, None), ({"http_proxy": "p:1"}, LOOPBACK)])
def test_a_proxy_is_not_used_for_this_machine(before, after, monkeypatch):
    for name in [*coordinator_relay.PROXY_VARIABLES, "no_proxy", "no_grpc_proxy"]:
        monkeypatch.delenv(name, raising=False)
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("no_grpc_proxy", "")  # so that what follows is undone
    monkeypatch.delenv("no_grpc_proxy")
    start_relay(LOOPBACK, free_port())
    assert os.environ.get("no_grpc_proxy") == after  # noqa: SIM112 -- gRPC's own name

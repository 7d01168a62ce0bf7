"""A relay between JAX in this process and the coordinator, whose end it keeps from JAX for some seconds.

JAX aborts a process, with pages of C++ frames, as soon as its connection to process 0 closes. That connection leads
through this relay, so that `rendezvous` notices first and ends the process with one line.
"""

import contextlib
import os
import socket
import threading
import time

GRACE_SECONDS = 10.0  # for which JAX does not learn that the coordinator has ended
LOOPBACK = "127.0.0.1"
PROXY_VARIABLES = {"grpc_proxy", "https_proxy", "http_proxy"}


def start_relay(host: str, port: int) -> str:
    """Starts a relay to a coordinator, which need not listen yet, and returns its address, which JAX connects to."""
    server = socket.create_server((LOOPBACK, 0))
    if PROXY_VARIABLES & os.environ.keys():  # gRPC would send what goes to this machine through the proxy, too
        excepted = os.environ.get("no_grpc_proxy") or os.environ.get("no_proxy")  # noqa: SIM112 -- gRPC's own names
        os.environ["no_grpc_proxy"] = ",".join(filter(None, (excepted, LOOPBACK)))  # noqa: SIM112
    threading.Thread(target=_accept, args=(server, (host, port)), name="relay", daemon=True).start()
    return f"{LOOPBACK}:{server.getsockname()[1]}"


def _accept(server: socket.socket, coordinator: tuple[str, int]) -> None:
    while True:
        near = server.accept()[0]
        try:
            far = socket.create_connection(coordinator)
        except OSError:  # JAX tries again
            near.close()
            continue
        threading.Thread(target=_relay, args=(near, far), name="relayed connection", daemon=True).start()


def _relay(near: socket.socket, far: socket.socket) -> None:
    """Passes bytes on both ways until both connections have ended."""
    with near, far:
        to_coordinator = threading.Thread(target=_copy, args=(near, far, 0.0), name="to coordinator", daemon=True)
        to_coordinator.start()
        _copy(far, near, GRACE_SECONDS)
        to_coordinator.join()


def _copy(source: socket.socket, sink: socket.socket, grace: float) -> None:
    """Copies until the source ends; ends the sink `grace` seconds later."""
    with contextlib.suppress(OSError):
        while block := source.recv(1 << 16):
            sink.sendall(block)
    time.sleep(grace)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)

"""Threads of the LAPACK that compiled programs call."""

from contextlib import AbstractContextManager
from typing import Any

from threadpoolctl import threadpool_limits


def single_threaded_lapack() -> AbstractContextManager[Any]:
    """Lets BLAS and LAPACK use one thread per call, while compiled programs that factorise matrices run.

    On CPUs, JAX factorises each matrix of a batch by SciPy's LAPACK in a thread of its own, and devices do so side by
    side. OpenBLAS then starts threads for each call; these outnumber the cores, and wait for each other by spinning.
    """
    return threadpool_limits(1, user_api="blas")

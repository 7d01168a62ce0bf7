"""Theorems about freed memory: it goes back to the system where data are large. Of glibc only."""

import numpy as np
import psutil
import pytest

from aejax.experiments.host_memory import MIN_BYTES_TO_TRIM, _c_library, malloc_trim

MIB = 1 << 20


@pytest.mark.skipif(_c_library() is None, reason="the C library is not glibc")
def test_freed_memory_goes_back_to_the_system_beside_large_data_only():
    large, small = np.empty(MIN_BYTES_TO_TRIM, np.uint8), np.empty(MIN_BYTES_TO_TRIM - 1, np.uint8)
    blocks = [np.ones(64 * 1024, np.uint8) for _ in range(4000)]  # too small to be mapped each by itself
    last = blocks[-1]
    full = psutil.Process().memory_info().rss
    blocks.clear()
    malloc_trim(small)
    kept = psutil.Process().memory_info().rss
    malloc_trim({"first": large[: MIN_BYTES_TO_TRIM // 2], "second": (large[MIN_BYTES_TO_TRIM // 2 :], None)})
    assert psutil.Process().memory_info().rss < kept - 200 * MIB
    assert kept > full - 50 * MIB
    assert last.all()

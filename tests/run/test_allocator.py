"""Theorems about freed memory: it goes back to the system where data are large. Of glibc only."""

import numpy as np
import psutil
import pytest

from aejax.run.allocator import LARGE, _c_library, give_back

MIB = 1 << 20


@pytest.mark.skipif(_c_library() is None, reason="the C library is not glibc")
def test_freed_memory_goes_back_to_the_system_beside_large_data_only():
    large, small = np.empty(LARGE, np.uint8), np.empty(LARGE - 1, np.uint8)
    blocks = [np.ones(64 * 1024, np.uint8) for _ in range(4000)]  # too small to be mapped each by itself
    last = blocks[-1]
    full = psutil.Process().memory_info().rss
    blocks.clear()
    give_back(small)
    kept = psutil.Process().memory_info().rss
    give_back({"first": large[: LARGE // 2], "second": (large[LARGE // 2 :], None)})
    assert psutil.Process().memory_info().rss < kept - 200 * MIB
    assert kept > full - 50 * MIB
    assert last.all()

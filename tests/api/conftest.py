"""Kinds that a file registers are gone after it."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def restored(restore_registry):
    return restore_registry

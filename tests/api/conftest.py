"""Kinds that a file registers are gone after it."""

import pytest

from aejax.autoencoders.registry import KINDS
from aejax.methods import registry


@pytest.fixture(scope="module", autouse=True)
def restore_registry():
    tables = (KINDS, registry.METHODS)
    before, registered = [dict(table) for table in tables], set(registry._REGISTERED)
    yield
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)
    registry._REGISTERED.clear()
    registry._REGISTERED.update(registered)
    registry.make_method.cache_clear()

"""A finished comparison; no command draws figures or configures devices, which JAX allows before it starts only."""

import contextlib

import pytest

from aejax.cli.commands import compare, pretrain, sweep

SMALL = ["--dataset", "wine", "--methods", "raw", "pca", "--seeds", "2", "--latent-dim", "3", "--probe-c", "1"]


@contextlib.contextmanager
def patched_commands():
    with pytest.MonkeyPatch.context() as patch:
        for command in (compare, pretrain, sweep):
            patch.setattr(command, "configure_devices", lambda *_: None)
        patch.setattr("aejax.experiments.compare.plot_comparison", lambda *_: None)
        yield


@pytest.fixture(scope="session")
def comparison(tmp_path_factory):
    """Flags of a comparison of two controls that has finished; the last is its folder."""
    flags = [*SMALL, "--out", str(tmp_path_factory.mktemp("compare") / "run")]
    with patched_commands():
        compare.main(flags)
    return flags


@pytest.fixture(autouse=True)
def patch_commands():
    with patched_commands():
        yield

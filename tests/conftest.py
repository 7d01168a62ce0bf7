"""Every test runs strict: types and shapes are checked at every call, ranks do not promote; there are two devices."""

from pathlib import Path

import jax
import jaxtyping
import pytest

MNIST_FOLDER = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "mnist"

# Before anything of aejax is imported, and before JAX looks for devices.
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_legacy_prng_key", "error")
# The numeric tower: an int may stand for a float, as it may for mypy.
jaxtyping.install_import_hook("aejax", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The folder of MNIST's four original files."""
    if not (MNIST_FOLDER / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip(f"no MNIST files in {MNIST_FOLDER}; copy the four original .gz files there")
    return MNIST_FOLDER

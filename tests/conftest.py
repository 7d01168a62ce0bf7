"""Every test is strict: shapes are checked at every call, ranks are not promoted; there are two devices."""

import gc
import importlib.util
import os
import sys
from pathlib import Path

# Processes that tests start, other workers and the next run read the modules that one has compiled.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Before JAX is imported. Most of the time goes into compiling, so XLA does it in the quickest way that it has: without
# LLVM's optimizer, with the emitters that produce the least code, and in one LLVM module per program.
QUICK_COMPILATION = (
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
)
os.environ.setdefault("XLA_FLAGS", QUICK_COMPILATION)
# Each worker has a core's share; OpenBLAS's threads would wait for each other by spinning.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import jax
import jaxtyping
import psutil
import pytest
from type_checks import modules_with_shapes

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
MAX_RESIDENT_BYTES = 2 << 30  # of a process of tests
MNIST_FOLDER = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "mnist"

gc.set_threshold(200_000, 20, 100)  # traces are many small objects: the default collects for a tenth of the time

# Before anything of aejax is imported, and before JAX looks for devices.
jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_legacy_prng_key", "error")
if os.environ.get("AEJAX_CHECK_TYPES") == "everywhere":
    jaxtyping.install_import_hook(["aejax", "benchmark"], "type_checks.check_everywhere")
else:
    hooked = modules_with_shapes(SCRIPTS.parent / "aejax", SCRIPTS / "benchmark")
    jaxtyping.install_import_hook(hooked, "type_checks.check")


def pytest_collection_modifyitems(items):
    """Puts the longest file first, then whole runs: a long file that starts last makes the other workers wait."""
    items.sort(key=lambda item: (item.path.name != "test_promises.py", item.path.parent.name != "experiments"))


@pytest.fixture(scope="module", autouse=True)
def limit_compiled_programs():
    """Drops compiled programs once memory is full; until then files share them."""
    yield
    if psutil.Process().memory_info().rss > MAX_RESIDENT_BYTES:
        jax.clear_caches()


@pytest.fixture(scope="module")
def restore_registry():
    """Removes the kinds that a file registers after it."""
    from aejax.autoencoders.registry import KINDS
    from aejax.methods import registry

    tables = (KINDS, registry.METHODS)
    before, registered = [dict(table) for table in tables], dict(registry._REGISTERED)
    yield
    for table, content in zip(tables, before, strict=True):
        table.clear()
        table.update(content)
    registry._REGISTERED.clear()
    registry._REGISTERED.update(registered)
    registry.make_method.cache_clear()


@pytest.fixture
def load_script(monkeypatch):
    """Returns a function that returns the `main` of a script; it runs on the devices that JAX has already."""

    def load(name):
        spec = importlib.util.spec_from_file_location(f"script_{name}", SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, f"script_{name}", module)
        spec.loader.exec_module(module)
        body = sys.modules[module.main.__module__]
        for function in {"configure_cpu_devices", "configure_devices"} & vars(body).keys():
            monkeypatch.setattr(body, function, lambda *_: None)
        return module.main

    return load


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """Returns the folder of MNIST's four original files."""
    if not (MNIST_FOLDER / "train-images-idx3-ubyte.gz").is_file():
        pytest.skip(f"no MNIST files in {MNIST_FOLDER}; copy the four original .gz files there")
    return MNIST_FOLDER


@pytest.fixture(scope="session")
def make_problem_spec():
    """Returns a function that makes the `ProblemSpec` of a run on random examples of a shape."""
    import numpy as np

    from aejax.config import CompareConfig, ModelConfig, ObjectiveConfig
    from aejax.data.dataset import make_dataset
    from aejax.experiments.experiment import problem_spec_for
    from aejax.experiments.resolve import resolve_config

    def made(shape=(6,), *, bounded=False, classes=3, model=None, objective=None):
        """For examples of `shape`, of which a format promises [0, 1] if `bounded`; the rest as configs have it."""
        inputs = np.random.default_rng(0).uniform(size=(3 * classes, *shape)).astype(np.float32)
        value_range = (0.0, 1.0) if bounded else None
        labels = np.arange(len(inputs)) % classes
        dataset = make_dataset("random", inputs, labels, source="random", value_range=value_range)
        config = CompareConfig(model=ModelConfig(**(model or {})), objective=ObjectiveConfig(**(objective or {})))
        return problem_spec_for(resolve_config(config, dataset), dataset)

    return made

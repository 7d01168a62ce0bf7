"""Checks of host, CPU device and accelerator memory."""

import resource
from types import SimpleNamespace

import jax
import numpy as np
import psutil
import pytest
from expected_errors import error_message

from aejax.config import CompareConfig, DataConfig
from aejax.data import memory
from aejax.data.memory import available_host_memory, format_bytes, require_device_memory, require_host_memory
from aejax.data.registry import load_dataset
from aejax.errors import InputError
from aejax.experiments.experiment import prepare_experiment
from aejax.experiments.progress import SilentReporter
from aejax.experiments.resolve import resolve_config

GIB = 1 << 30


def accelerator(number: int, **limits):
    return SimpleNamespace(
        id=number, platform="gpu", device_kind="H100", process_index=0, memory_stats=lambda: limits or None
    )


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (GIB - 1, "1.0 GiB"), (3 << 70, "3072.0 EiB")],
)
def test_format_bytes(size, text):
    assert format_bytes(size) == text


def test_require_host_memory_is_exact(monkeypatch):
    monkeypatch.setattr(memory, "available_host_memory", lambda: GIB)
    require_host_memory(GIB, "photos: 9 images")
    message = error_message(require_host_memory, GIB + 1, "photos: 9 images")
    for mentioned in ("photos: 9 images take 1.0 GiB", "1.0 GiB left", "--image-size"):
        assert mentioned in message


def test_cpu_devices_share_the_hosts_memory(monkeypatch):
    monkeypatch.setattr(memory, "available_host_memory", lambda: 2 * GIB)
    device = jax.devices("cpu")[0]
    require_device_memory("photos", GIB - 5, 5, [device] * 2)
    message = error_message(require_device_memory, "photos", GIB - 5, 5, [device] * 3)
    for mentioned in ("take 3.0 GiB", "2.0 GiB left", "--devices 1"):
        assert mentioned in message
    assert "--devices" not in error_message(require_device_memory, "photos", 3 * GIB, 0, [device])  # one is too much


def test_every_accelerator_must_have_room():
    empty = accelerator(0, bytes_limit=80 * GIB)
    half_full = accelerator(3, bytes_limit=80 * GIB, bytes_in_use=40 * GIB)
    require_device_memory("photos", 39 * GIB, GIB, iter([empty, half_full]))
    message = error_message(require_device_memory, "photos", 39 * GIB, GIB + 1, iter([empty, half_full]))
    for mentioned in ("photos", "39.0 GiB of examples", "take 40.0 GiB", "H100 3 of 80.0 GiB"):
        assert mentioned in message


def test_devices_without_memory_stats_and_of_other_processes_are_skipped():
    elsewhere = accelerator(1, bytes_limit=1)
    elsewhere.process_index = 1
    small = accelerator(2, bytes_limit=GIB)
    require_device_memory("photos", 1 << 60, 0, iter([accelerator(0), elsewhere]))
    assert "H100 2" in error_message(
        require_device_memory, "photos", 1 << 60, 0, iter([accelerator(0), elsewhere, small])
    )


VERSION_1 = {"memory.limit_in_bytes": "1000", "memory.usage_in_bytes": "700", "memory.stat": "total_inactive_file 50\n"}
VERSION_2 = {"memory.max": "1000", "memory.current": "700", "memory.stat": "anon 9\ninactive_file 50\n"}
UNLIMITED = {**VERSION_2, "memory.max": "max"}


@pytest.mark.parametrize(
    ("groups", "folders", "left"),
    [
        pytest.param("0::/a/b\n", {"a/b": VERSION_2}, 350, id="version 2: its own limit, caches not counted"),
        pytest.param("0::/a/b\n", {"a": VERSION_2, "a/b": UNLIMITED}, 350, id="version 2: the limit of a group above"),
        pytest.param("0::/\n", {"": VERSION_2}, 350, id="version 2: inside a container"),
        pytest.param("0::/a\n", {"a": {**VERSION_2, "memory.current": "1200"}}, 0, id="over its limit already"),
        pytest.param("4:cpu,memory:/a\n0::/\n", {"memory/a": VERSION_1}, 350, id="version 1"),
        pytest.param("4:memory:/of/the/host\n", {"memory": VERSION_1}, 350, id="version 1: inside a container"),
        pytest.param("4:cpu:/a\n", {"memory/a": VERSION_1}, None, id="version 1: another controller"),
        pytest.param("0::/a\n", {}, None, id="nothing to read"),
        pytest.param(None, {"": VERSION_2}, None, id="not Linux"),
    ],
)
def test_control_groups_leave_limit_minus_usage(tmp_path, monkeypatch, groups, folders, left):
    if groups is not None:
        (tmp_path / "self").write_text(groups)
    for folder, files in folders.items():
        (tmp_path / "mount" / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (tmp_path / "mount" / folder / name).write_text(content)
    monkeypatch.setattr(memory, "CGROUP_ROOT", tmp_path / "mount")
    monkeypatch.setattr(memory, "PROC_CGROUP", tmp_path / "self")
    available = available_host_memory()
    assert available == left if left is not None else available > 1 << 20


def test_a_run_checks_memory_before_copying_to_devices(monkeypatch):
    config = CompareConfig(seeds=2)
    dataset = load_dataset(config.data)
    monkeypatch.setattr(memory, "available_host_memory", lambda: dataset.inputs.nbytes)
    monkeypatch.setattr(jax, "device_put", lambda *args: pytest.fail("copied"))
    message = error_message(prepare_experiment, resolve_config(config, dataset), dataset, SilentReporter())
    assert message.startswith("digits: 119.3 KiB of examples")


@pytest.mark.parametrize("limit", ["RLIMIT_AS", "RLIMIT_DATA"])
def test_limits_of_the_shell_count(monkeypatch, limit):
    used = psutil.Process().memory_info()
    size = {"RLIMIT_AS": used.vms, "RLIMIT_DATA": used.data}[limit]
    soft, hard = resource.getrlimit(getattr(resource, limit))
    resource.setrlimit(getattr(resource, limit), (size + (64 << 20), hard))
    try:
        available = memory.available_host_memory()
    finally:
        resource.setrlimit(getattr(resource, limit), (soft, hard))
    assert available <= 96 << 20
    assert memory.available_host_memory() > 96 << 20


def test_an_array_that_becomes_larger_than_memory_is_refused_and_not_killed(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "zeros.npz", x=np.zeros((200_000, 100)), y=np.arange(200_000) % 2)
    monkeypatch.setattr(memory, "available_host_memory", lambda: 170 << 20)  # of 153 MiB, and half of it as float32
    with pytest.raises(InputError, match=r"zeros\.npz: does not fit into memory, of which"):
        load_dataset(DataConfig(dataset=str(tmp_path / "zeros.npz")))
    np.ones(32 << 20)  # the limit has ended

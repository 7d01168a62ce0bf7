"""SIGTERM and SIGINT end a script with 75: at once, or after it has saved; a second one never waits."""

import signal
import subprocess
import sys
import time

import pytest

BODY = """
import sys, time
from aejax.errors import Preempted
from aejax.experiments.preemption import call_before_exit, defer_signals, handle_signals

def busy(seconds):  # as a compiled program is: no Python in between
    time.sleep(seconds)

with handle_signals(), call_before_exit(lambda: print("last words", flush=True)):
    {body}
    print("left", flush=True)
"""
IDLE = 'print("ready", flush=True); busy(60)'
SAVING = """
    with defer_signals() as stopping:
        print("ready", flush=True)
        while not stopping():
            busy(0.05)
        print("saved", flush=True)
"""
STUCK = """
    with defer_signals() as stopping:
        print("ready", flush=True)
        busy(60)
"""


@pytest.fixture
def started():
    """A function that starts a script which waits for signals; it is killed at the end."""
    processes = []

    def start(body):
        command = [sys.executable, "-c", BODY.format(body=body)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_where_nothing_needs_saving_a_signal_ends_at_once_and_says_so(started, number):
    process = started(IDLE)
    began = time.perf_counter()
    process.send_signal(number)
    said, complaint = process.communicate(timeout=30)
    assert process.returncode == 75
    assert time.perf_counter() - began < 20
    assert said == "last words\n"
    assert complaint == "stopped by a signal; everything is saved, run the same command to go on\n"


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_block_that_saves_is_let_to_its_end(started, number):
    process = started(SAVING)
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 75
    assert said == "saved\n"  # and nothing after the block


def test_a_second_signal_does_not_wait(started):
    process = started(STUCK)
    began = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 75
    assert time.perf_counter() - began < 20
    assert complaint == "stopped by a second signal; run the same command to go on\n"

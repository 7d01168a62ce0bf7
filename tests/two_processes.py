"""Two processes of one run, with two CPU devices each, joined on the loopback interface."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_pair(
    program: str, *words: str, log: Path, folders: tuple[Path, Path] = (ROOT, ROOT)
) -> list[subprocess.Popen[bytes]]:
    """Starts `program` in two processes, each in its folder; their output goes to `log`.0 and .1."""
    port = free_port()
    joined = ["--distributed", "--coordinator", f"localhost:{port}", "--num-processes", "2", "--process-id"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = []
    for index in (0, 1):
        with log_of(log, index).open("wb") as file:
            command = [sys.executable, str(ROOT / program), *words, *joined, str(index)]
            started.append(
                subprocess.Popen(command, cwd=folders[index], env=environment, stdout=file, stderr=subprocess.STDOUT)
            )
    return started


def log_of(log: Path, index: int) -> Path:
    """Returns the file of a process's output."""
    return log.with_name(f"{log.name}.{index}")


def exit_statuses(pair: Sequence[subprocess.Popen[bytes]], log: Path, seconds: float = 240) -> list[int]:
    """Waits for both processes and returns their exit statuses; kills what still runs after `seconds`."""
    try:
        return [process.wait(seconds) for process in pair]
    except subprocess.TimeoutExpired:
        output = "\n".join(log_of(log, index).read_text(errors="replace")[-2000:] for index in (0, 1))
        raise AssertionError(f"a process of a pair hangs:\n{output}") from None
    finally:
        for process in pair:
            process.kill()
            process.wait()

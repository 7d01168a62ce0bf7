"""`--compilation-cache`: a second process compiles nothing and computes the same."""

import subprocess
import sys

PROGRAM = """
import sys
from pathlib import Path
import jax
from aejax.cli.devices import use_compilation_cache
use_compilation_cache(Path(sys.argv[1]))
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event) if event.endswith("cache_hits") else None)
value = jax.jit(lambda x: jax.numpy.sin(x).sum())(jax.numpy.arange(100.0))
print(float(value).hex(), len(hits) > 0)
"""


def test_a_second_process_loads_what_the_first_has_compiled(tmp_path):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "cache")]
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() for _ in "12")
    assert (first[1], second[1]) == ("False", "True")
    assert first[0] == second[0]

"""Runs a script twice in one process, and writes what the second run took.

    python scripts/benchmark/twice.py scripts/compare.py --dataset digits --out DIR

The second run fills DIR, to which `twice.json` is added; the folder of the first is deleted.
"""

import json
import runpy
import shutil
import sys
import time
from pathlib import Path


def main(argv: list[str]) -> None:
    *words, flag, out = argv
    assert flag == "--out"
    first = Path(f"{out}-first")
    for folder in (first, Path(out)):
        sys.argv = [*words, "--out", str(folder)]
        began, cpu_began = time.perf_counter(), time.process_time()
        try:
            runpy.run_path(words[0], run_name="__main__")
        except SystemExit as end:
            if end.code:
                raise
        taken = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
    shutil.rmtree(first)
    (Path(out) / "twice.json").write_text(json.dumps(taken), encoding="utf-8")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(sys.argv[1]).resolve().parent))
    main(sys.argv[1:])

"""Train on a set larger than memory, and measure what streaming costs.

    python scripts/stream.py [--gigabytes 20] [--limit GB] [--scratch DIR] [--data-dir DIR] [--out DIR]

Makes a set of that size in the scratch folder, trains one pass over it in a process of its own, deletes it; then trains
MNIST from memory and streamed, by turns. Writes `stream.json` and `stream.md`, with what it cost and what it found.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from benchmark.streaming_report import N_SEEDS, run_streaming_benchmark

from aejax.cli import configure_cpu_devices, make_console, parse_args, run_main


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of stream.py."""

    gigabytes: float = 20.0  # size of the large set, 1e9 bytes each
    limit: float | None = None  # gigabytes that training on it may allocate (RLIMIT_DATA); default: no limit
    scratch: Path = Path("runs/stream-scratch")  # where the sets lie meanwhile; they are deleted
    data_dir: Path | None = None  # where MNIST is looked for; default AEJAX_DATA
    out: Path = Path("runs/stream")  # results folder; earlier results in it are replaced


def main(argv: Sequence[str]) -> None:
    args = parse_args(Args(), argv, __doc__ or "")
    configure_cpu_devices(N_SEEDS)
    console = make_console()
    found = run_streaming_benchmark(args.gigabytes, args.limit, args.data_dir, args.scratch, args.out, console)
    for name, entry in found["mnist"]["entries"].items():
        console.print(f"{name}: {100 * entry['ratio']:.1f} % of memory's rate", highlight=False)
    console.print(f"{args.out}: stream.md, stream.json", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run_main(main)

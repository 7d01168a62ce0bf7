"""Chooses the default strength of each kind of autoencoder on data sets that no result is about.

    python scripts/choose_defaults.py [--kinds KIND ...] [--seeds 2] [--epochs 100] [--out results/defaults]

Writes defaults.json and table.md, in which kinds that are not given keep their entries. The validation rows of
generated data sets and of patches of two photographs choose; test rows are not read. The defaults of aejax/config are
the values in results/defaults.
"""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from aejax.cli import configure_devices, make_console, parse_args, run_main
from aejax.config import DistributedConfig, PlanConfig
from aejax.data.development import DEVELOPMENT_SETS
from aejax.experiments.default_strengths import (
    STRENGTHS,
    ChoiceConfig,
    describe_choice,
    render_choices,
    validation_accuracies,
)
from aejax.storage.atomic_io import read_json, write_atomically, write_json


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args(ChoiceConfig):
    """Flags of choose_defaults.py."""

    out: Path = Path("results/defaults")  # folder of defaults.json and table.md


def main(argv: Sequence[str]) -> None:
    args = parse_args(Args(), argv, __doc__ or "")
    configure_devices(DistributedConfig(), PlanConfig(), args.seeds)
    console = make_console()
    datasets = [make() for make in DEVELOPMENT_SETS]
    command = shlex.join(["python", "scripts/choose_defaults.py", *argv])
    path = args.out / "defaults.json"
    before = read_json(path)["defaults"] if path.exists() else []
    entries = {entry["kind"]: entry for entry in before if entry["kind"] not in args.kinds}
    args.out.mkdir(parents=True, exist_ok=True)
    for strength in (strength for strength in STRENGTHS if strength.kind in args.kinds):
        accuracies = [validation_accuracies(strength, dataset, args) for dataset in datasets]
        entry = describe_choice(strength, accuracies, [dataset.name for dataset in datasets]) | {"command": command}
        console.print(f"{strength.kind}: {strength.name} = {entry['chosen']:g}", highlight=False)
        entries[strength.kind] = entry
        write_json(path, {"defaults": list(entries.values())})
        write_atomically(args.out / "table.md", render_choices(list(entries.values())).encode())


if __name__ == "__main__":
    run_main(main)

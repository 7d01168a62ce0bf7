"""Publish the encoder of a trained autoencoder: arrays and JSON that open anywhere, and a program that runs anywhere.

    aejax export --run DIR --out ENCODER [--seed best|all|N] [--formats orbax safetensors stablehlo]

ENCODER holds `orbax/`, `encoder.safetensors`, `encode.stablehlo` (which need `pip install -e '.[export]'`),
`encoder.json` with configuration and preprocessing, a README.md that shows how to open each, and sums over all of it.
`aejax.load_encoder("ENCODER")` is a pure function from raw inputs to codes. Takes seconds on a CPU.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.cli.arguments import flag_value, parse_args
from aejax.cli.console import make_console
from aejax.cli.devices import configure_cpu_devices
from aejax.config.export import ExportConfig
from aejax.errors import require


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `aejax export`."""

    run: Path  # folder that pretrain.py made
    out: Path  # folder of the encoder
    config: ExportConfig
    overwrite: bool = False  # replace an encoder that is there, once the new one is complete


def main(argv: Sequence[str]) -> None:
    from aejax.experiments.export import export

    run, out = (Path(flag_value(name, argv, "")) for name in ("run", "out"))
    asks_help = bool({"-h", "--help"} & set(argv))
    require(asks_help or str(run) != ".", "--run: missing; give a folder that scripts/pretrain.py made")
    require(asks_help or str(out) != ".", "--out: missing; give a folder for the encoder")
    args = parse_args(Args(run=run, out=out, config=ExportConfig()), argv, __doc__ or "")
    configure_cpu_devices(1)
    console = make_console()
    made = export(args.run, args.out, args.config, overwrite=args.overwrite)
    seeds = ", ".join(map(str, made.metadata.seeds))
    lines = (
        *made.notes,
        f"{args.out}: {made.metadata.kind}, seed {seeds}; {', '.join(made.metadata.formats)}, README.md",
        f"SHA-256 of its manifest.json: {made.manifest_sha256}",
    )
    console.print("\n".join(lines), highlight=False, soft_wrap=True)

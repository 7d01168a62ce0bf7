"""Publish the encoder of a trained autoencoder: arrays and JSON that open anywhere, and a program that runs anywhere.

    python scripts/export.py --run DIR --out ENCODER [--seed best|all|N] [--formats orbax safetensors stablehlo]

ENCODER holds `orbax/`, `encoder.safetensors`, `encode.stablehlo` (which need `pip install -e '.[export]'`),
`encoder.json` with configuration and preprocessing, a README.md that shows how to open each, and sums over all of it.
`aejax.load_encoder("ENCODER")` is a pure function from raw inputs to codes. Takes seconds on a CPU.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.cli import flag_value, main, make_console, parse, use_cores
from aejax.config.export import ExportConfig
from aejax.errors import require
from aejax.run.export import export


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of export.py."""

    run: Path  # folder that pretrain.py made
    out: Path  # folder of the encoder
    config: ExportConfig
    overwrite: bool = False  # replace an encoder that is there, once the new one is whole


def script(argv: Sequence[str]) -> None:
    run, out = (Path(flag_value(name, argv, "")) for name in ("run", "out"))
    asks_help = bool({"-h", "--help"} & set(argv))
    require(asks_help or str(run) != ".", "--run: missing; give a folder that scripts/pretrain.py made")
    require(asks_help or str(out) != ".", "--out: missing; give a folder for the encoder")
    args = parse(Args(run=run, out=out, config=ExportConfig()), argv, __doc__ or "")
    use_cores(1)
    console = make_console()
    made = export(args.run, args.out, args.config, overwrite=args.overwrite)
    seeds = ", ".join(map(str, made.description.seeds))
    lines = (
        *made.notes,
        f"{args.out}: {made.description.kind}, seed {seeds}; {', '.join(made.description.formats)}, README.md",
        f"SHA-256 of its manifest.json: {made.sha256}",
    )
    console.print("\n".join(lines), highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main(script)

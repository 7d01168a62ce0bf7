"""Publish the encoder of a pretraining run for use anywhere.

    aejax export --run runs/vae-mnist --out ENCODER

ENCODER holds `orbax/`, `encoder.safetensors`, `encode.stablehlo` (which need `pip install -e '.[export]'`),
`encoder.json` with configuration and preprocessing, a README.md that shows how to open each, and sums over all of it.
`aejax.load_encoder("ENCODER")` is a pure function from raw inputs to codes. Takes seconds on a CPU.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.cli.arguments import load_plugins, parse_args, required_path
from aejax.cli.console import make_console
from aejax.cli.devices import configure_cpu_devices
from aejax.config.experiment import ExportConfig

FLAGS = ("run", "out", "seed", "weights", "formats", "overwrite")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `aejax export`."""

    run: Path  # folder that aejax pretrain made
    out: Path  # folder of the encoder
    config: ExportConfig
    overwrite: bool = False  # replace an encoder that is there, once the new one is complete
    probe: Path | None = None  # folder that aejax probe made of these weights: the model card shows its accuracy
    plugin: tuple[Path, ...] = ()  # Python files that register kinds of your own by aejax.register; they are run
    push_to_hub: str | None = None  # upload the folder to this model repository of the Hugging Face Hub, OWNER/NAME


def main(argv: Sequence[str]) -> None:
    """Runs `aejax export` with the words after it on the command line."""
    run = required_path("run", argv, "a folder that aejax pretrain made")
    out = required_path("out", argv, "a folder for the encoder")
    args = parse_args(Args(run=run, out=out, config=ExportConfig()), argv, __doc__ or "", FLAGS)
    load_plugins(argv)

    from aejax.experiments.export import export
    from aejax.storage.hub import push_to_hub

    configure_cpu_devices(1)
    console = make_console()
    exported = export(args.run, args.out, args.config, overwrite=args.overwrite, probe=args.probe)
    seeds = ", ".join(map(str, exported.metadata.seeds))
    for line in (
        *exported.notes,
        f"{args.out}: {exported.metadata.kind}, seed {seeds}; {', '.join(exported.metadata.formats)}, README.md",
        f"SHA-256 of its manifest.json: {exported.manifest_sha256}",
    ):
        console.print_line(line)
    if args.push_to_hub is not None:
        console.print_line(push_to_hub(args.out, args.push_to_hub))

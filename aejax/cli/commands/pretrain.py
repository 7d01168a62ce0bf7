"""Train one autoencoder for many seeds and keep it.

    aejax pretrain [--recipe NAME] [--dataset ...] [--seeds ...] [--epochs N] [--out DIR]

Recipes are the tutorials (tutorial-deep, tutorial-tabular, tutorial-single, tutorial-dense64, blog-deep:
`aejax/recipes.py` has their sources and what to expect of them) and the kinds of autoencoder (`--recipe vae --dataset
mnist`; their names are in `aejax/autoencoders/registry.py`). Any other flag changes the recipe.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.cli.arguments import flag_value, load_plugins, parse_args
from aejax.cli.console import make_console
from aejax.cli.devices import configure_devices
from aejax.config import CheckpointConfig, DistributedConfig, PretrainConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of `aejax pretrain`."""

    config: PretrainConfig
    out: Path | None = None  # run folder; default: runs/RECIPE or runs/KIND-DATASET, and a hash of the other flags
    plugin: tuple[Path, ...] = ()  # Python files that register kinds of your own by aejax.register; they are run
    checkpoint: CheckpointConfig = CheckpointConfig()
    processes: DistributedConfig = DistributedConfig()


def main(argv: Sequence[str]) -> None:
    from rich.markdown import Markdown

    from aejax.autoencoders.registry import KINDS
    from aejax.experiments.pretrain import markdown_epoch_table, pretrain
    from aejax.experiments.run_naming import dataset_slug, default_run_dir
    from aejax.recipes import get_recipe

    load_plugins(argv)
    named = get_recipe(flag_value("recipe", argv, "tutorial-deep"), flag_value("dataset", argv, "digits"))
    args = parse_args(Args(config=named), argv, __doc__ or "")
    configure_devices(args.processes, args.config.plan, args.config.seeds, args.config)
    console = make_console()
    on = f"-{dataset_slug(args.config.data.dataset)}" if args.config.recipe in KINDS else ""
    out = args.out or default_run_dir(Path("runs") / f"{args.config.recipe}{on}", args.config, named)
    results = pretrain(args.config, out, console, args.checkpoint)
    console.print(Markdown(markdown_epoch_table(results)))
    console.print(f"{out}: checkpoint, metrics.jsonl, results.json, figures", highlight=False, soft_wrap=True)

"""Train one autoencoder for many seeds and keep it.

    aejax pretrain --recipe vae --dataset mnist --seeds 4 --epochs 15

Recipes are the tutorials (`aejax/recipes.py` has their sources and what to expect of them) and the kinds of
autoencoder. Any other flag changes the recipe.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from aejax.cli.arguments import flag_value, load_plugins, parse_args, starting_config
from aejax.cli.console import make_console
from aejax.cli.devices import configure_devices
from aejax.cli.run_flags import TrainingFlags
from aejax.config import PretrainConfig
from aejax.errors import require

FLAGS = (
    *("recipe", "dataset", "data-dir", "stream", "shuffle-window", "seeds", "epochs", "latent-dim", "hidden"),
    *("out", "overwrite", "config", "json"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args(TrainingFlags):
    """Flags of `aejax pretrain`."""

    config: PretrainConfig
    out: Path | None = None  # run folder; default: runs/RECIPE or runs/KIND-DATASET, and a hash of the other flags


def main(argv: Sequence[str]) -> None:
    """Runs `aejax pretrain` with the words after it on the command line."""
    from aejax.autoencoders.registry import KINDS
    from aejax.recipes import RECIPES, get_recipe

    load_plugins(argv)
    recipe = flag_value("recipe", argv, "")
    require(not (recipe and flag_value("config", argv, "")), f"--recipe {recipe}: leave it out with --config")
    named = get_recipe(recipe or "tutorial-deep", flag_value("dataset", argv, "digits"))
    start = starting_config(named, argv)
    names = {"tutorials": list(RECIPES), "kinds": sorted(KINDS)}
    args = parse_args(Args(config=start), argv, __doc__ or "", FLAGS, names)

    from aejax.experiments.pretrain import pretrain
    from aejax.experiments.run_naming import dataset_slug, default_run_dir
    from aejax.report.epoch_table import render_pretrain_terminal
    from aejax.report.terminal import print_results

    configure_devices(args.processes, args.config.plan, args.config.seeds, args.config)
    console = make_console(args.output)
    recipe, dataset = args.config.recipe, args.config.data.dataset
    folder = Path("runs") / (f"{recipe}-{dataset_slug(dataset)}" if recipe in KINDS else recipe)
    out = args.out or default_run_dir(folder, args.config, get_recipe(recipe, dataset))
    results = pretrain(args.config, out, console, args.checkpoint)
    shown = render_pretrain_terminal(results)
    print_results(console, results, shown, out, "checkpoint, metrics.jsonl, results.json, figures")

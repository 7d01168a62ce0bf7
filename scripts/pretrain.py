"""Train one autoencoder for many seeds and keep it.

    python scripts/pretrain.py [--recipe NAME] [--dataset ...] [--seeds ...] [--epochs N] [--out DIR]

Recipes are the tutorials (tutorial-deep, tutorial-tabular, tutorial-single, tutorial-dense64, blog-deep:
`aejax/recipes.py` has their sources and what to expect of them) and the kinds of autoencoder (`--recipe vae --dataset
mnist`; their names are in `aejax/kinds/registry.py`). Any other flag changes the recipe.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from rich.markdown import Markdown

from aejax.cli import dataset_word, flag_value, main, make_console, parse, use_devices
from aejax.config import KeepingConfig, PretrainConfig, ProcessesConfig
from aejax.kinds.registry import KINDS
from aejax.recipes import recipe
from aejax.run.pretrain import epoch_table, pretrain


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of pretrain.py."""

    config: PretrainConfig
    out: Path | None = None  # run folder; default: runs/RECIPE, runs/KIND-DATASET
    keeping: KeepingConfig = KeepingConfig()
    processes: ProcessesConfig = ProcessesConfig()


def script(argv: Sequence[str]) -> None:
    named = recipe(flag_value("recipe", argv, "tutorial-deep"), flag_value("dataset", argv, "digits"))
    args = parse(Args(config=named), argv, __doc__ or "")
    use_devices(args.processes, args.config.plan, args.config.seeds)
    console = make_console()
    on = f"-{dataset_word(args.config.data.dataset)}" if args.config.recipe in KINDS else ""
    out = args.out or Path("runs") / f"{args.config.recipe}{on}"
    results = pretrain(args.config, out, console, args.keeping)
    console.print(Markdown(epoch_table(results)))
    console.print(f"{out}: checkpoint, metrics.jsonl, results.json, figures", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main(script)

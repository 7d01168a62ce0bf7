"""Train one autoencoder for many seeds and keep it.

    python scripts/pretrain.py [--recipe NAME] [--dataset ...] [--seeds ...] [--epochs N] [--out DIR]

Recipes, with their sources and what to expect of them, are the functions of `aejax/recipes.py`: tutorial-deep,
tutorial-tabular, tutorial-single, tutorial-dense64. Any other flag changes the recipe.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from rich.markdown import Markdown

from aejax.cli import flag_value, main, make_console, parse, use_cores
from aejax.config import PretrainConfig
from aejax.recipes import recipe
from aejax.run.pretrain import epoch_table, pretrain


@dataclasses.dataclass(frozen=True, kw_only=True)
class Args:
    """Flags of pretrain.py."""

    config: PretrainConfig
    out: Path | None = None  # run folder; default: runs/RECIPE
    overwrite: bool = False  # replace another run in that folder


def script(argv: Sequence[str]) -> None:
    args = parse(Args(config=recipe(flag_value("recipe", argv, "tutorial-deep"))), argv, __doc__ or "")
    use_cores(args.config.seeds)
    console = make_console()
    out = args.out or Path("runs") / args.config.recipe
    results = pretrain(args.config, out, console, overwrite=args.overwrite)
    console.print(Markdown(epoch_table(results)))
    console.print(f"{out}: checkpoint, metrics.jsonl, results.json, figures", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main(script)

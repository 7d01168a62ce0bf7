"""Named settings: defaults for each dataset, and the tutorials that are reproduced."""

import dataclasses
from typing import Any

from aejax.autoencoders.registry import KINDS
from aejax.config import (
    CompareConfig,
    DataConfig,
    ExperimentConfig,
    HeadConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    PretrainConfig,
    SplitConfig,
    SweepConfig,
    TrainConfig,
)
from aejax.errors import require, suggest_names

TUTORIAL_TABULAR_MODEL = ModelConfig(
    hidden=(200, 100), latent_dim=50, activation="leaky_relu", batch_norm=True, output="linear", conventions="keras"
)
NAMED_DEFAULTS: dict[str, dict[str, Any]] = {
    "digits": {"model": ModelConfig(latent_dim=16)},
    "tabular": {
        "data": DataConfig(dataset="tabular", scaler="minmax"),
        "model": TUTORIAL_TABULAR_MODEL,
        "train": TrainConfig(epochs=200, batch_size=16),
    },
    "mnist": {
        "model": ModelConfig(hidden=(128, 64, 32), latent_dim=16, decoder_hidden=(64, 128)),
        "train": TrainConfig(epochs=30, batch_size=256),
    },
}


def compare_defaults(dataset: str, *, is_named: bool = True) -> CompareConfig:
    """Returns the defaults of `compare.py --dataset DATASET`; most datasets have those of the dataclasses.

    Args:
        dataset: name or path.
        is_named: whether a name is that of the dataset here, and not that of a file or an array without its suffix.
    """
    chosen = NAMED_DEFAULTS.get(dataset, {}) if is_named else {}
    return CompareConfig(**{"data": DataConfig(dataset=dataset), **chosen})


def _tutorial(recipe: str, dataset: DataConfig, **settings: Any) -> PretrainConfig:
    """Returns the settings of a tutorial, which has no validation rows: each epoch's loss is that of the test rows."""
    return PretrainConfig(
        recipe=recipe, data=dataset, split=SplitConfig(split="tutorial"), monitor="test", **{"seeds": 4, **settings}
    )


MNIST = DataConfig(dataset="mnist")
TUTORIALS = (
    # A deep autoencoder on MNIST whose frozen encoder gets a softmax layer.
    #
    # 784-128-64-32-16-64-128-784, ReLU, sigmoid output, binary cross-entropy, Adadelta at learning rate 1.0, batch 256,
    # 100 epochs on all 60,000 training digits; then 5 epochs of categorical cross-entropy for the head, batch 32.
    #
    # Source: the deep autoencoder of the Keras blog, "Building Autoencoders in Keras" (2016), in a later tutorial's
    # variant that classifies on the code.
    # Command: `python scripts/pretrain.py --recipe tutorial-deep`; `scripts/probe.py --run runs/tutorial-deep`.
    # Here, mean of 4 seeds: test loss .117, accuracy .881 with the trained head after its 5 epochs, .890 with the
    # convex probe (results/tutorial-deep, results/tutorial-deep-probe).
    _tutorial(
        "tutorial-deep",
        MNIST,
        model=ModelConfig(hidden=(128, 64, 32), latent_dim=16, decoder_hidden=(64, 128), code_activation="relu"),
        train=TrainConfig(epochs=100, batch_size=256),
        optimizer=OptimizerConfig(optimizer="adadelta", learning_rate=1.0),
        head=HeadConfig(head_epochs=5, head_batch_size=32),
    ),
    # An MLP autoencoder on make_classification data, as data preparation for logistic regression.
    #
    # 100-200-100-50-100-200-100 with BatchNorm and LeakyReLU on the hidden layers, linear output, MSE, Adam, batch 16,
    # 200 epochs, min-max scaling; `--latent-dim 100` is the tutorial's first, uncompressed variant.
    #
    # Source: J. Brownlee, "Autoencoder Feature Extraction for Classification" (2020). It prints .8939 for logistic
    # regression on the inputs, .9394 on the 50-unit code, and a reconstruction error of 8.8e-4.
    # Command: `python scripts/pretrain.py --recipe tutorial-tabular`; `scripts/probe.py --run runs/tutorial-tabular`.
    # Here: error 1.1e-3 on the tutorial's test rows, mean of 10 seeds; accuracy in results/tabular-tutorial.
    _tutorial(
        "tutorial-tabular",
        NAMED_DEFAULTS["tabular"]["data"],
        model=TUTORIAL_TABULAR_MODEL,
        train=TrainConfig(epochs=200, batch_size=16),
        seeds=10,
    ),
    # One hidden layer on MNIST: 784-32-784, ReLU code, sigmoid output, cross-entropy, Adam, batch 256, 50 epochs.
    #
    # Source: the Keras blog, "Building Autoencoders in Keras" (2016), which prints a test loss of about .09.
    # Command: `python scripts/pretrain.py --recipe tutorial-single`; `scripts/probe.py --run runs/tutorial-single`.
    # Here: .0915, mean of 4 seeds (results/tutorial-single).
    _tutorial(
        "tutorial-single",
        MNIST,
        model=ModelConfig(hidden=(), latent_dim=32, code_activation="relu", conventions="keras"),
        train=TrainConfig(epochs=50, batch_size=256),
    ),
    # One hidden layer on MNIST: 784-64-784, ReLU code, sigmoid output, mean squared error, Adam, batch 32, 7 epochs.
    #
    # Source: a tour of autoencoders that prints validation losses .0091 .0054 .0046 .0043 .0041 .0041 .0040.
    # Command: `python scripts/pretrain.py --recipe tutorial-dense64`; `scripts/probe.py --run runs/tutorial-dense64`.
    # Here: .0093 .0053 .0046 .0043 .0042 .0041 .0040, mean of 4 seeds (results/tutorial-dense64).
    _tutorial(
        "tutorial-dense64",
        MNIST,
        model=ModelConfig(hidden=(), latent_dim=64, code_activation="relu", conventions="keras"),
        objective=ObjectiveConfig(reconstruction="mse"),
        train=TrainConfig(epochs=7, batch_size=32),
    ),
    # Three hidden layers on MNIST: 784-128-64-32-64-128-784, ReLU, sigmoid output, cross-entropy, Adam, batch 256.
    #
    # Source: the Keras blog, "Building Autoencoders in Keras" (2016), "Deep autoencoder", which reports a train and
    # validation loss of ~0.08 after 100 epochs.
    # Command: `python scripts/pretrain.py --recipe blog-deep`. Here: `mnist-deep-bce` of `python scripts/reproduce.py`.
    _tutorial(
        "blog-deep",
        MNIST,
        model=ModelConfig(hidden=(128, 64), latent_dim=32, code_activation="relu", conventions="keras"),
        train=TrainConfig(epochs=100, batch_size=256),
        seeds=6,
    ),
)
RECIPES = {tutorial.recipe: tutorial for tutorial in TUTORIALS}


def recipe_for_kind(kind: str, dataset: str, *, is_named: bool = True) -> PretrainConfig:
    """Returns one kind of autoencoder with the defaults of `compare_defaults`."""
    return PretrainConfig(
        **{**_shared_defaults(dataset, is_named=is_named), "recipe": kind, "method": kind, "seeds": 4}
    )


def sweep_defaults(dataset: str) -> SweepConfig:
    """Returns the defaults of `sweep.py --dataset DATASET`, which are those of `compare.py`."""
    return SweepConfig(**_shared_defaults(dataset))


def _shared_defaults(dataset: str, *, is_named: bool = True) -> dict[str, Any]:
    defaults = compare_defaults(dataset, is_named=is_named)
    return {field.name: getattr(defaults, field.name) for field in dataclasses.fields(ExperimentConfig)}


def get_recipe(name: str, dataset: str = "digits") -> PretrainConfig:
    """Returns a tutorial's recipe, or that of a kind of autoencoder on a dataset.

    Raises `InputError` for an unknown name, with similar names.
    """
    known = [*RECIPES, *KINDS]
    require(name in known, f"--recipe {name}: no such recipe; {suggest_names(name, known)}")
    return RECIPES[name] if name in RECIPES else recipe_for_kind(name, dataset)

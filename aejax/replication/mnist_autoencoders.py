"""Claims about reconstruction of MNIST: two tutorials, and Hinton and Salakhutdinov (2006)."""

import dataclasses
import functools

import jax.numpy as jnp
import numpy as np

from aejax.config import ModelConfig, ObjectiveConfig, SplitConfig, TrainConfig
from aejax.methods.controls import fit_pca
from aejax.recipes import get_recipe, recipe_for_kind
from aejax.replication.claim import (
    ROUNDING_REASON,
    ComparativeClaim,
    Evidence,
    NumericClaim,
    PerSeed,
    Source,
    paired_evidence,
)
from aejax.replication.context import ClaimContext, final_metric, load_history

BLOG_TITLE, BLOG_URL = (
    "F. Chollet, Building Autoencoders in Keras (2016)",
    "https://blog.keras.io/building-autoencoders-in-keras.html",
)
PAPER_TITLE, PAPER_URL = (
    "G. E. Hinton and R. R. Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, Science 313 "
    "(2006)",
    "https://doi.org/10.1126/science.1127647",
)
N_PIXELS = 784
DENSE64, SINGLE, DEEP = get_recipe("tutorial-dense64"), get_recipe("tutorial-single"), get_recipe("blog-deep")
DEEP_LOGISTIC = dataclasses.replace(
    recipe_for_kind("stacked", "mnist"),
    split=SplitConfig(split="tutorial"),
    monitor="test",
    model=ModelConfig(
        hidden=(1000, 500, 250), latent_dim=30, activation="sigmoid", code_activation="linear", conventions="keras"
    ),
    objective=ObjectiveConfig(layer_epochs=25),
    train=TrainConfig(epochs=300, batch_size=256),
    seeds=3,
)
DATA_PROTOCOL = "the 60,000 training digits in [0, 1], judged on the 10,000 test digits"
CROSS_ENTROPY_MARGIN = 0.0005  # in nats per pixel: a tenth of the precision that the source prints


def compare_deep_with_single(context: ClaimContext) -> list[Evidence]:
    """Compares the two cross-entropies, paired by seed."""
    gain = final_metric(context, SINGLE) - final_metric(context, DEEP)
    what = "loss of 784-32-784 minus that of 128-64-32"
    return [paired_evidence(what, "claim", gain, unit="nats per pixel", margin=CROSS_ENTROPY_MARGIN)]


def pca_squared_error(context: ClaimContext) -> PerSeed:
    """Returns the squared error per test image of 30 principal components of the training images."""
    digits = context.load_mnist_arrays()
    pca = fit_pca(jnp.asarray(digits.train), 30)["pca"]
    mean, axes = (np.asarray(pca[name], np.float64) for name in ("mean", "axes"))
    centred = digits.test - mean
    residual = centred - centred @ axes @ axes.T
    return np.array([np.square(residual).sum(axis=1).mean()])


_cross_entropy_claim = functools.partial(
    NumericClaim,
    unit="validation cross-entropy, nats per pixel",
    tolerance=(0.005,),
    criterion_reason=ROUNDING_REASON,
    seeds=6,
    requirements=("MNIST",),
    cost="minutes",
)
CLAIMS = (
    NumericClaim(
        name="mnist-dense64-mse",
        statement="784-64-784 has these validation losses after epochs 1 to 7",
        source=Source("a tour of autoencoders for MNIST in Keras", "log of the first model's training", ""),
        protocol=f"{DATA_PROTOCOL}; ReLU code of 64, sigmoid output, mean squared error, Adam, batch 32; the source, "
        "whose address is not known any more, shows one run",
        command="python scripts/pretrain.py --recipe tutorial-dense64",
        unit="validation MSE",
        printed_values=(".0091", ".0054", ".0046", ".0043", ".0041", ".0041", ".0040"),
        max_half_width=tuple(0.1 * value for value in (0.0091, 0.0054, 0.0046, 0.0043, 0.0041, 0.0041, 0.0040)),
        criterion_reason="one run is shown; the widths are a tenth of the printed losses",
        seeds=4,
        requirements=("MNIST",),
        cost="a minute",
        configs=(DENSE64,),
        measure=lambda context: load_history(context.pretrain(DENSE64), "valid_loss"),
    ),
    _cross_entropy_claim(
        name="mnist-single-bce",
        statement="784-32-784 reaches a stable train and validation loss of about 0.09 after 50 epochs",
        source=Source(BLOG_TITLE, "Let's build the simplest possible autoencoder", BLOG_URL),
        protocol=f"{DATA_PROTOCOL}; ReLU code of 32, sigmoid output, binary cross-entropy, Adam, batch 256, 50 epochs",
        command="python scripts/pretrain.py --recipe tutorial-single --seeds 6",
        printed_values=("0.09",),
        configs=(SINGLE,),
        measure=lambda context: final_metric(context, SINGLE),
    ),
    _cross_entropy_claim(
        name="mnist-deep-bce",
        statement="128-64-32 reaches a train and validation loss of ~0.08 after 100 epochs",
        source=Source(BLOG_TITLE, "Deep autoencoder", BLOG_URL),
        protocol=f"{DATA_PROTOCOL}; 784-128-64-32-64-128-784, ReLU, sigmoid output, binary cross-entropy, Adam, batch "
        "256, 100 epochs",
        command="python scripts/pretrain.py --recipe blog-deep",
        printed_values=("0.08",),
        configs=(DEEP,),
        measure=lambda context: final_metric(context, DEEP),
    ),
    ComparativeClaim(
        name="mnist-deeper-is-better",
        statement="the deep autoencoder is a bit better than the previous models",
        source=Source(BLOG_TITLE, "Deep autoencoder", BLOG_URL),
        protocol=f"{DATA_PROTOCOL}; the two models above with codes of 32, as long as each was trained there, paired "
        "by seed",
        command="python scripts/pretrain.py --recipe tutorial-single --seeds 6, and --recipe blog-deep",
        unit="nats per pixel",
        criterion="better",
        criterion_reason="better: interval and p together, and by more than a tenth of what the source rounds its "
        "losses to",
        seeds=6,
        requirements=("MNIST",),
        cost="minutes",
        configs=(SINGLE, DEEP),
        measure=compare_deep_with_single,
    ),
    NumericClaim(
        name="mnist-pca30",
        statement="30 principal components leave a squared error of 13.87 for a test image",
        source=Source(PAPER_TITLE, "caption of figure 2 (B)", PAPER_URL),
        protocol=f"{DATA_PROTOCOL}; principal components of the training digits; squared error summed over pixels",
        command="aejax.methods.controls.fit_pca(train, 30)",
        unit="squared error per image",
        printed_values=("13.87",),
        requirements=("MNIST",),
        cost="seconds",
        measure=pca_squared_error,
    ),
    NumericClaim(
        name="mnist-deep-logistic",
        statement="the 784-1000-500-250-30 logistic autoencoder leaves a squared error of 3.00 for a test image",
        source=Source(PAPER_TITLE, "caption of figure 2 (B)", PAPER_URL),
        protocol=f"{DATA_PROTOCOL}; logistic units, linear code, cross-entropy; layer after layer, then all together. "
        "Other than there: the layers are denoising autoencoders with masking noise, 25 epochs each with Adam, not "
        "restricted Boltzmann machines; fine-tuning is 200 epochs of Adam in batches of 256, not of conjugate "
        "gradients in batches of 1000",
        command="python scripts/pretrain.py --recipe stacked --dataset mnist --split tutorial --monitor test --hidden "
        "1000 500 250 --latent-dim 30 --activation sigmoid --conventions keras --layer-epochs 25 "
        "--epochs 300 --batch-size 256 --seeds 3",
        unit="squared error per image",
        printed_values=("3.00",),
        max_half_width=(0.3,),
        criterion_reason="one run is shown; the width is a tenth of the printed error",
        seeds=3,
        requirements=("MNIST", "an accelerator"),
        cost="hours",
        configs=(DEEP_LOGISTIC,),
        measure=lambda context: N_PIXELS * final_metric(context, DEEP_LOGISTIC, "valid_mse"),
    ),
)

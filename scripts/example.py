"""The whole idea in one file, with jax, flax and optax alone: pretrain, freeze, classify, compare, ten seeds at once.

    python scripts/example.py

Trains an autoencoder on scikit-learn's digits for ten seeds under one `vmap`, freezes its encoder with `optax.masked`,
trains a softmax layer on the codes, and compares with the same encoder untrained and with the raw pixels. It shares
no code with the package, which adds what an honest comparison needs: splits per seed, a certified probe, more
controls, intervals and tests. About 10 s on two CPU cores.
"""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from sklearn.datasets import load_digits

SEEDS, EPOCHS, BATCH_SIZE, LATENT_DIM = 10, 60, 64, 16
Variables = Any  # a dict with one entry per part: {"encoder": {"params": ...}, ...}
Loss = Callable[[Variables, jax.Array, jax.Array], jax.Array]


class Encoder(nn.Module):
    """Maps pixels `(batch, 64)` to codes `(batch, LATENT_DIM)`."""

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        return nn.Dense(LATENT_DIM)(nn.relu(nn.Dense(64)(inputs)))


class Decoder(nn.Module):
    """Maps codes to logits of pixels in [0, 1]."""

    @nn.compact
    def __call__(self, codes: jax.Array) -> jax.Array:
        return nn.Dense(64)(nn.relu(nn.Dense(64)(codes)))


encoder, decoder, head = Encoder(), Decoder(), nn.Dense(10)


def reconstruction_loss(params: Variables, inputs: jax.Array, labels: jax.Array) -> jax.Array:
    """Binary cross-entropy of the reconstruction, mean over pixels and examples; labels are not used."""
    logits = decoder.apply(params["decoder"], encoder.apply(params["encoder"], inputs))
    return optax.sigmoid_binary_cross_entropy(logits, inputs).mean()


def classification_loss(params: Variables, inputs: jax.Array, labels: jax.Array, *, encode: bool) -> jax.Array:
    """Softmax cross-entropy of a linear layer on the codes, or on the pixels themselves."""
    features = encoder.apply(params["encoder"], inputs) if encode else inputs
    return optax.softmax_cross_entropy_with_integer_labels(head.apply(params["head"], features), labels).mean()


def freeze(optimizer: optax.GradientTransformation, frozen: str) -> optax.GradientTransformation:
    """Trains everything but one subtree. `masked` alone would let that subtree's raw gradients through."""

    def mask(params: Variables, *, trainable: bool) -> Variables:
        return {name: (name != frozen) == trainable for name in params}  # a prefix of the tree: True for whole parts

    return optax.chain(
        optax.masked(optimizer, functools.partial(mask, trainable=True)),
        optax.masked(optax.set_to_zero(), functools.partial(mask, trainable=False)),
    )


def train(
    key: jax.Array, params: Variables, loss: Loss, optimizer: optax.GradientTransformation, data: tuple[jax.Array, ...]
) -> tuple[Variables, jax.Array]:
    """Trains one seed: a pure function of its key. Returns the parameters and the loss of every epoch."""
    inputs, labels = data
    steps = len(inputs) // BATCH_SIZE

    def step(carry: tuple[Variables, Any], rows: jax.Array) -> tuple[tuple[Variables, Any], jax.Array]:
        params, state = carry
        value, gradients = jax.value_and_grad(loss)(params, inputs[rows], labels[rows])
        updates, state = optimizer.update(gradients, state, params)
        return (optax.apply_updates(params, updates), state), value

    def epoch(carry: tuple[Variables, Any], number: jax.Array) -> tuple[tuple[Variables, Any], jax.Array]:
        order = jax.random.permutation(jax.random.fold_in(key, number), len(inputs))
        carry, values = jax.lax.scan(step, carry, order[: steps * BATCH_SIZE].reshape(steps, BATCH_SIZE))
        return carry, values.mean()

    (params, _), losses = jax.lax.scan(epoch, (params, optimizer.init(params)), jnp.arange(EPOCHS))
    return params, losses


def run(key: jax.Array, train_data: tuple[jax.Array, ...], test_data: tuple[jax.Array, ...]) -> dict[str, jax.Array]:
    """Returns one seed's test accuracies, by method, and the autoencoder's loss of every epoch."""
    names = ("encoder", "decoder", "pretrain", "code head", "pixel head", "probe")
    keys = {name: jax.random.fold_in(key, index) for index, name in enumerate(names)}
    inputs, (test_inputs, test_labels) = train_data[0], test_data
    untrained = encoder.init(keys["encoder"], inputs[:1])
    autoencoder = {"encoder": untrained, "decoder": decoder.init(keys["decoder"], jnp.zeros((1, LATENT_DIM)))}
    trained, history = train(keys["pretrain"], autoencoder, reconstruction_loss, optax.adam(1e-3), train_data)

    def accuracy(encoder_params: Variables, *, encode: bool = True) -> jax.Array:
        loss = functools.partial(classification_loss, encode=encode)
        width, head_key = (LATENT_DIM, keys["code head"]) if encode else (64, keys["pixel head"])
        start = {"encoder": encoder_params, "head": head.init(head_key, jnp.zeros((1, width)))}
        params, _ = train(keys["probe"], start, loss, freeze(optax.adam(1e-2), "encoder"), train_data)
        features = encoder.apply(params["encoder"], test_inputs) if encode else test_inputs
        logits: Any = head.apply(params["head"], features)
        return jnp.mean(logits.argmax(axis=-1) == test_labels)

    return {
        "raw pixels": accuracy(untrained, encode=False),
        "untrained encoder": accuracy(untrained),
        "autoencoder": accuracy(trained["encoder"]),
        "loss": history,
    }


def main() -> None:
    digits = load_digits()
    inputs, labels = jnp.asarray(digits.data / 16, jnp.float32), jnp.asarray(digits.target)
    test = jnp.arange(len(labels)) % 5 == 0
    data = (inputs[~test], labels[~test]), (inputs[test], labels[test])
    keys = jax.vmap(jax.random.key)(jnp.arange(SEEDS))
    results = jax.jit(jax.vmap(run, in_axes=(0, None, None)))(keys, *data)
    losses = results.pop("loss").mean(axis=0)  # (seeds, epochs)
    print(f"reconstruction loss, mean over {SEEDS} seeds: {losses[0]:.3f} after one epoch, {losses[-1]:.3f} at the end")
    for name, accuracies in results.items():
        print(f"{name:>17}: {100 * accuracies.mean():.2f} % +- {100 * accuracies.std(ddof=1):.2f} (SD over seeds)")


if __name__ == "__main__":
    main()

"""Trains a small network on MNIST and writes the activations of a hidden layer, for sparse autoencoders and probes.

    python scripts/examples/activations.py --out runs/activations
    aejax pretrain --dataset runs/activations --stream --method batch-top-k --sparse-dim 1024 --k 16 --out runs/sae
    aejax probe --run runs/sae --probe top-units --metric auroc
    aejax compare --dataset runs/activations --methods raw pca random batch-top-k random-batch-top-k --probe top-units

The folder has `inputs.npy`, activations `(n, width)`, and `labels.npy`, digits `(n,)`, of the images that the network
was not trained on, so that every division of them is an honest one. Rows are written in batches through a memory map:
the files may be larger than memory. Without MNIST, the network is trained on scikit-learn's digits.
"""

import functools
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro

import aejax

BATCH_SIZE, LEARNING_RATE, ROWS_PER_WRITE = 32, 1e-3, 4096


class Network(nn.Module):
    """Hidden layers of equal width and a softmax layer, on flat pixels in [0, 1]."""

    width: int
    classes: int
    layers: int = 2

    @nn.compact
    def __call__(self, pixels: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns logits `(batch, classes)`, and the activations of the last hidden layer `(batch, width)`."""
        for _ in range(self.layers):
            pixels = nn.relu(nn.Dense(self.width)(pixels))
        return nn.Dense(self.classes)(pixels), pixels


def train(network: Network, pixels: np.ndarray, labels: np.ndarray, epochs: int) -> Any:
    """Returns the parameters after `epochs` passes of Adam over the examples, in a random order of each pass."""
    optimizer = optax.adam(LEARNING_RATE)
    params = network.init(jax.random.key(0), jnp.asarray(pixels[:1]))

    def loss(params: Any, rows: jax.Array) -> jax.Array:
        logits, _ = network.apply(params, device_pixels[rows])
        return optax.softmax_cross_entropy_with_integer_labels(logits, device_labels[rows]).mean()

    def step(state: tuple[Any, Any], rows: jax.Array) -> tuple[tuple[Any, Any], None]:
        updates, optimizer_state = optimizer.update(jax.grad(loss)(state[0], rows), state[1])
        return (optax.apply_updates(state[0], updates), optimizer_state), None

    device_pixels, device_labels, rng = jnp.asarray(pixels), jnp.asarray(labels), np.random.default_rng(0)
    run_epoch, state = jax.jit(functools.partial(jax.lax.scan, step)), (params, optimizer.init(params))
    size = min(BATCH_SIZE, len(labels))
    for _ in range(epochs):
        order = rng.permutation(len(labels))[: len(labels) // size * size]
        state, _ = run_epoch(state, order.reshape(-1, size))
    return state[0]


def write_activations(network: Network, params: Any, pixels: np.ndarray, labels: np.ndarray, out: Path) -> float:
    """Writes `inputs.npy` and `labels.npy`, one batch in memory at a time; returns the network's accuracy."""
    out.mkdir(parents=True, exist_ok=True)
    shape, correct = (len(labels), network.width), 0
    activations = np.lib.format.open_memmap(out / "inputs.npy", mode="w+", dtype=np.float32, shape=shape)
    forward = jax.jit(network.apply)
    for start in range(0, len(labels), ROWS_PER_WRITE):
        rows = slice(start, start + ROWS_PER_WRITE)
        logits, activations[rows] = forward(params, pixels[rows])
        correct += int(np.sum(np.argmax(logits, axis=1) == labels[rows]))
    activations.flush()
    np.save(out / "labels.npy", labels)
    return correct / len(labels)


def main(
    out: Path, dataset: str = "mnist", data_dir: Path | None = None, width: int = 256, epochs: int = 10, seed: int = 0
) -> None:
    """Trains the network on a third of the images and writes its activations on the others.

    Args:
        out: the folder.
        dataset: of images, as for compare.py.
        data_dir: folder of downloads.
        width: of the hidden layers.
        epochs: of the network.
        seed: of the third.
    """
    try:
        data = aejax.load_dataset(dataset, data_dir=data_dir)
    except aejax.InputError as error:
        if dataset != "mnist":
            raise
        print(f"{error}; digits instead")
        data = aejax.load_dataset("digits")
    assert data.value_range is not None, "expected images"
    order = np.random.default_rng(seed).permutation(data.n_examples)
    fitted, others = np.split(order, [data.n_examples // 3])
    pixels = data.inputs.reshape(data.n_examples, -1).astype(np.float32) / data.value_range[1]
    network = Network(width, data.n_classes)
    params = train(network, pixels[fitted], data.labels[fitted], epochs)
    accuracy = write_activations(network, params, pixels[others], data.labels[others], out)
    print(f"{out}: activations {(len(others), width)}; {100 * accuracy:.1f} % of these images are classified correctly")


if __name__ == "__main__":
    tyro.cli(main)

"""Makes features with a network in PyTorch and with k-means on patches, to be judged by `compare.py --features`.

    pip install 'aejax[peers]'
    python scripts/examples/peer_features.py --out runs/digits.npz
    python scripts/compare.py --features torch=runs/digits.npz:torch patches=runs/digits.npz:patches

`torch` are the codes of a convolutional autoencoder. `patches` are those of "An Analysis of Single-Layer Networks in
Unsupervised Feature Learning" (Coates, Lee and Ng 2011): whitened patches, k-means, the "triangle" activation, and sums
over the four quadrants. Neither sees a label, nor a row that is tested or validated: where all trainings share the test
rows, both are fitted once, on the rows that train in every training; in cross-validation they are fitted again for each
training, on its own rows.
"""

import functools
from pathlib import Path

import numpy as np
import torch
import tyro
from sklearn.cluster import MiniBatchKMeans
from torch import nn

import aejax

CODE, CENTROIDS, PATCHES_PER_FIT, BATCH_SIZE = 64, 128, 100_000, 128
CONTRAST_OFFSET, WHITENING_OFFSET = 0.04, 0.1  # the paper's 10 and 0.1, for pixels in [0, 1]


def fit_autoencoder(images: np.ndarray, train: np.ndarray, epochs: int) -> np.ndarray:
    """Returns codes `(n, CODE)` of images `(n, height, width)` in [0, 1], fitted on the rows `train`."""
    torch.manual_seed(0)
    height, width = (side // 4 for side in images.shape[1:])
    encoder = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(32 * height * width, CODE)),
    )
    decoder = nn.Sequential(
        *(nn.Linear(CODE, 32 * height * width), nn.ReLU(), nn.Unflatten(1, (32, height, width))),
        *(nn.ConvTranspose2d(32, 16, 2, stride=2), nn.ReLU(), nn.ConvTranspose2d(16, 1, 2, stride=2)),
    )
    pixels = torch.from_numpy(images)[:, None]
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    for _ in range(epochs):
        for rows in torch.from_numpy(train)[torch.randperm(len(train))].split(BATCH_SIZE):
            loss = nn.functional.binary_cross_entropy_with_logits(decoder(encoder(pixels[rows])), pixels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        return torch.cat([encoder(batch) for batch in pixels.split(1000)]).numpy()


def cut_patches(images: np.ndarray, size: int) -> np.ndarray:
    """Returns every patch, `(n, rows, columns, size * size)`, with its mean removed and its contrast normalised."""
    patches = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
    patches = patches.reshape(*patches.shape[:3], -1)
    centered = patches - patches.mean(axis=-1, keepdims=True)
    return centered / np.sqrt(patches.var(axis=-1, keepdims=True) + CONTRAST_OFFSET)


def fit_patches(images: np.ndarray, train: np.ndarray, size: int) -> np.ndarray:
    """Returns features `(n, 4 * CENTROIDS)` of images `(n, height, width)`, fitted on patches of the rows `train`."""
    rng = np.random.default_rng(0)
    sample = cut_patches(images[rng.choice(train, min(len(train), 2000), replace=False)], size)
    sample = rng.permutation(sample.reshape(-1, size * size))[:PATCHES_PER_FIT]
    mean, (variances, axes) = sample.mean(axis=0), np.linalg.eigh(np.cov(sample.T))
    whiten = ((axes / np.sqrt(variances + WHITENING_OFFSET)) @ axes.T).astype(np.float32)
    centroids = MiniBatchKMeans(CENTROIDS, n_init=1, random_state=0).fit((sample - mean) @ whiten).cluster_centers_

    def encode(batch: np.ndarray) -> np.ndarray:
        white = (cut_patches(batch, size) - mean) @ whiten
        squares = (white**2).sum(axis=-1, keepdims=True) - 2 * white @ centroids.T + (centroids**2).sum(axis=1)
        distances = np.sqrt(np.maximum(squares, 0))
        active = np.maximum(distances.mean(axis=-1, keepdims=True) - distances, 0)
        halves = [np.array_split(half, 2, axis=2) for half in np.array_split(active, 2, axis=1)]
        return np.concatenate([quadrant.sum(axis=(1, 2)) for half in halves for quadrant in half], axis=1)

    return np.concatenate([encode(images[start : start + 500]) for start in range(0, len(images), 500)])


def main(out: Path, dataset: str = "digits", seeds: int = 10, epochs: int = 50, patch: int = 3) -> None:
    """Writes the features `torch` and `patches` of every row to an .npz file.

    Args:
        out: the file.
        dataset: of images, as for compare.py; sides are multiples of 4.
        seeds: as for compare.py.
        epochs: of the network.
        patch: side of a patch, in pixels.
    """
    data = aejax.load_dataset(dataset)
    assert data.value_range is not None, "expected images"
    images = data.inputs[..., 0].astype(np.float32) / data.value_range[1]
    split = aejax.make_split(data, seeds=seeds)
    rows = [functools.reduce(np.intersect1d, split.train)] if split.shared_test else list(split.train)
    extracted = {
        "torch": [fit_autoencoder(images, train, epochs) for train in rows],
        "patches": [fit_patches(images, train, patch) for train in rows],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    features = {name: arrays[0] if split.shared_test else np.stack(arrays) for name, arrays in extracted.items()}
    np.savez(out, **{name: array.astype(np.float32) for name, array in features.items()})  # type: ignore[arg-type]
    print(f"{out}: " + ", ".join(f"{name} {array.shape}" for name, array in features.items()))


if __name__ == "__main__":
    tyro.cli(main)

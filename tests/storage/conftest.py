"""Encoders with random weights, published without a training."""

import dataclasses
import shutil

import jax
import numpy as np
import pytest

from aejax.autoencoders.registry import KINDS
from aejax.report.model_card import render_model_card
from aejax.storage.encoder_metadata import SCHEMA_VERSION, EncoderMetadata, EncoderMetrics, Preprocessing, Provenance
from aejax.storage.export import write_encoder
from aejax.storage.formats import arrays_sha256
from aejax.storage.numpy_forward import numpy_forward
from aejax.storage.pytree_io import named_leaves, to_state_dict

SMALL = {"hidden": (16,), "latent_dim": 6, "sparse_dim": 40, "channels": (4,)}
ALL = ("orbax", "safetensors", "stablehlo")
ORIGIN = Provenance(
    dataset="random",
    dataset_sha256="0" * 64,
    n_train=1,
    recipe="none",
    epochs=0,
    trained_by="nothing",
    exported_by="nothing",
    commit=None,
    versions=("aejax 0",),
)


def nothing_known(seeds):
    fields = {field.name for field in dataclasses.fields(EncoderMetrics)} - {"epoch"}
    return EncoderMetrics(epoch=(0,) * seeds, **dict.fromkeys(fields, (None,) * seeds))


def random_like(tree, seed):
    """Random numbers for every array, variances among them above zero, so that none is without effect."""
    rng = np.random.default_rng(seed)

    def of(leaf):
        spread = 1 / np.sqrt(leaf.shape[0]) if leaf.ndim > 1 else 0.1
        return (0.2 + spread * rng.uniform(-1, 1, leaf.shape)).astype(np.float32)

    return jax.tree.map(of, tree)


@pytest.fixture(scope="session")
def make_published(make_problem_spec):
    """A function that publishes a kind into a folder: returns its model, and each seed's variables and scaler."""

    def made(folder, kind, *, shape=(8, 8, 1), model=None, objective=None, formats=ALL, seeds=(0,), stacked=False):
        setting = make_problem_spec(shape, bounded=True, classes=10, model=SMALL | (model or {}), objective=objective)
        built = KINDS[kind](setting).model
        ones = [random_like(jax.eval_shape(built.init, jax.random.key(0)), seed) for seed in seeds]
        shifts = np.asarray([[seed + 3.0] for seed in seeds], np.float32)
        scales = np.full_like(shifts, 1 / 16)
        of_seeds = [
            {**{name: parts["encoder"] for name, parts in one.items()}, "scaler": {"shift": shift, "scale": scale}}
            for one, shift, scale in zip(ones, shifts, scales, strict=True)
        ]
        tree = to_state_dict(jax.tree.map(lambda *leaves: np.stack(leaves), *of_seeds) if stacked else of_seeds[0])
        width = jax.eval_shape(built.encode, ones[0], jax.ShapeDtypeStruct((1, setting.n_features), np.float32)).shape[
            1
        ]
        description = EncoderMetadata(
            schema=SCHEMA_VERSION,
            kind=kind,
            model=setting.model,
            objective=setting.objective,
            shape=shape,
            dtype="uint8",
            classes=10,
            code_width=width,
            seeds=seeds,
            stacked=stacked,
            weights="last",
            formats=formats,
            preprocessing=Preprocessing(
                scaler="range", shift=tuple(map(tuple, shifts.tolist())), scale=tuple(map(tuple, scales.tolist()))
            ),
            arrays_sha256=arrays_sha256(tree),
            metrics=nothing_known(len(seeds)),
            origin=ORIGIN,
        )

        def card(encoder, checksums):
            arrays = {name: (str(leaf.dtype), leaf.shape) for name, leaf in named_leaves(encoder.variables).items()}
            return render_model_card(folder.name, description, arrays, numpy_forward(built), checksums)

        write_encoder(folder, description, tree, card)
        return built, ones, of_seeds

    return made


@pytest.fixture(scope="session")
def raw():
    """Five raw examples of 8 x 8 bytes."""
    return np.random.default_rng(7).integers(0, 17, (5, 8, 8, 1)).astype(np.uint8)


@pytest.fixture(scope="session")
def pristine(make_published, tmp_path_factory):
    """A published encoder that nobody changes."""
    folder = tmp_path_factory.mktemp("published") / "encoder"
    make_published(folder, "undercomplete", model={"batch_norm": True})
    return folder


@pytest.fixture
def published(pristine, tmp_path):
    """A copy of it, to be changed."""
    return shutil.copytree(pristine, tmp_path / "encoder")

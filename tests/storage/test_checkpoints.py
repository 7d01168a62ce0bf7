import jax
import numpy as np
import pytest

from aejax.config import ModelConfig
from aejax.errors import InputError
from aejax.models.architectures import dense_autoencoder
from aejax.storage.pytree_io import load_variables, save_variables

MODEL = dense_autoencoder(ModelConfig(hidden=(5,), latent_dim=2, output="linear", batch_norm=True), 7)


def variables():
    return MODEL.init(jax.random.key(0))


def shapes(model=MODEL):
    return jax.eval_shape(model.init, jax.random.key(0))


def test_orbax_alone_opens_it_as_a_plain_nested_dict(tmp_path):
    from orbax.checkpoint import v1 as ocp

    save_variables(tmp_path / "c", variables())
    tree = ocp.load((tmp_path / "c").absolute())
    assert type(tree) is dict
    assert set(tree["params"]) == {"encoder", "decoder"}
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        (
            ModelConfig(hidden=(6,), latent_dim=2, output="linear", batch_norm=True),
            r"is float32\[5\], the config makes it float32\[6\]",
        ),
        (ModelConfig(hidden=(5,), latent_dim=2, output="linear"), "is not in this architecture"),
        (ModelConfig(hidden=(5, 4), latent_dim=2, output="linear", batch_norm=True), "is missing"),
    ],
    ids=["another width", "an extra leaf", "a missing leaf"],
)
def test_a_checkpoint_of_another_architecture_is_refused(tmp_path, other, fault):
    save_variables(tmp_path / "c", variables())
    with pytest.raises(InputError, match=fault):
        load_variables(tmp_path / "c", shapes(dense_autoencoder(other, 7)))


FAULTS = {
    "a missing leaf": (lambda tree: tree.pop("bias"), "is missing"),
    "an extra leaf": (lambda tree: tree.update(scale=np.ones(2, np.float32)), "is not in this architecture"),
    "another shape": (
        lambda tree: tree.update(bias=np.zeros((2, 1), np.float32)),
        r"is float32\[2, 1\], the config makes it float32\[2\]",
    ),
    "another dtype": (
        lambda tree: tree.update(bias=tree["bias"].astype(np.float64)),
        r"is float64\[2\], the config makes it float32\[2\]",
    ),
    "a plain number": (lambda tree: tree.update(bias=0.5), r"bias is .*\[\], the config makes it float32\[2\]"),
    "a leaf for a branch": (
        lambda tree: tree.update(bias={"inner": np.zeros(2, np.float32)}),
        r"bias is missing|bias\.inner is not in this architecture",
    ),
}


@pytest.mark.parametrize(("damage", "fault"), FAULTS.values(), ids=FAULTS)
def test_a_checkpoint_with_one_leaf_that_does_not_belong_is_refused_with_its_path(tmp_path, damage, fault):
    tree = jax.tree.map(np.asarray, variables())
    damage(tree["params"]["encoder"]["code"])
    save_variables(tmp_path / "c", tree)
    with pytest.raises(InputError, match=rf"c: params\.encoder\.code\..*({fault}).*do not belong together$"):
        load_variables(tmp_path / "c", shapes())


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        load_variables(tmp_path / "nothing", shapes())
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"manifest\.json: is missing"):
        load_variables(tmp_path / "empty", shapes())

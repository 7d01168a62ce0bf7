import jax
import numpy as np
import pytest

from aejax.config import ModelConfig
from aejax.errors import InputError
from aejax.models.architectures import dense_autoencoder
from aejax.storage.pytree_io import from_state_dict, load_variables, save_variables, to_state_dict

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
def test_a_leaf_that_does_not_belong_is_refused_with_its_path(damage, fault):
    tree = jax.tree.map(np.asarray, variables())
    damage(tree["params"]["encoder"]["code"])
    with pytest.raises(InputError, match=rf"c: params\.encoder\.code\..*({fault}).*do not belong together$"):
        from_state_dict(to_state_dict(tree), shapes(), "c")


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        load_variables(tmp_path / "nothing", shapes())
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"manifest\.json: is missing"):
        load_variables(tmp_path / "empty", shapes())

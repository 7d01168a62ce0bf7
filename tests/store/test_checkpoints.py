import jax
import numpy as np
import pytest

from aejax.config import ModelConfig
from aejax.errors import InputError
from aejax.models.architectures import dense_autoencoder
from aejax.store.checkpoints import load_variables, save_variables

MODEL = dense_autoencoder(ModelConfig(hidden=(5,), latent_dim=2, output="linear", batch_norm=True), 7)


def variables():
    return MODEL.init(jax.random.key(0))


def shapes(model=MODEL):
    return jax.eval_shape(model.init, jax.random.key(0))


def test_what_is_saved_is_loaded_bit_for_bit(tmp_path):
    save_variables(tmp_path / "c", variables())
    loaded = load_variables(tmp_path / "c", shapes())
    assert jax.tree.structure(loaded) == jax.tree.structure(variables())
    jax.tree.map(np.testing.assert_array_equal, loaded, variables())


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


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(InputError, match="no checkpoint"):
        load_variables(tmp_path / "nothing", shapes())
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        load_variables(tmp_path / "empty", shapes())

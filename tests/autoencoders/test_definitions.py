"""Each kind has the parts of its definition and no others."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.autoencoders.registry import KINDS
from aejax.data.batching import Batch
from aejax.models.architectures import dense_autoencoder, wide_code_config
from aejax.models.autoencoder import Autoencoder, TiedAutoencoder
from aejax.models.sparsity import BatchTopK, JumpReLU, LifetimeTopK, TopK
from aejax.objectives.corruption import make_corruption
from aejax.objectives.deterministic import autoencoder_objective
from aejax.objectives.objective import sigmoid_binary_cross_entropy, squared_error

SPARSE = ("sparse-l1", "sparse-kl", "k-sparse", "batch-top-k", "lifetime-sparse", "jump-relu", "matryoshka")


@pytest.fixture(scope="module")
def loss_of(digits):
    """A function that gives a kind's training loss and its gradient on digits, from the same start and noise."""
    batch = Batch(digits[0][:50], jnp.zeros(50, jnp.int32))

    def made(model, objective):
        variables = model.init(jax.random.key(1))

        def loss(params):
            return objective.loss({**variables, "params": params}, batch, jax.random.key(2))[0]

        return jax.jit(jax.value_and_grad(loss))(variables["params"])

    return made


@pytest.fixture(scope="module")
def losses_of(digits):
    """A function that gives the training losses of kinds of one architecture, from the same start and noise."""
    batch = Batch(digits[0][:50], jnp.zeros(50, jnp.int32))

    def made(kinds):
        assert len({kind.model for kind in kinds}) == 1
        variables = kinds[0].model.init(jax.random.key(1))
        every = jax.jit(lambda own: [kind.objective.loss(own, batch, jax.random.key(2))[0] for kind in kinds])
        return [float(value) for value in every(variables)]

    return made


def assert_equal(here, there) -> None:
    jax.tree.map(functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7), here, there)


STRENGTHS = {
    "denoising": "noise_std",
    "contractive": "contraction",
    "sparse-l1": "l1",
    "sparse-kl": "kl_weight",
    "jump-relu": "l0_weight",
    "vq": "commitment",
    "conv-denoising": "noise_std",
}
PENALIZED = {name: field for name, field in STRENGTHS.items() if "denoising" not in name}


@pytest.mark.parametrize(("name", "field"), STRENGTHS.items(), ids=STRENGTHS)
def test_with_its_strength_at_zero_a_kind_is_the_plain_one_of_its_architecture_and_else_it_is_not(
    name, field, digits_setting, losses_of
):
    weightless, weighted = (KINDS[name](digits_setting(objective={field: value})) for value in (0.0, 1.0))
    plain = weighted._replace(objective=autoencoder_objective(weighted.model, sigmoid_binary_cross_entropy))
    expected, without, with_weight = losses_of([plain, weightless, weighted])
    np.testing.assert_allclose(without, expected, rtol=1e-6)
    assert abs(with_weight - expected) > 1e-5


@pytest.mark.parametrize(("name", "field"), PENALIZED.items(), ids=PENALIZED)
def test_a_penalty_is_weighed_against_the_sum_over_inputs_or_in_version_0_1_against_the_mean(
    name, field, digits_setting, losses_of
):
    reconstruction, of_sum, of_mean = losses_of(
        [
            KINDS[name](digits_setting(objective={field: weight, "penalty_scale": scale}))
            for weight, scale in [(0.0, "sum"), (1.0, "sum"), (1.0, "mean")]
        ]
    )
    np.testing.assert_allclose(64 * (of_sum - reconstruction), of_mean - reconstruction, rtol=1e-3)


def test_keeping_every_unit_is_keeping_sparsity_out(digits_setting, loss_of):
    everything = digits_setting(model={"sparse_dim": 20}, objective={"k": 20, "k_decay_steps": 0})
    plain = dense_autoencoder(wide_code_config(everything.model, 20, code_activation="linear"), 64)
    kind = KINDS["k-sparse"](everything)
    assert_equal(
        loss_of(kind.model, kind.objective), loss_of(plain, autoencoder_objective(plain, sigmoid_binary_cross_entropy))
    )


def test_a_beta_vae_of_beta_one_without_warm_up_is_a_vae(digits_setting, loss_of):
    setting = digits_setting(objective={"beta": 1.0, "kl_warmup_steps": 0})
    vae, beta_vae = KINDS["vae"](setting), KINDS["beta-vae"](setting)
    assert vae.model == beta_vae.model
    expected = loss_of(vae.model, vae.objective)
    assert_equal(loss_of(beta_vae.model, beta_vae.objective), expected)
    heavier = KINDS["beta-vae"](digits_setting(objective={"beta": 4.0, "kl_warmup_steps": 0}))
    assert loss_of(heavier.model, heavier.objective)[0] > expected[0]


@pytest.mark.parametrize("name", ["vae", "conv-vae"])
def test_a_vae_ignores_the_beta_and_the_warm_up_of_beta_vaes(name, digits_setting, losses_of):
    settings = [digits_setting(objective={"beta": beta, "kl_warmup_steps": beta}) for beta in (1, 50)]
    assert len(set(losses_of([KINDS[name](setting) for setting in settings]))) == 1


def test_the_linear_kind_has_one_linear_layer_each_way_and_squared_error_whatever_else_is_asked(
    digits_setting, loss_of
):
    overrides = {
        "hidden": (9,),
        "activation": "tanh",
        "code_activation": "tanh",
        "batch_norm": True,
        "output": "sigmoid",
    }
    kind = KINDS["linear"](digits_setting(model=overrides))
    variables = kind.model.init(jax.random.key(1))
    assert {part: set(tree) for part, tree in variables["params"].items()} == {
        "encoder": {"code"},
        "decoder": {"output"},
    }
    inputs = jax.random.normal(jax.random.key(0), (3, 64))
    recon = functools.partial(kind.model.reconstruct, variables)
    np.testing.assert_allclose(
        recon(3 * inputs) - recon(0 * inputs), 3 * (recon(inputs) - recon(0 * inputs)), rtol=1e-3
    )
    assert_equal(
        loss_of(kind.model, kind.objective), loss_of(kind.model, autoencoder_objective(kind.model, squared_error))
    )


def test_contractive_weights_are_tied_its_code_a_sigmoid_and_nothing_is_normalised_over_the_batch(digits_setting):
    model = KINDS["contractive"](digits_setting(model={"batch_norm": True, "code_activation": "relu"})).model
    assert isinstance(model, TiedAutoencoder)
    assert model.encoder.code_activation == "sigmoid"
    assert (model.encoder.hidden.widths, model.encoder.latent_dim) == ((), 40)  # as the sparse kinds
    assert not model.encoder.hidden.batch_norm
    narrow = KINDS["contractive"](digits_setting(model={"contractive_code": "narrow"})).model.encoder
    assert (narrow.hidden.widths, narrow.latent_dim) == ((16,), 6)
    assert not jax.tree.leaves(jax.eval_shape(model.init, jax.random.key(0))["batch_stats"])


def test_sparse_codes_are_wide_of_one_layer_and_have_the_sparsity_of_their_name(digits_setting):
    setting = digits_setting(objective={"k": 4, "k_encode": 9, "lifetime_share": 0.2})
    models = {name: KINDS[name](setting).model for name in (*SPARSE, "overcomplete")}
    assert {name: model.encoder.sparsity for name, model in models.items()} == {
        "sparse-l1": None,
        "sparse-kl": None,
        "overcomplete": None,
        "k-sparse": TopK(4, 9, k_start=20, decay_steps=setting.objective.k_decay_steps),
        "batch-top-k": BatchTopK(4),
        "lifetime-sparse": LifetimeTopK(0.2),
        "jump-relu": JumpReLU(0.5),
        "matryoshka": BatchTopK(4),
    }
    activations = {name: model.encoder.code_activation for name, model in models.items()}
    others = {"sparse-kl": "sigmoid", "k-sparse": "linear", "jump-relu": "linear"}
    assert activations == dict.fromkeys(models, "relu") | others
    assert {model.encoder.latent_dim for name, model in models.items() if name != "overcomplete"} == {40}
    assert models["overcomplete"].encoder.latent_dim == 80  # a quarter more than the inputs
    assert all(model.encoder.hidden.widths == () for model in models.values())
    deep = digits_setting(model={"sparse_hidden": (30,)})
    assert all(KINDS[name](deep).model.encoder.hidden.widths == (30,) for name in models)


@pytest.mark.parametrize(
    ("settings", "in_training", "encoded"),
    [
        ({"k": 3}, 15, 9),
        ({"k": 3, "k_start": 7}, 7, 9),
        ({"k": 3, "k_decay_steps": 0}, 3, 3),
        ({"k": 3, "k_decay_steps": 0, "k_encode": 8}, 3, 8),
    ],
    ids=str,
)
def test_the_first_step_keeps_k_start_units_and_encoding_three_times_those_of_the_last_by_default(
    settings, in_training, encoded, digits_setting, digits
):
    model = KINDS["k-sparse"](digits_setting(objective=settings)).model
    variables = model.init(jax.random.key(0))
    trained, _ = model.train_encode(variables, digits[0][:50])
    np.testing.assert_array_equal((trained != 0).sum(axis=1), in_training)
    np.testing.assert_array_equal((model.encode(variables, digits[0][:50]) != 0).sum(axis=1), encoded)


@pytest.mark.parametrize("name", SPARSE)
def test_dead_units_are_revived_in_kinds_whose_units_can_die(name, digits_setting, digits):
    batch = Batch(digits[0][:50], jnp.zeros(50, jnp.int32))
    kinds = [KINDS[name](digits_setting(objective={"revive": weight, "k": 5})) for weight in (0.0, 1.0)]
    variables = kinds[0].model.init(jax.random.key(0))
    code = variables["params"]["encoder"]["code"]
    code["bias"] = code["bias"].at[0].set(-1e3)  # no example will ever activate it

    def pull(params, kind):
        gradient = jax.grad(lambda own: kind.objective.loss({**variables, "params": own}, batch, jax.random.key(2))[0])(
            params
        )
        return gradient["encoder"]["code"]["bias"][0]

    pulls = jax.jit(lambda params: [pull(params, kind) for kind in kinds])(variables["params"])
    expected = [0.0, 0.0 if name == "sparse-kl" else -1.0 / 64]  # of 64 inputs; a sigmoid is never zero
    np.testing.assert_allclose(pulls, expected, atol=2e-4)


EMPHASIS = {
    "all alike": ({"corrupted_weight": 1.0, "clean_weight": 1.0}, lambda e, touched: e.mean(axis=1)),
    "corrupted only": ({"corrupted_weight": 1.0, "clean_weight": 0.0}, lambda e, touched: (e * touched).mean(axis=1)),
    "both": ({"corrupted_weight": 3.0, "clean_weight": 0.5}, lambda e, t: (e * np.where(t, 3.0, 0.5)).mean(axis=1)),
}


@pytest.mark.parametrize(
    ("corruption", "emphasis"), [("gaussian", "all alike"), ("masking", "corrupted only"), ("salt-and-pepper", "both")]
)
def test_the_denoising_loss_is_the_weighted_error_of_reconstructions_of_corrupted_inputs(
    corruption, emphasis, digits_setting, digits
):
    weights, weigh = EMPHASIS[emphasis]
    setting = digits_setting(objective={"corruption": corruption, "noise_seed": 3, **weights})
    kind, batch = KINDS["denoising"](setting), Batch(digits[0][:50], jnp.zeros(50, jnp.int32))
    variables = kind.model.init(jax.random.key(1))
    actual, _ = kind.objective.loss(variables, batch, jax.random.key(2))
    noisy = make_corruption(setting.objective, bounded=True)(jax.random.key(2), batch.inputs)
    _, outputs, _ = kind.model.forward(variables, noisy.inputs, train=True)
    errors = np.asarray(sigmoid_binary_cross_entropy(outputs, batch.inputs))
    np.testing.assert_allclose(actual, weigh(errors, np.asarray(noisy.mask)).mean(), rtol=1e-5)


@pytest.mark.parametrize("name", ["denoising", "conv-denoising", "masked"])
def test_another_noise_seed_is_other_noise_in_every_kind_that_has_any(name, digits_setting, losses_of):
    same, again, other = losses_of([KINDS[name](digits_setting(objective={"noise_seed": seed})) for seed in (0, 0, 1)])
    assert same == again != other


def test_masked_scores_what_was_hidden_of_images_by_patches(digits_setting, digits):
    # The output ignores its input, so what counts is the mean over hidden pixels of the target's own error.
    kind = KINDS["masked"](digits_setting(objective={"masked_share": 0.25, "patch": 4}))
    blind = jax.tree.map(jnp.zeros_like, kind.model.init(jax.random.key(1)))
    batch = Batch(digits[0][:50], jnp.zeros(50, jnp.int32))
    errors = np.asarray(sigmoid_binary_cross_entropy(jnp.zeros((50, 64)), batch.inputs)).reshape(50, 2, 4, 2, 4)
    quarters = errors.mean(axis=(2, 4)).reshape(50, 4)  # one of four patches is hidden
    actual = np.asarray(kind.objective.evaluate(blind, batch)["loss"])
    nearest = np.abs(quarters - actual[:, None]).min(axis=1)
    np.testing.assert_allclose(nearest, 0, atol=1e-6)


def test_stages_of_a_stacked_autoencoder_are_its_layers_from_the_inputs_inwards(digits_setting):
    kind = KINDS["stacked"](digits_setting(model={"hidden": (16, 9), "batch_norm": True}))
    assert [stage.trainable_paths for stage in kind.stages] == [
        (("encoder", "hidden", "Dense_0"), ("decoder", "output")),
        (("encoder", "hidden", "Dense_1"), ("decoder", "hidden", "Dense_1")),
        (("encoder", "code"), ("decoder", "hidden", "Dense_0")),
    ]
    assert not jax.tree.leaves(jax.eval_shape(kind.model.init, jax.random.key(0))["batch_stats"])
    assert all(KINDS[name](digits_setting()).stages == () for name in KINDS if name != "stacked")


@pytest.mark.parametrize("name", [name for name in KINDS if name not in ("contractive", "linear")])
def test_tied_applies_to_dense_kinds_and_not_to_convolutions(name, digits_setting):
    model = KINDS[name](digits_setting(model={"tied": True})).model
    can_be = "conv" not in name and "vae" not in name
    assert isinstance(model, TiedAutoencoder) == can_be
    assert type(KINDS[name](digits_setting()).model) is not TiedAutoencoder
    assert isinstance(model, Autoencoder)

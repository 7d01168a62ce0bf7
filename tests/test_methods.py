"""Each method computes the features of its name; trained and closed forms agree where theory requires it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.linalg import subspace_angles
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA
from sklearn.random_projection import GaussianRandomProjection

from aejax.autoencoders.registry import IMAGE_KINDS, KINDS
from aejax.data.batching import Batch, Examples
from aejax.data.mnist import load_mnist
from aejax.data.scalers import Scaler, apply_scaler, fit_scalers
from aejax.methods import kmeans
from aejax.methods.controls import fit_pca
from aejax.methods.registry import CONTROLS, METHODS, comparison_pairs, controls_for
from aejax.train.epoch import SeedData, make_train_epochs, make_train_step
from aejax.train.state import init_progress, init_state

RNG = np.random.default_rng(0)
# Three strong directions, three weak ones, none along an axis, and a mean that is not zero.
INPUTS = jnp.asarray(
    RNG.normal(size=(200, 6)) * [3.0, 2.0, 1.5, 0.5, 0.3, 0.2] @ np.linalg.qr(RNG.normal(size=(6, 6)))[0] + 2.0,
    jnp.float32,
)


@pytest.fixture(scope="module")
def trained_linear_autoencoder(make_problem_spec):
    # Hidden layers, a squashed code and a tied decoder are for other kinds: the linear one has none of these.
    model = {"hidden": (9,), "latent_dim": 3, "code_activation": "tanh", "batch_norm": True}
    method = METHODS["linear"](make_problem_spec((6,), model=model))
    optimizer = optax.adam(optax.cosine_decay_schedule(0.05, 8000))
    step = make_train_step(method.objective, optimizer)
    batch, key = Batch(INPUTS, jnp.zeros(200, jnp.int32)), jax.random.key(1)

    @jax.jit
    def train(variables):
        last, _ = jax.lax.scan(lambda s, _: step(s, batch, key), init_state(variables, optimizer), length=8000)
        return last.variables

    return method, train(method.init(jax.random.key(0), INPUTS))


def test_a_trained_linear_autoencoder_spans_the_pca_subspace(trained_linear_autoencoder):
    _, variables = trained_linear_autoencoder
    decoder = np.asarray(variables["params"]["decoder"]["output"]["kernel"])  # (latent, d)
    principal = PCA(3).fit(INPUTS).components_
    assert np.degrees(subspace_angles(decoder.T, principal.T)).max() < 0.5
    assert np.degrees(subspace_angles(decoder.T, PCA(6).fit(INPUTS).components_[3:].T)).min() > 89


def test_a_trained_linear_autoencoder_reconstructs_as_well_as_pca_and_no_better(
    trained_linear_autoencoder, make_problem_spec
):
    method, variables = trained_linear_autoencoder
    closed = METHODS["pca"](make_problem_spec((6,), model={"latent_dim": 3}))
    by_pca = closed.reconstruct(closed.init(jax.random.key(0), INPUTS), INPUTS)
    errors = [np.mean((recon - INPUTS) ** 2) for recon in (method.reconstruct(variables, INPUTS), by_pca)]
    np.testing.assert_allclose(errors[0], errors[1], rtol=1e-3)
    assert errors[0] >= errors[1] * (1 - 1e-5)


@pytest.mark.parametrize("dimension", [1, 3, 6])
def test_pca_is_scikit_learns(dimension, make_problem_spec):
    method = METHODS["pca"](make_problem_spec((6,), model={"latent_dim": dimension}))
    variables = method.init(jax.random.key(0), INPUTS)
    others = INPUTS[:20] * 1.5 - 1.0
    reference = PCA(dimension, svd_solver="full").fit(np.asarray(INPUTS, np.float64))
    codes, expected = np.asarray(method.encode(variables, others)), reference.transform(np.asarray(others))
    np.testing.assert_allclose(np.abs(codes), np.abs(expected), atol=1e-4)  # an axis may point either way
    np.testing.assert_allclose(method.reconstruct(variables, others), reference.inverse_transform(expected), atol=1e-4)


def test_pca_has_at_most_as_many_features_as_inputs_and_then_loses_nothing(make_problem_spec):
    method = METHODS["pca"](make_problem_spec((6,), model={"latent_dim": 10}))
    variables = method.init(jax.random.key(0), INPUTS)
    assert method.encode(variables, INPUTS).shape == (200, 6)
    np.testing.assert_allclose(method.reconstruct(variables, INPUTS), INPUTS, atol=1e-4)


@pytest.mark.slow  # that it is scikit-learn's is tested above
def test_pca_of_thirty_components_leaves_the_published_error_on_mnist(mnist_folder, make_problem_spec):
    # Hinton and Salakhutdinov (2006): 13.87 squared error per test image.
    dataset = load_mnist(mnist_folder)
    train = np.setdiff1d(np.arange(dataset.n_examples), dataset.test_rows)
    flat = dataset.inputs.reshape(dataset.n_examples, -1)
    scaler = jax.tree.map(lambda leaf: leaf[0], fit_scalers("range", dataset, train[None]))
    method = METHODS["pca"](make_problem_spec((784,), model={"latent_dim": 30}))
    test = apply_scaler(scaler, flat[dataset.test_rows])
    recon = method.reconstruct(method.init(jax.random.key(0), apply_scaler(scaler, flat[train])), test)
    np.testing.assert_allclose(784 * np.mean(np.asarray(recon - test, np.float64) ** 2), 13.87, atol=0.01)


IMAGES = jax.random.uniform(jax.random.key(3), (200, 16))  # 4x4, so that every kind can be built
SPARSE = ("sparse-l1", "sparse-kl", "k-sparse", "batch-top-k", "lifetime-sparse", "gated", "jump-relu", "matryoshka")
HOST_CLASSIFIERS = ("svm", "boosting", "forest", "label-spreading")
PIXELS = ("raw", *HOST_CLASSIFIERS, "knn", "permuted")
CLOSED = {"pca-tuned": 16, "random-fourier": 512, "kmeans": 512}
WIDTHS = {
    **CLOSED,
    **dict.fromkeys(PIXELS, 16),
    "mlp": 256,
    "overcomplete": 20,
    **dict.fromkeys((*SPARSE, "contractive"), 32),
}  # others: `latent_dim`, 3


@pytest.fixture(scope="module")
def on_images(make_problem_spec):
    """Every method, for 4x4 images; tied weights cannot be frozen in one half alone, and k-means has few patches."""
    setting = make_problem_spec((4, 4, 1), bounded=True, model={"hidden": (5, 4), "latent_dim": 3, "channels": (3,)})
    tied = ("frozen-encoder-contractive", "frozen-decoder-contractive")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kmeans, "MAX_POINTS", 5000)
        yield {name: make(setting) for name, make in METHODS.items() if name not in tied}


def assert_equal(here, there) -> None:
    assert jax.tree.structure(here) == jax.tree.structure(there)
    jax.tree.map(np.testing.assert_array_equal, here, there)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kinds_own_random_encoder_and_supervised_one_are_its_start_bit_for_bit(kind, on_images):
    trained, random, supervised = (on_images[name] for name in (kind, f"random-{kind}", f"supervised-{kind}"))
    starts = [method.init(jax.random.key(7), IMAGES) for method in (trained, random, supervised)]
    for variables in starts[1:]:
        for collection in ("params", "batch_stats"):
            assert_equal(variables[collection]["encoder"], starts[0][collection]["encoder"])
    codes = trained.encode(starts[0], IMAGES)
    np.testing.assert_array_equal(random.encode(starts[1], IMAGES), codes)
    np.testing.assert_array_equal(supervised.encode(starts[2], IMAGES), codes)
    other = trained.init(jax.random.key(8), IMAGES)
    assert np.any(trained.encode(other, IMAGES) != codes)


SAME_ENCODER = ("supervised", "undercomplete", "denoising", "masked", "stacked", "vae", "beta-vae")


@pytest.mark.parametrize("name", SAME_ENCODER)
def test_the_random_encoder_has_the_weights_from_which_every_learner_of_its_layers_starts(name, on_images):
    # A posterior's log-variance is one layer more.
    random = on_images["random"].init(jax.random.key(7), IMAGES)["params"]["encoder"]
    own = on_images[name].init(jax.random.key(7), IMAGES)["params"]["encoder"]
    assert_equal({layer: own[layer] for layer in random}, random)


def test_untrained_and_closed_methods_have_no_objective_and_kinds_have_one_without_labels(on_images):
    without = {name for name, method in on_images.items() if method.objective is None}
    closed = {*PIXELS, *CLOSED, "pca", "random-projection", "random"}
    assert without == closed | {f"random-{kind}" for kind in KINDS}
    labelled = {name for name, method in on_images.items() if method.supervised}
    assert labelled == {"supervised", "mlp", *(f"supervised-{kind}" for kind in KINDS)}
    assert {name for name, method in on_images.items() if method.log_probs is not None} == labelled
    frozen = {name for name, method in on_images.items() if method.frozen_part is not None}
    untied = [kind for kind in KINDS if kind != "contractive"]
    assert frozen == {f"frozen-{part}-{kind}" for part in ("encoder", "decoder") for kind in untied}
    assert {name for name, method in on_images.items() if method.reconstruct is not None} == {"pca", *KINDS} | frozen


def test_raw_is_the_identity(on_images):
    method = on_images["raw"]
    np.testing.assert_array_equal(method.encode(method.init(jax.random.key(0), IMAGES), IMAGES), IMAGES)


@pytest.mark.parametrize("name", [*CONTROLS, *KINDS])
def test_every_method_encodes_and_reconstructs_each_example_by_itself(name, on_images):
    method = on_images[name]
    variables = method.init(jax.random.key(0), IMAGES)
    codes = method.encode(variables, IMAGES)
    assert codes.shape == (200, WIDTHS.get(name, 3))
    np.testing.assert_allclose(method.encode(variables, IMAGES[5:6]), codes[5:6], rtol=1e-4, atol=1e-5)
    if method.reconstruct is not None:
        recon = method.reconstruct(variables, IMAGES)
        assert recon.shape == IMAGES.shape
        np.testing.assert_allclose(method.reconstruct(variables, IMAGES[5:6]), recon[5:6], rtol=1e-4, atol=1e-5)


def test_only_methods_on_raw_inputs_are_the_identity(on_images):
    assert [name for name, method in on_images.items() if method.is_identity] == list(PIXELS)


def test_a_kind_is_compared_with_the_common_controls_and_those_of_its_architecture(on_images):
    def controls_of(kind, names):
        return controls_for(kind, {name: on_images[name] for name in {kind: None} | dict.fromkeys(names)})

    names = ["raw", "conv", "random-conv", "vae", "supervised", "supervised-vae", "random-vae", "pca"]
    assert controls_of("conv", names) == ["raw", "random-conv", "supervised", "pca"]
    assert controls_of("vae", names) == ["raw", "supervised", "supervised-vae", "random-vae", "pca"]
    assert controls_of("vae", ["mlp", "supervised-conv", "supervised-conv-vae"]) == ["mlp", "supervised-conv"]
    others = ["random-projection", "knn", "permuted", "vae", "knn-vae", "permuted-vae"]
    assert controls_of("vae", others) == ["random-projection", "knn"]
    pairs = [("vae", "random-projection"), ("vae", "knn"), ("knn-vae", "knn")]
    assert comparison_pairs({name: on_images[name] for name in others}) == pairs
    without_knn = ("knn-vae", "permuted-vae", "raw", "permuted")
    assert comparison_pairs({name: on_images[name] for name in without_knn}) == []


def test_only_autoencoders_and_their_nearest_neighbours_have_the_role_of_an_autoencoder(on_images):
    autoencoders = {*KINDS, *(f"knn-{kind}" for kind in KINDS)}
    assert {name for name, method in on_images.items() if method.role == "autoencoder"} == autoencoders
    assert {method.role for name, method in on_images.items() if name not in autoencoders} == {"control"}


def test_a_random_projection_has_scikit_learns_scale_and_keeps_distances(make_problem_spec):
    method = METHODS["random-projection"](make_problem_spec((400,), model={"latent_dim": 300}))
    points = jnp.asarray(np.random.default_rng(0).normal(size=(40, 400)), jnp.float32)
    variables = method.init(jax.random.key(0), points)
    axes = np.asarray(variables["projection"]["axes"])
    reference = GaussianRandomProjection(300, random_state=0).fit(points).components_
    np.testing.assert_allclose([axes.mean(), axes.std()], [0, 1 / np.sqrt(300)], atol=4 / np.sqrt(300 * axes.size))
    np.testing.assert_allclose(axes.std(), reference.std(), rtol=0.01)
    codes = np.asarray(method.encode(variables, points))
    np.testing.assert_allclose(codes, np.asarray(points, np.float64) @ axes, atol=1e-4)
    ratios = pdist(codes) / pdist(points)
    assert np.all(np.abs(ratios - 1) < 5 / np.sqrt(2 * 300))  # a chi distribution's deviation is 1 / sqrt(2 k)
    other = method.init(jax.random.key(1), points * 2)
    assert np.any(other["projection"]["axes"] != variables["projection"]["axes"])
    again = method.init(jax.random.key(0), points * 2)
    np.testing.assert_array_equal(again["projection"]["axes"], variables["projection"]["axes"])


@pytest.mark.parametrize("name", ["raw", *KINDS])
def test_knn_and_permuted_variants_have_the_features_of_their_method_and_another_classifier(name, on_images):
    suffix = "" if name == "raw" else f"-{name}"
    first, neighbours, permuted = on_images[name], on_images[f"knn{suffix}"], on_images[f"permuted{suffix}"]
    for method in (neighbours, permuted):
        assert method.features_of == name
        assert (method.init, method.encode, method.is_identity) == (first.init, first.encode, first.is_identity)
        assert method.reconstruct is None
        assert method.extra_metrics is None
    assert (neighbours.classifier, neighbours.permute_labels) == ("knn", False)
    assert (permuted.classifier, permuted.permute_labels) == ("probe", True)
    assert (first.features_of, first.classifier, first.permute_labels) == (None, "probe", False)


def test_kinds_for_images_have_conv_in_their_name():
    assert {kind for kind in KINDS if "conv" in kind} == set(IMAGE_KINDS)


def test_components_are_orthonormal_and_ordered_by_variance():
    variables = fit_pca(INPUTS, 6)["pca"]
    np.testing.assert_allclose(variables["axes"].T @ variables["axes"], np.eye(6), atol=1e-5)
    codes = (INPUTS - variables["mean"][None]) @ variables["axes"]
    assert np.all(np.diff(np.var(codes, axis=0)) < 0)


DEVICE_CONTROLS = ("pca", "random-projection", "random-fourier", "kmeans", "supervised", "mlp", "vicreg")


@pytest.mark.parametrize("name", [*KINDS, *DEVICE_CONTROLS])
def test_in_64_bit_mode_variables_trainings_and_codes_are_float32_too(name, make_problem_spec):
    method = METHODS[name](make_problem_spec((8, 8, 1), bounded=True))
    adam, objectives = optax.adam(0.1), [*(stage.objective for stage in method.stages), method.objective]
    inputs, numbers = jax.ShapeDtypeStruct((40, 64), np.float32), jax.ShapeDtypeStruct((40,), np.int32)
    order, scale = jax.ShapeDtypeStruct((2, 4, 8), np.int32), jax.ShapeDtypeStruct((64,), np.float32)
    with jax.enable_x64(True):
        key = jax.random.key(0)
        variables = jax.eval_shape(method.init, key, inputs)
        traced = [variables, jax.eval_shape(method.encode, variables, inputs)]
        for minimized in objectives if method.objective else []:
            progress = jax.eval_shape(lambda values: init_progress(values, adam), variables)
            data, epochs = SeedData(key, Scaler(scale, scale), numbers), make_train_epochs(minimized, adam)
            traced.append(jax.eval_shape(epochs, progress, order, data, Examples(inputs, numbers)))
    floats = [leaf.dtype for leaf in jax.tree.leaves(traced) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    assert set(floats) == {jnp.dtype(jnp.float32)}

"""The libraries that a user would pick instead, and the settings in which each is tried."""

import importlib.util
from collections.abc import Callable, Sequence
from typing import NamedTuple

from aejax.config import PretrainConfig
from aejax.errors import require, require_known_names
from benchmark.contenders import Contender, multithreaded_contender, process_per_core_contenders

PEERS_INSTALL_COMMAND = 'pip install -e ".[peers]"'
LOW_SPIN_ENV = (("GOMP_SPINCOUNT", "1000"),)
# How a process is told to use one thread: JAX and the BLAS library of scikit-learn. The others are told when they run.
SINGLE_THREAD_ENV = (("NPROC", "1"), ("OPENBLAS_NUM_THREADS", "1"))
KERAS_BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX"}


def no_training_contenders(config: PretrainConfig, seeds: int, cores: int) -> list[Contender]:
    """Those of a library that does not do such work."""
    return []


def no_path_contenders(cores: int) -> list[Contender]:
    """Those of a library that does not do such work."""
    return []


def no_encoding_contenders(seeds: int, cores: int) -> list[Contender]:
    """Those of a library that does not do such work."""
    return []


class Peer(NamedTuple):
    """Another library, and who takes part for it in each kind of work."""

    package: str  # what is imported
    install_command: str  # how to get it
    training_contenders: Callable[[PretrainConfig, int, int], list[Contender]] = (
        no_training_contenders  # of (config, seeds, cores)
    )
    path_contenders: Callable[[int], list[Contender]] = no_path_contenders  # one logistic regression, of (cores)
    encoding_contenders: Callable[[int, int], list[Contender]] = no_encoding_contenders  # of (seeds, cores)
    distribution: str | None = None  # what is installed, where it is not called as what is imported


def torch_training_contenders(config: PretrainConfig, seeds: int, cores: int) -> list[Contender]:
    """Eager and compiled: seed after seed with all threads, which spin long or briefly for each other; and a process
    per core.

    Where another program wants a core, threads that spin for a millisecond at each barrier, GNU OpenMP's default,
    slowed training by up to 15 times; on an idle machine they are the fastest.
    """
    found = [multithreaded_contender("torch", "torch", seeds, cores)]
    if cores > 1:
        found.append(found[0]._replace(name=f"{found[0].name}, low spin", env_vars=LOW_SPIN_ENV))
    found += process_per_core_contenders("torch", "torch", seeds, cores)
    found.append(multithreaded_contender("torch, compiled", "torch-compile", seeds, cores))
    return found + process_per_core_contenders("torch, compiled", "torch-compile", seeds, cores)


def torch_encoding_contenders(seeds: int, cores: int) -> list[Contender]:
    """Encoder after encoder with all threads, and a process per core."""
    return [
        multithreaded_contender("torch", "torch-encode", seeds, cores),
        *process_per_core_contenders("torch", "torch-encode", seeds, cores),
    ]


def _keras_contenders(work: str, seeds: int, cores: int) -> list[Contender]:
    found = []
    for backend, title in installed_keras_backends().items():
        environment = (("KERAS_BACKEND", backend), ("TF_CPP_MIN_LOG_LEVEL", "2"))
        settings = f"keras, {title}", f"keras-{backend}{work}", seeds, cores
        found.append(multithreaded_contender(*settings, env_vars=environment))
        found += process_per_core_contenders(*settings, env_vars=environment + SINGLE_THREAD_ENV)
    return found


def keras_training_contenders(config: PretrainConfig, seeds: int, cores: int) -> list[Contender]:
    """Keras 3 on each backend: seed after seed with all threads, and a process per core."""
    return _keras_contenders("", seeds, cores)


def keras_encoding_contenders(seeds: int, cores: int) -> list[Contender]:
    """The same for `predict`."""
    return _keras_contenders("-encode", seeds, cores)


def installed_keras_backends() -> dict[str, str]:
    """Keras' backends that can be imported here, with their names in print. JAX is this project's own."""
    return {package: title for package, title in KERAS_BACKENDS.items() if importlib.util.find_spec(package)}


def sklearn_training_contenders(config: PretrainConfig, seeds: int, cores: int) -> list[Contender]:
    """`MLPRegressor`, where it does nearly the same: squared error, Adam, one activation, no batch normalisation."""
    model = config.model
    hidden = {model.code_activation, *([model.activation] if model.hidden or model.decoder_hidden else [])}
    alike = (
        config.method == "undercomplete"
        and config.objective.reconstruction == "mse"
        and config.optimizer.optimizer == "adam"
        and not model.batch_norm
        and len(hidden) == 1
        and hidden <= {"relu", "tanh"}
    )
    if not alike:
        return []
    note = "its outputs are linear" + ("" if model.output == "linear" else ", so its loss is that of another model")
    settings = "sklearn, MLPRegressor", "sklearn-perceptron", seeds, cores
    return [
        multithreaded_contender(*settings, note=note),
        *process_per_core_contenders(*settings, note=note, env_vars=SINGLE_THREAD_ENV),
    ]


def sklearn_path_contenders(cores: int) -> list[Contender]:
    """One `LogisticRegression(C=1)`: left alone until its own tolerance is met, in both precisions, and as it comes.

    As it comes it ends after 100 iterations, converged or not.
    """
    settings = {"float32": "sklearn", "float64": "sklearn-float64", "float32, max_iter 100": "sklearn-100"}
    return [Contender(f"sklearn, {name}", library, ((0,),), cores) for name, library in settings.items()]


PEERS: dict[str, Peer] = {
    "torch": Peer(
        "torch", PEERS_INSTALL_COMMAND, torch_training_contenders, encoding_contenders=torch_encoding_contenders
    ),
    "keras": Peer(
        "keras", PEERS_INSTALL_COMMAND, keras_training_contenders, encoding_contenders=keras_encoding_contenders
    ),
    "sklearn": Peer(
        "sklearn", "pip install -e .", sklearn_training_contenders, sklearn_path_contenders, distribution="scikit-learn"
    ),
}


def check_peers(peers: Sequence[str]) -> list[str]:
    """Refuse peers that are unknown or not installed, without importing them; one line for each part that is missing.

    Raises:
        InputError: with the near names, or the line that installs it.
    """
    require_known_names("--peers", "peer", peers, PEERS)
    for name in peers:
        found = importlib.util.find_spec(PEERS[name].package) is not None
        require(found, f"--peers {name}: is not installed; {PEERS[name].install_command}, or leave it out")
    if "keras" not in peers or "tensorflow" in installed_keras_backends():
        return []
    return [
        f"--peers keras: TensorFlow is not installed, so Keras runs on JAX alone; {PEERS_INSTALL_COMMAND} brings it"
    ]

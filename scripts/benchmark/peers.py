"""The libraries that a user would pick instead of aejax, and the settings in which each is timed."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aejax.errors import require, require_known_names
from benchmark.contenders import Contender, multithreaded_contender, process_per_core_contenders
from benchmark.training_job import TrainingJob

PEERS_INSTALL_COMMAND = 'pip install -e ".[peers]"'
LOW_SPIN_ENV = (("GOMP_SPINCOUNT", "1000"),)
# Limits a process of JAX or of scikit-learn's BLAS library to one thread; the other libraries have a call for it.
SINGLE_THREAD_ENV = (("NPROC", "1"), ("OPENBLAS_NUM_THREADS", "1"))
KERAS_BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX"}
ContendersFn = Callable[[Any, int, int], list[Contender]]  # of a job, the number of seeds and the number of cores


class Peer(NamedTuple):
    """Another library, and its contenders for each kind of workload."""

    package: str  # import name
    distribution: str  # name under which it is installed
    install_command: str
    contenders: Mapping[str, ContendersFn] = {}  # by kind of workload

    def contenders_for(self, kind: str, job: Any, seeds: int, cores: int) -> list[Contender]:
        """Returns the contenders for a job; none if the library cannot do such work."""
        return self.contenders[kind](job, seeds, cores) if kind in self.contenders else []


def torch_training_contenders(job: TrainingJob, seeds: int, cores: int) -> list[Contender]:
    """Returns eager and compiled PyTorch, each with all threads and with a process per core.

    If another program needs a core, threads that spin for a millisecond at each barrier (the default of GNU OpenMP)
    slow training by up to 15 times; on an idle machine they are the fastest. So both settings are timed.
    """
    eager = multithreaded_contender("torch", "torch", "torch", seeds, cores)
    low_spin = eager._replace(name=f"{eager.name}, low spin", env_vars=LOW_SPIN_ENV)
    return [
        eager,
        *([low_spin] if cores > 1 else []),
        *process_per_core_contenders("torch", "torch", "torch", seeds, cores),
        multithreaded_contender("torch, compiled", "torch", "torch-compile", seeds, cores),
        *process_per_core_contenders("torch, compiled", "torch", "torch-compile", seeds, cores),
    ]


def torch_encoding_contenders(job: TrainingJob, seeds: int, cores: int) -> list[Contender]:
    """Returns PyTorch with all threads and with a process per core."""
    settings = "torch", "torch", "torch-encode", seeds, cores
    return [multithreaded_contender(*settings), *process_per_core_contenders(*settings)]


def _keras_contenders(runner_suffix: str, seeds: int, cores: int) -> list[Contender]:
    """Returns Keras 3 on each installed backend, each with all threads and with a process per core."""
    contenders = []
    for backend, title in installed_keras_backends().items():
        env_vars = (("KERAS_BACKEND", backend), ("TF_CPP_MIN_LOG_LEVEL", "2"))
        settings = f"keras, {title}", "keras", f"keras-{backend}{runner_suffix}", seeds, cores
        contenders.append(multithreaded_contender(*settings, env_vars))
        contenders += process_per_core_contenders(*settings, env_vars + SINGLE_THREAD_ENV)
    return contenders


def keras_training_contenders(job: TrainingJob, seeds: int, cores: int) -> list[Contender]:
    """Returns the contenders that train with `fit`."""
    return _keras_contenders("", seeds, cores)


def keras_encoding_contenders(job: TrainingJob, seeds: int, cores: int) -> list[Contender]:
    """Returns the contenders that encode with `predict`."""
    return _keras_contenders("-encode", seeds, cores)


def installed_keras_backends() -> dict[str, str]:
    """Returns the importable backends of Keras with their titles. JAX always is."""
    return {package: title for package, title in KERAS_BACKENDS.items() if importlib.util.find_spec(package)}


def sklearn_training_contenders(job: TrainingJob, seeds: int, cores: int) -> list[Contender]:
    """Returns `MLPRegressor` if it trains nearly the same model: squared error, Adam, one activation, no BatchNorm."""
    config, model = job.config, job.config.model
    activations = {model.code_activation, *([model.activation] if model.hidden or model.decoder_hidden else [])}
    if (
        config.method != "undercomplete"
        or config.objective.reconstruction != "mse"
        or config.optimizer.optimizer != "adam"
        or model.batch_norm
        or len(activations) != 1
        or not activations <= {"relu", "tanh"}
    ):
        return []
    note = "its outputs are linear" + ("" if model.output == "linear" else ", so its loss is that of another model")
    settings = "sklearn, MLPRegressor", "sklearn", "sklearn-perceptron", seeds, cores
    contenders = [multithreaded_contender(*settings), *process_per_core_contenders(*settings, SINGLE_THREAD_ENV)]
    return [one._replace(note=note) for one in contenders]


def sklearn_path_contenders(job: Any, seeds: int, cores: int) -> list[Contender]:
    """Returns one `LogisticRegression(C=1)` until its own tolerance is met, in both precisions, and with its defaults.

    With its defaults it ends after 100 iterations, converged or not.
    """
    runners = {"float32": "sklearn", "float64": "sklearn-float64", "float32, max_iter 100": "sklearn-100"}
    return [Contender(f"sklearn, {name}", "sklearn", runner, ((0,),), cores) for name, runner in runners.items()]


PEERS: dict[str, Peer] = {
    "torch": Peer(
        "torch",
        "torch",
        PEERS_INSTALL_COMMAND,
        {"training": torch_training_contenders, "encoding": torch_encoding_contenders},
    ),
    "keras": Peer(
        "keras",
        "keras",
        PEERS_INSTALL_COMMAND,
        {"training": keras_training_contenders, "encoding": keras_encoding_contenders},
    ),
    "sklearn": Peer(
        "sklearn",
        "scikit-learn",
        "pip install -e .",
        {"training": sklearn_training_contenders, "path": sklearn_path_contenders},
    ),
}


def peer_contenders(peers: Sequence[str], kind: str, job: Any, seeds: int, cores: int) -> list[Contender]:
    """Returns the contenders of all named peers for a job."""
    return [one for peer in peers for one in PEERS[peer].contenders_for(kind, job, seeds, cores)]


def check_peers(peers: Sequence[str]) -> list[str]:
    """Rejects unknown or missing peers, without importing them; returns a line for each optional part that is missing.

    Raises:
        InputError: with similar names, or with the command that installs it.
    """
    require_known_names("--peers", "peer", peers, PEERS)
    for name in peers:
        installed = importlib.util.find_spec(PEERS[name].package) is not None
        require(installed, f"--peers {name}: is not installed; {PEERS[name].install_command}, or leave it out")
    if "keras" not in peers or "tensorflow" in installed_keras_backends():
        return []
    return [
        f"--peers keras: TensorFlow is not installed, so Keras runs on JAX alone; {PEERS_INSTALL_COMMAND} installs it"
    ]

"""The libraries that a user would pick instead of aejax, and the settings in which each is timed."""

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from aejax.errors import require, require_known_names
from benchmark.timing import Contender
from benchmark.training_job import TrainingJob

PEERS_INSTALL_COMMAND = 'pip install -e ".[peers]"'
LOW_SPIN_ENV = (("GOMP_SPINCOUNT", "1000"),)
# Limits a process of JAX or of scikit-learn's BLAS library to one thread; the other libraries have a call for it.
SINGLE_THREAD_ENV = (("NPROC", "1"), ("OPENBLAS_NUM_THREADS", "1"))
MAX_HESSIAN = 10**6  # entries; that of MNIST's pixels has 6e7, and one of its Newton steps takes minutes
KERAS_BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX"}
ContendersFn = Callable[[Any, int, int], list[Contender]]  # of a job, the number of seeds and the number of cores


def pluralize(count: int, noun: str) -> str:
    """Returns `1 seed`, `2 seeds`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def aejax_contenders(seeds: int, cores: int) -> list[Contender]:
    """Returns aejax with all seeds at once, and with one seed."""
    counts = dict.fromkeys((seeds, 1))
    return [Contender(f"aejax, {pluralize(n, 'seed')}", "aejax", (tuple(range(n)),), cores) for n in counts]


def threads_and_processes(base: Contender, seeds: int, cores: int) -> list[Contender]:
    """Returns a setting in one process with all threads, and in a process for each core with one thread.

    Every seed beyond the number of cores takes the same time again, so at most that many are trained. With one thread
    a process also gets `SINGLE_THREAD_ENV`. A process per core is left out if that is a single process.
    """
    count = min(seeds, cores)
    multithreaded = base._replace(
        name=f"{base.name}, {pluralize(cores, 'thread')}", seeds_per_process=(tuple(range(count)),), threads=cores
    )
    per_core = base._replace(
        name=f"{base.name}, {count} x 1 thread",
        seeds_per_process=tuple((seed,) for seed in range(count)),
        env_vars=base.env_vars + SINGLE_THREAD_ENV,
    )
    return [multithreaded, per_core] if count > 1 else [multithreaded]


def torch_training_contenders(job: TrainingJob, seeds: int, cores: int) -> list[Contender]:
    """Returns eager and compiled PyTorch, each with all threads and with a process per core.

    If another program needs a core, threads that spin for a millisecond at each barrier (the default of GNU OpenMP)
    slow training by up to 15 times; on an idle machine they are the fastest. So both settings are timed.
    """
    eager, *per_core = threads_and_processes(Contender("torch", "torch", (), 1), seeds, cores)
    low_spin = eager._replace(name=f"{eager.name}, low spin", env_vars=LOW_SPIN_ENV)
    compiled = Contender("torch, compiled", "torch", (), 1, options=(("compiled", True),))
    return [eager, *([low_spin] if cores > 1 else []), *per_core, *threads_and_processes(compiled, seeds, cores)]


def torch_encoding_contenders(job: TrainingJob, seeds: int, cores: int) -> list[Contender]:
    """Returns PyTorch with all threads and with a process per core."""
    return threads_and_processes(Contender("torch", "torch", (), 1), seeds, cores)


def keras_contenders(job: TrainingJob, seeds: int, cores: int) -> list[Contender]:
    """Returns Keras 3 on each installed backend, each with all threads and with a process per core."""
    backends = [
        Contender(f"keras, {title}", "keras", (), 1, (("KERAS_BACKEND", backend), ("TF_CPP_MIN_LOG_LEVEL", "2")))
        for backend, title in KERAS_BACKENDS.items()
        if importlib.util.find_spec(backend)
    ]
    return [one for base in backends for one in threads_and_processes(base, seeds, cores)]


def sklearn_training_contenders(job: TrainingJob, seeds: int, cores: int) -> list[Contender]:
    """Returns `MLPRegressor` if it trains nearly the same model: squared error, Adam, one activation, no BatchNorm."""
    config, model = job.config, job.config.model
    activations = {model.code_activation, *([model.activation] if model.hidden or model.decoder_hidden else [])}
    if (
        (config.method, config.objective.reconstruction) != ("undercomplete", "mse")
        or (config.optimizer.optimizer, model.batch_norm) != ("adam", False)
        or activations not in ({"relu"}, {"tanh"})
    ):
        return []
    note = "its outputs are linear" + ("" if model.output == "linear" else ", so its loss is that of another model")
    return threads_and_processes(Contender("sklearn, MLPRegressor", "sklearn", (), 1, note=note), seeds, cores)


def sklearn_path_contenders(job: Any, seeds: int, cores: int) -> list[Contender]:
    """Returns one `LogisticRegression(C=1)` until its own tolerance is met, in both precisions, and with its defaults.

    With its defaults it ends after 100 iterations, converged or not.
    """
    settings = {
        "float32": ("dtype", "float32"),
        "float64": ("dtype", "float64"),
        "float32, max_iter 100": ("max_iter", 100),
    }
    once = [
        Contender(f"sklearn, {name}", "sklearn", ((0,),), cores, options=(option,)) for name, option in settings.items()
    ]
    return [*once, *_path_contenders("sklearn", ("lbfgs", "newton-cholesky"), job, cores)]


def cyanure_path_contenders(job: Any, seeds: int, cores: int) -> list[Contender]:
    """Returns Cyanure's two fastest solvers, along the path."""
    return _path_contenders("cyanure", ("catalyst-miso", "qning-miso"), job, cores)


def _path_contenders(library: str, solvers: Sequence[str], job: Any, cores: int) -> list[Contender]:
    """Returns solvers along the path; none whose dense Hessian is too large."""
    hessian = (job.features.shape[1] * job.classes) ** 2
    return [
        Contender(f"{library}, path, {solver}", library, ((0,),), cores, options=(("solver", solver),))
        for solver in solvers
        if solver != "newton-cholesky" or hessian <= MAX_HESSIAN
    ]


class Peer(NamedTuple):
    """Another library, and its contenders for each kind of workload."""

    distribution: str  # name under which it is installed
    contenders: Mapping[str, ContendersFn]  # by kind of workload
    install_command: str = PEERS_INSTALL_COMMAND


PEERS: dict[str, Peer] = {  # by import name
    "torch": Peer("torch", {"training": torch_training_contenders, "encoding": torch_encoding_contenders}),
    "keras": Peer("keras", {"training": keras_contenders, "encoding": keras_contenders}),
    "sklearn": Peer(
        "scikit-learn", {"training": sklearn_training_contenders, "path": sklearn_path_contenders}, "pip install -e ."
    ),
    "cyanure": Peer("cyanure", {"path": cyanure_path_contenders}),
}


def peer_contenders(peers: Sequence[str], kind: str, job: Any, seeds: int, cores: int) -> list[Contender]:
    """Returns the contenders of all named peers for a job; none of a library that cannot do such work."""
    makers = [PEERS[peer].contenders[kind] for peer in peers if kind in PEERS[peer].contenders]
    return [one for make in makers for one in make(job, seeds, cores)]


def check_peers(peers: Sequence[str]) -> None:
    """Rejects unknown or missing peers, without importing them.

    Raises:
        InputError: with similar names, or with the command that installs it.
    """
    require_known_names("--peers", "peer", peers, PEERS)
    for name in peers:
        installed = importlib.util.find_spec(name) is not None
        require(installed, f"--peers {name}: is not installed; {PEERS[name].install_command}, or leave it out")

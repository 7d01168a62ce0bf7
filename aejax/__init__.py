"""Does a representation learned by an autoencoder help a classifier, by how much, and compared with what?

The public interface is `aejax.__all__`; each name is imported on first use, so that `import aejax` itself takes
milliseconds. Everything else is internal and may change.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aejax.api.comparison import ComparisonResult as ComparisonResult
    from aejax.api.comparison import compare as compare
    from aejax.api.comparison import make_split as make_split
    from aejax.api.data import load_dataset as load_dataset
    from aejax.api.data import make_dataset as make_dataset
    from aejax.api.pretraining import TrainedAutoencoder as TrainedAutoencoder
    from aejax.api.pretraining import pretrain as pretrain
    from aejax.api.runs import ProbeResult as ProbeResult
    from aejax.api.runs import load_run as load_run
    from aejax.api.runs import probe as probe
    from aejax.data.dataset import Dataset as Dataset
    from aejax.data.splits import Split as Split
    from aejax.errors import InputError as InputError
    from aejax.methods.external import Representation as Representation
    from aejax.methods.external import encoder as encoder
    from aejax.methods.external import precomputed as precomputed
    from aejax.methods.registry import register_kind as register
    from aejax.storage.pretrained_encoder import load_encoder as load_encoder

__version__ = "0.2.0.dev0"

__all__ = [
    "ComparisonResult",
    "Dataset",
    "InputError",
    "ProbeResult",
    "Representation",
    "Split",
    "TrainedAutoencoder",
    "compare",
    "encoder",
    "load_dataset",
    "load_encoder",
    "load_run",
    "make_dataset",
    "make_split",
    "precomputed",
    "pretrain",
    "probe",
    "register",
]


def __getattr__(name: str) -> Any:
    """Imports a public name on first use."""
    module: Any
    match name:
        case "compare" | "ComparisonResult" | "make_split":
            from aejax.api import comparison as module
        case "load_dataset" | "make_dataset":
            from aejax.api import data as module
        case "pretrain" | "TrainedAutoencoder":
            from aejax.api import pretraining as module
        case "probe" | "ProbeResult" | "load_run":
            from aejax.api import runs as module
        case "Dataset":
            from aejax.data import dataset as module
        case "Split":
            from aejax.data import splits as module
        case "InputError":
            from aejax import errors as module
        case "Representation" | "encoder" | "precomputed":
            from aejax.methods import external as module
        case "register":
            from aejax.methods.registry import register_kind

            return register_kind
        case "load_encoder":
            from aejax.storage import pretrained_encoder as module
        case _:
            raise AttributeError(f"module 'aejax' has no attribute {name!r}")
    return getattr(module, name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

import numpy as np
import pytest

from aejax.analysis.codec import Codec


def linear_codec(dictionary: np.ndarray) -> Codec:
    """Least-squares codes and a linear decoder whose rows are `dictionary`."""
    inverse = np.linalg.pinv(dictionary).astype(np.float32)
    return Codec(encode=lambda inputs: inputs @ inverse, decode=lambda codes: codes @ dictionary)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def identity() -> Codec:
    return Codec(encode=lambda inputs: inputs, decode=lambda codes: codes)


@pytest.fixture
def codec(rng) -> Codec:
    """Four units, of very different scales, in ten dimensions."""
    dictionary = rng.standard_normal((4, 10)) * np.array([1.0, 10.0, 0.1, 3.0])[:, None]
    return linear_codec(dictionary.astype(np.float32))


@pytest.fixture
def inputs(rng) -> np.ndarray:
    return rng.standard_normal((200, 10)).astype(np.float32)

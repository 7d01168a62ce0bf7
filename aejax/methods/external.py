"""Features that were made elsewhere, or by a function of the user's: rows of a comparison like any other."""

import dataclasses
import functools
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from aejax.data.description import TrainingData
from aejax.data.leakage import LeakageError
from aejax.data.table_schema import TableSchema
from aejax.errors import require
from aejax.methods.function_hash import hash_function
from aejax.methods.method import Method

CHECKED_EXAMPLES = 8  # that are encoded again, each in a batch with others
RELATIVE_TOLERANCE = 0.01  # of the largest feature: smaller differences are rounding errors


class DatasetRows(NamedTuple):
    """What features are made from: every example, and the rows on which something may be fitted."""

    stored: Shaped[np.ndarray, "n *example_shape"]  # as `Dataset.inputs`
    train: Int[np.ndarray, "trainings n_train"]
    offsets: Float[np.ndarray, " d"] | None = None  # as `Dataset.offsets`

    @property
    def inputs(self) -> Shaped[np.ndarray, "n *example_shape"]:
        """Examples as the source has them, not scaled; with offsets a copy in float64."""
        return self.stored if self.offsets is None else self.stored.astype(np.float64) + self.offsets


FeatureMaker = Callable[[DatasetRows], Float[np.ndarray, "..."]]
"""Returns features of every example: `(n, width)` for all trainings, or `(trainings, n, width)`."""


@dataclasses.dataclass(frozen=True, eq=False)
class Representation:
    """Features of one's own, to be judged next to the methods of this package; see `precomputed` and `encoder`."""

    make_features: FeatureMaker
    sha256: str = ""  # of the arrays that the features are made from, for the identity of a run; empty: of none
    function_sha256: str = ""  # or of the function or transformer that makes them, as it was given
    dataset_sha256: str = ""  # of the dataset that a published encoder was trained on; empty: not known
    per_training: bool = False  # an array for each training: what was fitted for it may have seen other test rows
    table: TableSchema | None = None  # the columns of the examples that they are made from; None: any

    def as_method(self) -> Method:
        """Returns the method whose features a probe classifies."""
        return Method(role="external", init=lambda key, inputs: {}, encode=_has_no_encoder, make_features=self._checked)

    def _checked(self, rows: DatasetRows) -> Float[np.ndarray, "..."]:
        features, n = np.asarray(self.make_features(rows), np.float32), len(rows.stored)
        trainings = len(rows.train)
        require(
            features.shape[-2:-1] == (n,) and features.shape[:-2] in ((), (trainings,)) and features.shape[-1] > 0,
            f"features have shape {features.shape}; expected ({n}, width), a row for each example of the data, or "
            f"({trainings}, {n}, width), with one such array for each training",
        )
        finite = np.isfinite(features).reshape(-1, features.shape[-1]).all(axis=1)
        require(finite.all(), f"features of row {int(np.argmin(finite)) % n} are not finite; expected finite float32")
        return features


def _has_no_encoder(variables: Any, inputs: Any) -> Any:
    raise NotImplementedError("features that were made elsewhere have no encoder")


def precomputed(features: Any, rows: Any = None) -> Representation:
    """Returns features that were computed elsewhere as a row of a comparison.

    Args:
        features: `(n, width)`, a row for each example in the order of the dataset (that of `X` for examples in memory,
            else training, then validation, then test examples, as the source has them; in a folder of images, those for
            validation follow those for training of their class), or `(trainings, n, width)`. Arrays of any framework
            that NumPy can read.
        rows: `(n,)` the number, from 0, of the data's row that each row of features belongs to; None: 0, 1, 2, ...

    Raises:
        aejax.InputError: `rows` are not each number from 0 to n - 1 once.

    Example:
        >>> import numpy as np
        >>> representation = precomputed(np.eye(4))
    """
    array = np.array(features, np.float32)
    if rows is not None:
        numbers = np.asarray(rows)
        order = np.argsort(numbers, kind="stable")
        expected = np.arange(array.shape[-2] if array.ndim > 1 else 0)
        require(
            np.array_equal(numbers[order], expected),
            f"rows: expected each number from 0 to {len(expected) - 1} once, as the features have {len(expected)} rows",
        )
        array = array[..., order, :]
    array.setflags(write=False)
    digest = hashlib.sha256(array.tobytes() + str(array.shape).encode()).hexdigest()
    return Representation(lambda rows: array, digest, per_training=array.ndim == 3)


def encoder(function: Any, batch_size: int = 256) -> Representation:
    """Returns the features that a function, or a transformer of scikit-learn, makes of the examples.

    Args:
        function: from examples `(batch, *shape)` to features `(batch, width)`, in any framework; or an object with
            `fit` and `transform` for `(batch, d)`, a copy of which is fitted on each training's rows. Examples are
            those of `Dataset.inputs`, bytes or float32, not scaled; with `Dataset.offsets`, their sum in float64.
        batch_size: examples per call.

    Raises:
        LeakageError: when the features are made: those of an example depend on other examples of its batch.

    Example:
        >>> from sklearn.decomposition import NMF
        >>> pixels, parts = encoder(lambda images: images.reshape(len(images), -1)), encoder(NMF(16, max_iter=500))
    """
    if hasattr(function, "transform"):
        from sklearn.base import clone  # of which a copy is fitted: what it has learnt does not count

        make, given = functools.partial(_fit_and_transform, function), clone(function, safe=False)
    else:
        make, given = functools.partial(_apply, function, batch_size), function
    data = getattr(function, "trained_on", None)
    if not isinstance(data, TrainingData):  # that of an encoder that this package did not publish
        data = TrainingData()
    return Representation(
        make, function_sha256=hash_function(given), dataset_sha256=data.dataset_sha256, table=data.table
    )


def _fit_and_transform(transformer: Any, rows: DatasetRows) -> Float[np.ndarray, "trainings n width"]:
    from sklearn.base import clone

    flat = rows.inputs.reshape(len(rows.stored), -1)
    fitted = (clone(transformer, safe=False).fit(flat[train]) for train in rows.train)
    return np.stack([np.asarray(one.transform(flat)) for one in fitted])


def _apply(function: Callable[[np.ndarray], Any], batch_size: int, rows: DatasetRows) -> Float[np.ndarray, "n width"]:
    inputs = rows.inputs
    batches = [inputs[start : start + batch_size] for start in range(0, len(inputs), batch_size)]
    features = np.concatenate([_rows(function(batch), len(batch)) for batch in batches])
    checked = np.linspace(0, len(inputs) - 1, min(CHECKED_EXAMPLES, len(inputs))).astype(int)
    again = _rows(function(inputs[checked]), len(checked))
    difference = np.abs(again - features[checked]).max()
    if not difference <= RELATIVE_TOLERANCE * np.abs(features[checked]).max():
        raise LeakageError(
            f"the features of an example change by up to {difference:.3g} with the other examples of its batch; encode "
            "in evaluation mode, from the example alone"
        )
    return features


def _rows(features: Any, n: int) -> Float[np.ndarray, "n width"]:
    array = np.asarray(features, np.float32)
    require(
        array.ndim >= 2 and len(array) == n,
        f"the encoder returned features of shape {array.shape} for {n} examples; expected ({n}, width)",
    )
    return array.reshape(n, -1)

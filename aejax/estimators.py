"""scikit-learn estimators: an autoencoder as data preparation, and a classifier on its codes.

They work in `Pipeline`, `GridSearchCV`, `clone`, `set_output` and pickles. A fitted estimator holds NumPy arrays and
plain settings only; equal shapes and settings share compiled programs.
"""

import dataclasses
from numbers import Integral
from typing import Any

import numpy as np
from jaxtyping import Float
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_array, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from aejax.api.arguments import argument_errors
from aejax.config import PretrainConfig
from aejax.config.settings import replace_settings
from aejax.experiments.fitting import fit_autoencoder

UNLABELLED = -1


@dataclasses.dataclass(repr=False, eq=False)
class _AutoencoderEstimator(BaseEstimator):
    """Parameters and training that transformer and classifier share.

    Parameters may have any value until `fit`, which rejects what cannot be used, as scikit-learn asks.
    """

    kind: Any = "undercomplete"
    n_components: Any = None
    _: dataclasses.KW_ONLY
    hidden: Any = (128, 64)
    epochs: Any = 100
    batch_size: Any = 64
    learning_rate: Any = 1e-3
    scaler: Any = "standard"
    validation_fraction: Any = 0.1
    early_stopping: Any = False
    n_iter_no_change: Any = 10
    image_shape: Any = None
    settings: Any = None
    random_state: Any = None

    def _fit_autoencoder(self, inputs: np.ndarray) -> None:
        """Trains on `(n, d)` inputs and sets the attributes; the validation rows only choose the epoch."""
        with argument_errors():
            config = self._config()
            seed = _draw_seed(self.random_state)
            shape = (inputs.shape[1],) if self.image_shape is None else tuple(self.image_shape)
            examples = inputs.reshape(len(inputs), *shape)
            patience = self.n_iter_no_change if self.early_stopping else None
            self.autoencoder_ = fit_autoencoder(config, examples, self.validation_fraction, seed, patience)
        self.history_ = self.autoencoder_.history
        self.n_iter_ = len(self.history_["train_loss"])

    def _config(self) -> PretrainConfig:
        width = self.n_components
        widths = {} if width is None else dict.fromkeys(("latent_dim", "sparse_dim", "overcomplete_dim"), width)
        settings = {
            "method": self.kind,
            "hidden": self.hidden,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "scaler": self.scaler,
            "seeds": 1,
            **widths,
            **(self.settings or {}),
        }
        return replace_settings(PretrainConfig(), settings)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.non_deterministic = self.random_state is None
        return tags


class AutoencoderTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, _AutoencoderEstimator):
    """An autoencoder whose codes are the transformed data.

    Args:
        kind: of autoencoder, a name in `aejax.autoencoders.registry.KINDS`.
        n_components: width of the code; None: a quarter of the features, from 2 to 32 (sparse kinds: twice the
            features, at most 256).
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        epochs: passes over the training rows.
        batch_size: rows per step.
        learning_rate: of Adam.
        scaler: `standard`, `minmax` or `none`, fitted on the training rows.
        validation_fraction: share of the rows that do not train, and give `history_["valid_loss"]`.
        early_stopping: stop after `n_iter_no_change` epochs without a lower validation loss, and keep the weights of
            the lowest.
        n_iter_no_change: see `early_stopping`.
        image_shape: `(height, width, channels)` of examples that are flattened images, for the convolutional kinds.
        settings: further settings by the names of the command line's flags, such as `{"l1": 0.01}`.
        random_state: seed of initialisation, order, noise and the choice of validation rows.

    Attributes:
        n_components_: width of the code.
        history_: losses of every epoch by name, each `(epochs,)`.
        n_iter_: number of epochs that were trained.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Example:
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.linear_model import LogisticRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> X, y = load_wine(return_X_y=True)
        >>> codes = AutoencoderTransformer(n_components=5, epochs=5, random_state=0)
        >>> make_pipeline(codes, LogisticRegression()).fit(X, y).predict(X).shape
        (178,)
    """

    def fit(self, X: Any, y: Any = None) -> "AutoencoderTransformer":
        """Trains the autoencoder on `(n, d)` inputs without labels."""
        inputs = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        self._fit_autoencoder(inputs)
        self.n_components_ = self._n_features_out = self.autoencoder_.width
        return self

    def transform(self, X: Any) -> Float[np.ndarray, "n width"]:
        """Returns the codes of `(n, d)` inputs, float32 `(n, n_components_)`."""
        check_is_fitted(self)
        return self.autoencoder_.encode(validate_data(self, X, dtype=[np.float64, np.float32], reset=False))

    def inverse_transform(self, X: Any) -> Float[np.ndarray, "n d"]:
        """Returns reconstructions `(n, d)`, in the units of the inputs, of codes `(n, n_components_)`."""
        check_is_fitted(self)
        return self.autoencoder_.decode(check_array(X, dtype=np.float32))

    def score(self, X: Any, y: Any = None) -> float:
        """Returns the share of the scaled inputs' variance that reconstructions explain, at most 1."""
        inputs = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self.autoencoder_.explained_variance(inputs)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # codes are float32
        return tags


@dataclasses.dataclass(repr=False, eq=False)
class AutoencoderClassifier(ClassifierMixin, _AutoencoderEstimator):
    """Logistic regression on the standardised codes of an autoencoder that was trained without labels.

    Rows with the label -1 have no label and train the autoencoder only, where there are at least two other labels; with
    one other label, -1 is a class.

    Args:
        kind, n_components, hidden, epochs, batch_size, learning_rate, scaler, validation_fraction, early_stopping,
            n_iter_no_change, image_shape, settings, random_state: as in `AutoencoderTransformer`.
        C: inverse strength of the logistic regression's penalty, as in scikit-learn.

    Attributes:
        classes_: the labels, without -1.

    Example:
        >>> from sklearn.datasets import load_wine
        >>> X, y = load_wine(return_X_y=True)
        >>> AutoencoderClassifier(epochs=5, random_state=0).fit(X, y).predict_proba(X).shape
        (178, 3)
    """

    _: dataclasses.KW_ONLY
    C: Any = 1.0

    def fit(self, X: Any, y: Any) -> "AutoencoderClassifier":
        """Trains the autoencoder on all rows and the classifier on the labelled ones."""
        inputs, labels = validate_data(self, X, y, dtype=[np.float64, np.float32], ensure_min_samples=2)
        check_classification_targets(labels)
        is_labelled = labels != UNLABELLED if labels.dtype.kind in "if" and len(np.unique(labels)) > 2 else None
        rows = np.ones(len(labels), bool) if is_labelled is None else is_labelled
        self.classes_ = np.unique(labels[rows])
        if len(self.classes_) < 2:
            raise ValueError(f"y: holds {len(self.classes_)} class; a classifier needs at least two classes")
        self._fit_autoencoder(inputs)
        self.head_ = make_pipeline(StandardScaler(), LogisticRegression(C=self.C, max_iter=1000))
        self.head_.fit(self.autoencoder_.encode(inputs[rows]).astype(np.float64), labels[rows])
        return self

    def predict_proba(self, X: Any) -> Float[np.ndarray, "n classes"]:
        """Returns the probability of each of `classes_`, `(n, classes)`."""
        codes = self._codes(X)
        return self.head_.predict_proba(codes)

    def predict(self, X: Any) -> np.ndarray:
        """Returns the most probable class of each row, `(n,)`."""
        codes = self._codes(X)
        return self.head_.predict(codes)

    def decision_function(self, X: Any) -> np.ndarray:
        """Returns the logits of each class, `(n, classes)`, or of the second of two, `(n,)`."""
        codes = self._codes(X)
        return self.head_.decision_function(codes)

    def _codes(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        inputs = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return self.autoencoder_.encode(inputs).astype(np.float64)


def _draw_seed(random_state: Any) -> int:
    if isinstance(random_state, Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))

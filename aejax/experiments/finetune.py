"""Training of a softmax head on a pretrained encoder, with the encoder frozen or fine-tuned."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float

from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_extraction import apply_to_test_rows
from aejax.experiments.training import TrainingResult, TrainingSpec, train
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.probe.head import Classifier, SoftmaxHead, attach_head, make_cross_entropy_objective


class FinetuneReport(NamedTuple):
    """How fine-tuning went, by seed."""

    valid_nll: list[float]  # of the best epoch, which is kept, in nats; NaN: no validation rows
    diverged_epoch: list[int | None]


def with_softmax_head(experiment: Experiment, autoencoder: Autoencoder) -> Classifier:
    """Returns an autoencoder's encoder with a softmax head for the experiment's classes."""
    return Classifier(autoencoder, SoftmaxHead(experiment.problem.n_classes))


def train_head(
    experiment: Experiment,
    name: str,
    classifier: Classifier,
    encoder: Variables,
    optimizer: optax.GradientTransformation,
    *,
    frozen_encoder: bool,
    epochs: int,
    batch_size: int,
) -> TrainingResult:
    """Trains a new head on every seed's pretrained encoder.

    Args:
        experiment: the labelled rows.
        name: of the training within the run.
        classifier: encoder and head.
        encoder: variables of every seed, on the devices.
        optimizer: of both parts; for a frozen encoder its updates are zero.
        frozen_encoder: run the encoder in evaluation mode and do not differentiate it.
        epochs: passes over the labelled training rows.
        batch_size: examples per step.
    """
    plan, split = experiment.plan, experiment.split
    head = plan.map_seeds(classifier.init)(experiment.keys("head init"))["params"]["head"]
    spec = TrainingSpec(
        make_cross_entropy_objective(classifier, frozen_encoder=frozen_encoder),
        optimizer,
        split.labelled_train,
        split.labelled_valid,
        epochs=epochs,
        batch_size=batch_size,
        key_use="head noise",
    )
    return train(experiment, name, jax.tree.map(jnp.copy, attach_head(encoder, head)), spec)


def finetune(
    experiment: Experiment, name: str, autoencoder: Autoencoder, encoder: Variables
) -> tuple[Float[np.ndarray, "seeds n_test classes"], FinetuneReport]:
    """Returns the log-probabilities of the test rows by encoder and head trained together (`--probe finetune`).

    Each is trained at its own learning rate, and the best epoch is kept.

    Args:
        experiment: the labelled rows, and the probe config with epochs and learning rates.
        name: of the training within the run.
        autoencoder: the architecture.
        encoder: variables of every seed, on the devices.
    """
    config = experiment.config.probe
    classifier = with_softmax_head(experiment, autoencoder)
    optimizer = optax.partition(
        {
            "encoder": optax.adam(config.finetune_encoder_learning_rate),
            "head": optax.adam(config.finetune_head_learning_rate),
        },
        lambda params: {part: jax.tree.map(lambda _, part=part: part, tree) for part, tree in params.items()},
    )
    trained = train_head(
        experiment,
        name,
        classifier,
        encoder,
        optimizer,
        frozen_encoder=False,
        epochs=config.finetune_epochs,
        batch_size=experiment.config.train.batch_size,
    )
    losses = trained.history.metrics.get("valid_loss", np.full((experiment.plan.seeds, 1), np.nan))
    lowest = np.fmin.reduce(losses, axis=1)  # a seed that diverged has NaN from then on
    report = FinetuneReport(lowest.tolist(), [int(epoch) or None for epoch in trained.history.diverged_epoch])
    return apply_to_test_rows(experiment, classifier.log_probs, trained.progress.best), report

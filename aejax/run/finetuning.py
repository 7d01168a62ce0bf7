"""`--probe finetune`: a pretrained encoder goes on training, together with a softmax head, on the labelled rows."""

from typing import NamedTuple

import jax
import numpy as np
import optax

from aejax.classify.head import Classifier, SoftmaxHead, classification, put_head_on
from aejax.models.autoencoder import Autoencoder
from aejax.models.parts import Variables
from aejax.run.experiment import Experiment
from aejax.run.training import train


class FinetuneReport(NamedTuple):
    """How fine-tuning went, by seed."""

    valid_nll: list[float]  # lowest of all epochs, in nats; the epoch is the one that is kept. NaN: no validation rows
    diverged_epoch: list[int | None]


class Finetuned(NamedTuple):
    """A classifier that began as a pretrained encoder."""

    classifier: Classifier
    variables: Variables  # of every seed, on the devices
    report: FinetuneReport
    seconds: float  # without compilation


def finetune(experiment: Experiment, autoencoder: Autoencoder, variables: Variables) -> Finetuned:
    """Train the encoder and a fresh head on every seed's labelled rows, each at its own step size; keep the best epoch.

    Args:
        experiment: whose probe config says for how long and how fast.
        autoencoder: the architecture.
        variables: of every seed, on the devices: where the encoder starts.
    """
    config, plan, split = experiment.config.probe, experiment.plan, experiment.split
    classifier = Classifier(autoencoder, SoftmaxHead(experiment.setting.classes))
    fresh = experiment.compiler(plan.over(classifier.init), experiment.keys("head init"))["params"]["head"]
    optimizer = optax.partition(
        {
            "encoder": optax.adam(config.finetune_encoder_learning_rate),
            "head": optax.adam(config.finetune_head_learning_rate),
        },
        lambda params: {part: jax.tree.map(lambda _, part=part: part, tree) for part, tree in params.items()},
    )
    trained = train(
        experiment,
        put_head_on(variables, fresh),
        classification(classifier, frozen_encoder=False),
        optimizer,
        rows=split.labelled_train,
        monitor=split.labelled_valid,
        epochs=config.finetune_epochs,
        batch_size=experiment.config.train.batch_size,
        noise="head noise",
    )
    losses = trained.history.get("valid_loss")
    lowest = np.full(plan.seeds, np.nan) if losses is None else np.nanmin(losses, axis=1)
    report = FinetuneReport(lowest.tolist(), [int(epoch) or None for epoch in trained.diverged_epoch])
    return Finetuned(classifier, trained.fit.best, report, trained.seconds)

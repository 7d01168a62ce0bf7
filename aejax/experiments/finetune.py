"""Training of a softmax head on a pretrained encoder, with the encoder frozen or fine-tuned."""

import jax
import jax.numpy as jnp
import optax

from aejax.config import ProbeConfig
from aejax.experiments.classifier_training import ClassifierTask, train_classifier
from aejax.experiments.experiment import Experiment
from aejax.experiments.feature_extraction import apply_to_test_rows
from aejax.experiments.probes import ClassifierFit, ClassifierReport, FinetuneReport
from aejax.experiments.training import TrainingResult, TrainingSpec, train
from aejax.models.autoencoder import Autoencoder
from aejax.models.submodules import Variables
from aejax.probes.head import Classifier, SoftmaxHead, attach_head, make_cross_entropy_objective
from aejax.train.optimizers import decoupled_weight_decay


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
    split = experiment.split
    spec = TrainingSpec(
        make_cross_entropy_objective(classifier, frozen_encoder=frozen_encoder),
        optimizer,
        split.labelled_train,
        split.labelled_valid,
        epochs=epochs,
        batch_size=batch_size,
        key_use="head noise",
    )
    return train(experiment, name, _with_new_head(experiment, classifier, encoder), spec)


def _with_new_head(experiment: Experiment, classifier: Classifier, encoder: Variables) -> Variables:
    """Returns a copy of every seed's pretrained encoder with a new head."""
    head = experiment.plan.map_seeds(classifier.init)(experiment.keys("head init"))["params"]["head"]
    return jax.tree.map(jnp.copy, attach_head(encoder, head))


def finetune(experiment: Experiment, name: str, autoencoder: Autoencoder, encoder: Variables) -> ClassifierFit:
    """Trains encoder and head together on the labels of every seed, and predicts the test rows (`--probe finetune`).

    Each part has its own learning rate. Weight decay and epochs, at most `--finetune-epochs`, are chosen as those of
    other classifiers (see `classifier_training`), and all labelled rows are trained on.

    Args:
        experiment: the labelled rows, and the probe config with epochs and learning rates.
        name: of the training within the run.
        autoencoder: the architecture.
        encoder: variables of every seed, on the devices; they are left as they are.
    """
    config = experiment.config.probe
    classifier = with_softmax_head(experiment, autoencoder)
    task = ClassifierTask(
        make_cross_entropy_objective(classifier, frozen_encoder=False),
        lambda _: _finetuning_optimizer(config),
        epochs=config.finetune_epochs,
        batch_size=experiment.config.train.batch_size,
        key_use="head noise",
    )
    trained = train_classifier(experiment, name, _with_new_head(experiment, classifier, encoder), task)
    diverged = [int(epoch) or None for epoch in trained.history.diverged_epoch]
    report = FinetuneReport(trained.selection.valid_loss.tolist(), diverged)
    log_probs = apply_to_test_rows(experiment, classifier.log_probs, trained.variables)
    return ClassifierFit(log_probs, ClassifierReport(finetuned=report), trained.selection.settings)


def _finetuning_optimizer(config: ProbeConfig) -> optax.GradientTransformation:
    rates = {"encoder": config.finetune_encoder_learning_rate, "head": config.finetune_head_learning_rate}
    return optax.partition(
        {part: optax.chain(optax.adam(rate), decoupled_weight_decay(rate)) for part, rate in rates.items()},
        lambda params: {part: jax.tree.map(lambda _, part=part: part, tree) for part, tree in params.items()},
    )

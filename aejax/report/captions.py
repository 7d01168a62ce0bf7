"""Captions and warnings of the tables of comparisons and sweeps."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from aejax.evaluate.verdicts import EQUIVALENCE_MARGIN, minimum_trainings
from aejax.report.data_line import format_data_warnings
from aejax.report.formatting import format_mean_ci, format_provenance, format_significant
from aejax.report.results import (
    Results,
    count_seeds,
    diverged_seeds,
    finite_or_none,
    has_bernoulli_likelihood,
    is_permuted,
    scored_entries,
    verdict_metric,
)

_CODE_METRICS = (
    "Variance explained: the share of the test examples' variance that their reconstructions explain. Nonzero units: "
    "mean number per test example. Dead units: zero for every training example. Active units: variance above 0.01."
)
_OTHER_CODE_METRICS = {
    "recovery": "Recovery: the largest absolute cosine of a true direction with a row of the decoder, mean over "
    "directions.",
    "perplexity": "Entries used: different vectors in the codes of the training examples; perplexity: the exponential "
    "of the entropy of their frequencies. Bits: of a code, if all entries could occur.",
}
_PSEUDO_ELBO = (
    "pseudo-ELBO: the evidence lower bound with a Bernoulli likelihood, which is a likelihood of inputs that are all 0 "
    "or 1, but not of grey values; it orders models trained with the same loss, and no others."
)
_METRICS = {  # other than accuracy
    "balanced_accuracy": "Verdicts are about balanced accuracy, the mean of the accuracies of all classes.",
    "auroc": "Verdicts are about AUROC, of each class against the rest by its probability, mean over the classes.",
    "nll": "Verdicts are about NLL, of which less is better.",
}
_KNN = (
    "knn chooses k, and how fast a neighbour's vote falls with its distance, by leaving out one labelled row at a time."
)


def dataset_caption(results: Results) -> str:
    """Returns the sizes of the splits, the number of labels, and what intervals and p-values refer to."""
    dataset = results["dataset"]
    refers = results.get("interval", "the mean over the seeds")
    sentences = [
        f"{dataset['name']}: {dataset['n_train']:,} training, {dataset['n_valid']:,} validation"
        f" and {dataset['n_test']:,} test examples; {_describe_seeds(results)}.",
        *_label_sentences(dataset),
        f"Accuracy and NLL are on the test examples; [brackets] are 95 % intervals of {refers}.",
        _METRICS.get(verdict_metric(results).name, ""),
        *_test_sentences(results),
    ]
    return " ".join(filter(None, sentences))


def short_caption(results: Results) -> str:
    """Returns a caption of at most four lines of 80 letters, for a terminal; `table.md` has the long one."""
    dataset, metric = results["dataset"], verdict_metric(results)
    sizes = f"{dataset['n_train']:,} training, {dataset['n_valid']:,} validation, {dataset['n_test']:,} test examples"
    n_labels = sum(dataset.get(f"n_labelled_{split}") or 0 for split in ("train", "valid"))
    if 0 < n_labels < dataset["n_train"] + dataset["n_valid"]:
        sizes += f", {n_labels:,} labels"
    sentences = [f"{sizes}; {_describe_seeds(results)}.", "[Brackets]: 95 % intervals."]
    if any("ci95_adjusted" in row for row in results["comparisons"]):
        sentences.append("Verdicts come from intervals adjusted for all comparisons of a method.")
    if results["comparisons"] and "margin" in results:
        sentences.append(f"Margin: {metric.scale * results['margin']:g} {metric.difference_unit}.")
    return " ".join([*sentences, "More: --details and table.md."])


def _describe_seeds(results: Results) -> str:
    """Returns the number of seeds, and how each is tested where they do not share the test examples."""
    dataset, n_seeds = results["dataset"], count_seeds(results)
    count = f"{n_seeds} {'seed' if n_seeds == 1 else 'seeds'}"
    if dataset.get("folds", 1) == 1:
        return count
    design = f"{dataset['repetitions']} x {dataset['folds']}-fold cross-validation"
    return f"{count}, each tested on a fold of its own, by {design}"


def results_caption(results: Results) -> str:
    """Returns the caption of a comparison: its data, its columns, and the command, machine and time that it took."""
    measured = {name for method in results["methods"] for name in method.get("measures", {})}
    sentences = [
        dataset_caption(results),
        sensitivity_caption(results),
        _CODE_METRICS if measured else "",
        *(text for name, text in _OTHER_CODE_METRICS.items() if name in measured),
        _PSEUDO_ELBO if "elbo" in measured and has_bernoulli_likelihood(results) else "",
        _KNN if any(method.get("neighbours") for method in results["methods"]) else "",
        format_provenance(results["environment"]),
    ]
    return " ".join(filter(None, sentences))


def sensitivity_caption(results: Results) -> str:
    """Returns which variations there are, and what the column of verdicts that hold means; empty without."""
    if "sensitivity" not in results:
        return ""
    settings = ", ".join(f"`{entry['settings']}`" for entry in results["sensitivity"]["variations"])
    return (
        f"Holds in: variations with the same verdict, of those that change either method: {settings}. Fragile: at "
        "least one contradicts the verdict."
    )


def _label_sentences(dataset: Results) -> list[str]:
    """Describes how labels were used, if there are few, and the removed duplicates, if there are any."""
    sentences, folds = [], dataset.get("selection_folds", 1)
    train, valid = (dataset.get(f"n_labelled_{split}") or 0 for split in ("train", "valid"))
    n_labels = train + valid
    if folds > 1:
        use = f"cross-validation in {folds} folds chose their settings"
        sentences.append(f"Classifiers were fitted to {n_labels:,} labels; {use}.")
    elif 0 < n_labels < dataset["n_train"] + dataset["n_valid"]:
        sentences.append(f"Classifiers used {n_labels:,} labels: {train:,} for training, {valid:,} for validation.")
    removed, copied = "Removed from training and validation", "a test example"
    if dataset.get("folds", 1) > 1:
        removed, copied = "Removed", "another example, which is kept"
    for field, equal in (("dropped", "equal"), ("near_dropped", "nearly equal")):
        if dropped := (dataset.get("duplicates") or {}).get(field):
            sentences.append(f"{removed}: {dropped:,} {equal} to {copied}.")
    return sentences


def _test_sentences(results: Results) -> list[str]:
    """Describes the columns of the comparisons, in results that have a margin."""
    comparisons, margin, metric = results["comparisons"], results.get("margin"), verdict_metric(results)
    if not comparisons or margin is None:
        return []
    refers = results.get("intervals", {}).get("ci95_seeds")
    sentences = [f"Over seeds alone: {refers}."] if refers else []
    if "ci95_adjusted" in comparisons[0]:
        return [*sentences, _describe_verdicts(results, comparisons[0]["test"])]
    sentences += [
        f"p: {comparisons[0]['test']}; p crossed: for the interval over seeds and examples. Both are adjusted by Holm "
        "over the comparisons of one autoencoder; better and worse require both below .05.",
        f"Equivalence margin: {metric.scale * margin:g} {metric.difference_unit}.",
    ]
    family, n_seeds = max(Counter(row["method"] for row in comparisons).values()), count_seeds(results)
    if n_seeds > 1 and 2 * family / 2**n_seeds >= 0.05:
        required = math.ceil(math.log2(2 * family / 0.05))
        sentences.append(f"With {family} comparisons of one autoencoder, p below .05 requires {required} seeds.")
    return sentences


def _describe_verdicts(results: Results, test: str) -> str:
    """Describes where verdicts come from."""
    metric = verdict_metric(results)
    return (
        "Adjusted intervals hold at once, in 95 %, for all comparisons of one method (Bonferroni), and verdicts come "
        f"from them. Equivalence margin: {metric.scale * results['margin']:g} {metric.difference_unit}. better and "
        "worse: the interval excludes 0, and is not within the margin (> margin: it lies wholly beyond it); "
        "equivalent: it lies within the margin; not worse: it excludes a loss of the margin. "
        f"p, for information: {test}; p crossed: for the interval; both adjusted by Holm."
    )


def collect_warnings(results: Results) -> list[str]:
    """Returns a line for each problem of a run, its data or one of its methods; none if there is no problem."""
    dataset = results["dataset"]
    lines = [*results.get("warnings", []), *duplicate_warnings(dataset), *_majority_warnings(results)]
    for method in scored_entries(results):
        problems = [*_leakage_problems(method, dataset.get("majority_share")), *_training_problems(method)]
        lines += [f"{method['name']}: {problem}" for problem in problems]
    return lines


def all_warnings(results: Results) -> list[str]:
    """Returns the suspicions about the data of a run, and the lines of `collect_warnings`."""
    return [*format_data_warnings(results["dataset"]), *collect_warnings(results)]


def duplicate_warnings(dataset: Results) -> list[str]:
    """Returns a line for examples outside the test that equal test examples, and one for those that nearly do.

    In cross-validation each example is a test example of some training, so that all examples count.
    """
    counts, lines = dataset.get("duplicates") or {}, []
    which, copied, removes = "training or validation ", "a test example", "removes them"
    if dataset.get("folds", 1) > 1:
        which, copied, removes = "", "another one, so that a test example may be in training", "keeps one of each"
    if exact := counts.get("train_test"):
        what = "example equals" if exact == 1 else "examples equal"
        lines.append(f"{exact:,} {which}{what} {copied}; `--duplicates drop` {removes}.")
    if near := counts.get("near_train_test"):
        what = "example nearly equals" if near == 1 else "examples nearly equal"
        lines.append(
            f"{near:,} {which}{what} {copied} (shifted, encoded again or rounded); `--duplicates drop-near` {removes}."
        )
    return [f"{dataset['name']}: {line}" for line in lines]


def _majority_warnings(results: Results) -> list[str]:
    """Accuracies within the margin of a constant guess, which get no verdict."""
    share, margin = results["dataset"].get("majority_share") or 0.0, results.get("margin") or 0.0
    if verdict_metric(results).name != "accuracy" or share <= 1 - margin:
        return []
    return [
        f"{results['dataset']['name']}: accuracy gives no verdict, as none can exceed that of a constant guess by the "
        "margin; `--metric balanced_accuracy` or `--metric auroc` may."
    ]


def _leakage_problems(method: Results, chance: float | None) -> list[str]:
    """Accuracy above chance with permuted labels, which shows that test labels were used."""
    accuracy = method["test_accuracy"]
    low = finite_or_none((accuracy["ci95"] or [None])[0])
    too_few_seeds = len(accuracy["per_seed"]) < minimum_trainings(1)
    if not is_permuted(method) or chance is None or low is None or too_few_seeds or low <= chance + EQUIVALENCE_MARGIN:
        return []
    return [
        f"accuracy {format_mean_ci(accuracy, scale=100, decimals=2)} % with permuted labels, above the "
        f"{100 * chance:.2f} % of the most frequent class: test labels leak; use no number of this run "
        "before you know where."
    ]


def _training_problems(method: Results) -> list[str]:
    """Diverged seeds, probes that did not converge, and penalties at the edge of their grid, each with what to do."""
    probe, problems = method["probe"] or {}, []
    if diverged := diverged_seeds(method):
        when = ", ".join(f"{seed} (epoch {epoch})" for seed, epoch in diverged.items())
        n_seeds = len(method["test_accuracy"]["per_seed"])
        problems.append(f"{len(diverged)} of {n_seeds} seeds diverged: {when}; lower `--learning-rate`.")
    if unconverged := _seeds_where(done is not None and not done for done in probe.get("converged") or ()):
        gap = f", gap up to {_format_largest(probe['gap'], unconverged)} of the objective" if "gap" in probe else ""
        norm = _format_largest(probe["gradient_norm"], unconverged)
        problems.append(
            f"the probe did not converge for {_format_seeds(unconverged)}, gradient norm up to {norm}{gap}; fix a "
            "stronger penalty by a smaller `--probe-c`."
        )
    if is_permuted(method):  # for labels without meaning the strongest penalty is best
        return problems
    if edge := _seeds_where(probe.get("grid_edge") or ()):
        problems.append(
            f"the probe's best L2 lies at the edge of its grid for {_format_seeds(edge)}; fix others by `--probe-c` to "
            "see whether the result depends on it."
        )
    return problems


def _seeds_where(flags: Iterable[bool | None]) -> list[int]:
    return [seed for seed, flag in enumerate(flags) if flag]


def _format_largest(values: Sequence[float | None], seeds: Sequence[int]) -> str:
    finite = [value for seed in seeds if (value := finite_or_none(values[seed])) is not None]
    return format_significant(max(finite, default=None))


def _format_seeds(seeds: list[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"

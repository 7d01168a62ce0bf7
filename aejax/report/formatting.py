"""Results in words: each number as text with its digits and unit, the caption, and what a reader must be warned of.

The Markdown and the terminal tables both take their cells from here, so they cannot disagree.
"""

import math
from collections import Counter
from collections.abc import Sequence

from aejax.evaluate.comparisons import EQUIVALENCE_MARGIN, MIN_SEEDS
from aejax.report.results import Results, count_seeds, diverged_seeds, finite_or_none, is_permuted

MISSING = "—"
METHOD_HEADINGS = ("method", "d", "accuracy, %", "NLL, nats", "recon. MSE", "compile, s", "pretrain, s", "probe, s")
CODE_METRIC_HEADINGS = {
    "explained_variance": "variance explained",
    "l0": "units not zero",
    "dead_units": "dead units",
    "active_units": "active units",
    "elbo": "ELBO, nats",
    "importance_weighted": "IW bound, nats",
    "kl": "KL, nats",
}
SEEDS_HEADING, CROSSED_HEADING = "over seeds alone", "p crossed (Holm)"
COMPARISON_HEADINGS = ("autoencoder", "control", "difference, points", "95 % interval", "p (Holm)", "verdict")


def method_row(method: Results) -> list[str]:
    """One method under METHOD_HEADINGS."""
    recon_mse = method["reconstruction_mse"]
    seconds = method["seconds"]
    return [
        method["name"],
        str(method["features"]),
        format_mean_ci(method["test_accuracy"], scale=100, decimals=2),
        format_mean_ci(method["test_nll"], scale=1, decimals=3),
        MISSING if recon_mse is None else format_significant(recon_mse["mean"]),
        *(format_seconds(seconds[stage]) for stage in ("compile", "pretrain", "probe")),
    ]


def code_metric_names(results: Results) -> list[str]:
    """The measures that some method has, in the order of CODE_METRIC_HEADINGS."""
    found = {name for method in results["methods"] for name in method.get("measures", {})}
    return [name for name in CODE_METRIC_HEADINGS if name in found]


def code_metric_row(method: Results, names: Sequence[str]) -> list[str]:
    """One autoencoder's code: its width and these measures."""
    measures = method["measures"]
    values = [format_significant(measures[name]["mean"]) if name in measures else MISSING for name in names]
    return [method["name"], str(method["features"]), *values]


def comparison_headings(results: Results) -> tuple[str, ...]:
    """COMPARISON_HEADINGS, with the interval over seeds alone and the crossed p where these results have them."""
    *first, p, verdict = COMPARISON_HEADINGS
    if not any("ci95_seeds" in row for row in results["comparisons"]):
        return COMPARISON_HEADINGS
    return (*first, SEEDS_HEADING, p, CROSSED_HEADING, verdict)


def comparison_row(comparison: Results) -> list[str]:
    """One comparison under `comparison_headings`."""
    return [
        comparison["method"],
        comparison["baseline"],
        format_points(comparison["mean_difference"]),
        format_points_ci(comparison["ci95"]),
        *([format_points_ci(comparison["ci95_seeds"])] if "ci95_seeds" in comparison else []),
        format_p_value(comparison["p_holm"]),
        *([format_p_value(comparison["p_crossed_holm"])] if "p_crossed_holm" in comparison else []),
        comparison["verdict"],
    ]


def format_mean_ci(summary: Results, *, scale: float, decimals: int) -> str:
    """A mean and its interval, multiplied by `scale`: `95.31 [94.90, 95.70]`."""
    mean = finite_or_none(summary["mean"])
    if mean is None:
        return MISSING
    bounds = [finite_or_none(bound) for bound in summary["ci95"] or ()]
    text = f"{scale * mean:.{decimals}f}"
    within = ", ".join(f"{scale * bound:.{decimals}f}" for bound in bounds if bound is not None)
    return text if not bounds or None in bounds else f"{text} [{within}]"


def format_points(difference: float | None) -> str:
    """A difference of fractions in percentage points, always signed: `+0.42`."""
    value = finite_or_none(difference)
    return MISSING if value is None else f"{100 * value:+z.2f}"


def format_points_ci(bounds: Sequence[float | None] | None) -> str:
    """An interval of such differences: `[+0.10, +0.75]`."""
    if bounds is None or None in [finite_or_none(bound) for bound in bounds]:
        return MISSING
    return f"[{', '.join(format_points(bound) for bound in bounds)}]"


def format_p_value(p: float | None) -> str:
    """Three decimals; below them only that it is below."""
    value = finite_or_none(p)
    if value is None:
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def format_significant(value: float | None) -> str:
    """Three significant digits, for quantities whose scale depends on the data."""
    finite = finite_or_none(value)
    if finite is None:
        return MISSING
    return "0" if finite == 0 else f"{finite:#.3g}".removesuffix(".")


def format_seconds(seconds: float | None) -> str:
    """Seconds: a tenth is as fine as a reader can use, and below it only that it is below."""
    value = finite_or_none(seconds)
    if value is None or value == 0:
        return MISSING
    if value < 0.05:
        return "<0.1"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def results_caption(results: Results) -> str:
    """What the numbers are of: data, seeds, what the intervals cover, and the command, machine and time they took."""
    dataset, environment = results["dataset"], results["environment"]
    seeds = count_seeds(results)
    covers = results.get("interval", "the mean over the seeds")  # the statistics may say it more exactly
    sentences = [
        f"{dataset['name']}: {dataset['n_train']:,} training, {dataset['n_valid']:,} validation"
        f" and {dataset['n_test']:,} test examples; {seeds} {'seed' if seeds == 1 else 'seeds'}.",
        *_label_sentences(dataset),
        f"Accuracy and NLL are on the test examples; [brackets] are 95 % intervals of {covers}.",
    ]
    sentences += _test_sentences(results)
    if code_metric_names(results):
        sentences.append(
            "Variance explained is of the test examples by their reconstructions; units not zero are a mean over test "
            "examples; dead units are zero for every training example; active ones vary by more than 0.01."
        )
    if any(method.get("neighbours") for method in results["methods"]):
        sentences.append(
            "knn classifies by shares of votes, (votes + 1) / (k + classes), so its NLL is coarse where k is small."
        )
    made = [f"by `{environment['command']}`"] if environment.get("command") else []
    made += [f"on {environment['machine']}"] if environment.get("machine") else []
    made += [f"in {format_seconds(environment['seconds'])} s"] if environment.get("seconds") else []
    if made:
        sentences.append(f"Made {' '.join(made)}.")
    return " ".join(sentences)


def _test_sentences(results: Results) -> list[str]:
    """What the comparisons' columns are of, where the results say it."""
    comparisons, margin = results["comparisons"], results.get("margin")
    if not comparisons or margin is None:
        return []
    covers = results.get("intervals", {}).get("ci95_seeds")
    sentences = [f"{SEEDS_HEADING.capitalize()}: {covers}."] if covers else []
    sentences += [
        f"p: {comparisons[0]['test']}; p crossed: of the interval over seeds and examples; both adjusted by Holm over "
        "one autoencoder's comparisons, and better or worse needs both below .05.",
        f"Declared margin of no practical difference: {100 * margin:g} points of accuracy.",
    ]
    family = max(Counter(comparison["method"] for comparison in comparisons).values())
    if 2 * family / 2 ** count_seeds(results) >= 0.05 and count_seeds(results) > 1:
        enough = math.ceil(math.log2(2 * family / 0.05))
        sentences.append(f"With {family} comparisons of one autoencoder, p can be below .05 from {enough} seeds on.")
    return sentences


def collect_warnings(results: Results) -> list[str]:
    """One line for each thing that went less than well; none where all went well."""
    lines = _leakage_warnings(results)
    for method in results["methods"]:
        name, probe = method["name"], method["probe"] or {}
        diverged = diverged_seeds(method)
        if diverged:
            when = ", ".join(f"{seed} (epoch {epoch})" for seed, epoch in diverged.items())
            lines.append(f"{name}: {len(diverged)} of {count_seeds(results)} seeds diverged: {when}.")
        unconverged = [seed for seed, done in enumerate(probe.get("converged") or ()) if done is not None and not done]
        if unconverged:
            worst = _format_worst(probe["gradient_norm"], unconverged)
            gap = f", gap up to {_format_worst(probe['gap'], unconverged)} of the objective" if "gap" in probe else ""
            lines.append(
                f"{name}: the probe did not converge for {_format_seeds(unconverged)}; "
                f"gradient norm up to {worst}{gap}."
            )
        edge = [seed for seed, at_edge in enumerate(probe.get("grid_edge") or ()) if at_edge]
        if edge and not is_permuted(method):  # of labels that mean nothing the strongest penalty makes most
            lines.append(f"{name}: the probe's best L2 lies at the edge of its grid for {_format_seeds(edge)}.")
        beyond = [seed for seed, extended in enumerate(probe.get("grid_extended") or ()) if extended]
        if beyond and not is_permuted(method):
            lines.append(f"{name}: the probe's grid of L2 was extended beyond its edge for {_format_seeds(beyond)}.")
    return lines


def _label_sentences(dataset: Results) -> list[str]:
    """How many labels classifiers saw, if not all; and what was left out."""
    sentences = []
    train, valid = (dataset.get(f"n_labelled_{role}") for role in ("train", "valid"))
    if train is not None and valid is not None and train + valid < dataset["n_train"] + dataset["n_valid"]:
        sentences.append(f"Classifiers saw {train + valid:,} labels: {train:,} to fit and {valid:,} to choose by.")
    if dropped := (dataset.get("duplicates") or {}).get("dropped"):
        sentences.append(f"Left out of training and validation: {dropped:,} that equal a test example.")
    return sentences


def _leakage_warnings(results: Results) -> list[str]:
    """What looks as if the test had been seen."""
    dataset = results["dataset"]
    duplicates, chance = dataset.get("duplicates") or {}, dataset.get("majority_share")
    lines = []
    if count := duplicates.get("train_test"):
        lines.append(
            f"{dataset['name']}: {count:,} {'example' if count == 1 else 'examples'} outside the test equal a test "
            "example; `--duplicates drop` leaves them out."
        )
    for method in results["methods"]:
        low = finite_or_none((method["test_accuracy"]["ci95"] or [None])[0])
        judged = is_permuted(method) and chance is not None and count_seeds(results) >= MIN_SEEDS
        if judged and low is not None and low > chance + EQUIVALENCE_MARGIN:
            lines.append(
                f"{method['name']}: accuracy {format_mean_ci(method['test_accuracy'], scale=100, decimals=2)} % with "
                f"permuted labels, above the {100 * chance:.2f} % of the most frequent class: test labels leak."
            )
    return lines


def _format_worst(values: Sequence[float | None], seeds: Sequence[int]) -> str:
    found = [finite_or_none(values[seed]) for seed in seeds]
    return format_significant(max((value for value in found if value is not None), default=None))


def _format_seeds(seeds: list[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"

"""Results in words: each number as text with its digits and unit, the caption, and what a reader must be warned of.

The Markdown and the terminal tables both take their cells from here, so they cannot disagree.
"""

import math
from collections import Counter
from collections.abc import Sequence

from aejax.evaluate.statistics import MARGIN, MIN_SEEDS
from aejax.report.results import Results, diverged_seeds, is_permuted, number, seed_count

MISSING = "—"
METHOD_HEADINGS = ("method", "d", "accuracy, %", "NLL, nats", "recon. MSE", "compile, s", "pretrain, s", "probe, s")
MEASURE_HEADINGS = {
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


def method_cells(method: Results) -> list[str]:
    """One method under METHOD_HEADINGS."""
    recon_mse = method["reconstruction_mse"]
    seconds = method["seconds"]
    return [
        method["name"],
        str(method["features"]),
        with_interval(method["test_accuracy"], scale=100, decimals=2),
        with_interval(method["test_nll"], scale=1, decimals=3),
        MISSING if recon_mse is None else three_digits(recon_mse["mean"]),
        *(duration(seconds[stage]) for stage in ("compile", "pretrain", "probe")),
    ]


def measured(results: Results) -> list[str]:
    """The measures that some method has, in the order of MEASURE_HEADINGS."""
    found = {name for method in results["methods"] for name in method.get("measures", {})}
    return [name for name in MEASURE_HEADINGS if name in found]


def measure_cells(method: Results, names: Sequence[str]) -> list[str]:
    """One autoencoder's code: its width and these measures."""
    measures = method["measures"]
    values = [three_digits(measures[name]["mean"]) if name in measures else MISSING for name in names]
    return [method["name"], str(method["features"]), *values]


def comparison_headings(results: Results) -> tuple[str, ...]:
    """COMPARISON_HEADINGS, with the interval over seeds alone and the crossed p where these results have them."""
    *first, p, verdict = COMPARISON_HEADINGS
    if not any("ci95_seeds" in row for row in results["comparisons"]):
        return COMPARISON_HEADINGS
    return (*first, SEEDS_HEADING, p, CROSSED_HEADING, verdict)


def comparison_cells(comparison: Results) -> list[str]:
    """One comparison under `comparison_headings`."""
    return [
        comparison["method"],
        comparison["baseline"],
        points(comparison["mean_difference"]),
        points_interval(comparison["ci95"]),
        *([points_interval(comparison["ci95_seeds"])] if "ci95_seeds" in comparison else []),
        p_value(comparison["p_holm"]),
        *([p_value(comparison["p_crossed_holm"])] if "p_crossed_holm" in comparison else []),
        comparison["verdict"],
    ]


def with_interval(summary: Results, *, scale: float, decimals: int) -> str:
    """A mean and its interval, multiplied by `scale`: `95.31 [94.90, 95.70]`."""
    mean = number(summary["mean"])
    if mean is None:
        return MISSING
    bounds = [number(bound) for bound in summary["ci95"] or ()]
    text = f"{scale * mean:.{decimals}f}"
    within = ", ".join(f"{scale * bound:.{decimals}f}" for bound in bounds if bound is not None)
    return text if not bounds or None in bounds else f"{text} [{within}]"


def points(difference: float | None) -> str:
    """A difference of fractions in percentage points, always signed: `+0.42`."""
    value = number(difference)
    return MISSING if value is None else f"{100 * value:+z.2f}"


def points_interval(bounds: Sequence[float | None] | None) -> str:
    """An interval of such differences: `[+0.10, +0.75]`."""
    if bounds is None or None in [number(bound) for bound in bounds]:
        return MISSING
    return f"[{', '.join(points(bound) for bound in bounds)}]"


def p_value(p: float | None) -> str:
    """Three decimals; below them only that it is below."""
    value = number(p)
    if value is None:
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def three_digits(value: float | None) -> str:
    """Three significant digits, for quantities whose scale depends on the data."""
    finite = number(value)
    if finite is None:
        return MISSING
    return "0" if finite == 0 else f"{finite:#.3g}".removesuffix(".")


def duration(seconds: float | None) -> str:
    """Seconds: a tenth is as fine as a reader can use, and below it only that it is below."""
    value = number(seconds)
    if value is None or value == 0:
        return MISSING
    if value < 0.05:
        return "<0.1"
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def caption(results: Results) -> str:
    """What the numbers are of: data, seeds, what the intervals cover, and the command, machine and time they took."""
    dataset, environment = results["dataset"], results["environment"]
    seeds = seed_count(results)
    covers = results.get("interval", "the mean over the seeds")  # the statistics may say it more exactly
    sentences = [
        f"{dataset['name']}: {dataset['n_train']:,} training, {dataset['n_valid']:,} validation"
        f" and {dataset['n_test']:,} test examples; {seeds} {'seed' if seeds == 1 else 'seeds'}.",
        *_labels(dataset),
        f"Accuracy and NLL are on the test examples; [brackets] are 95 % intervals of {covers}.",
    ]
    sentences += _judged(results)
    if measured(results):
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
    made += [f"in {duration(environment['seconds'])} s"] if environment.get("seconds") else []
    if made:
        sentences.append(f"Made {' '.join(made)}.")
    return " ".join(sentences)


def _judged(results: Results) -> list[str]:
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
    if 2 * family / 2 ** seed_count(results) >= 0.05 and seed_count(results) > 1:
        enough = math.ceil(math.log2(2 * family / 0.05))
        sentences.append(f"With {family} comparisons of one autoencoder, p can be below .05 from {enough} seeds on.")
    return sentences


def flags(results: Results) -> list[str]:
    """One line for each thing that went less than well; none where all went well."""
    lines = _suspicions(results)
    for method in results["methods"]:
        name, probe = method["name"], method["probe"] or {}
        diverged = diverged_seeds(method)
        if diverged:
            when = ", ".join(f"{seed} (epoch {epoch})" for seed, epoch in diverged.items())
            lines.append(f"{name}: {len(diverged)} of {seed_count(results)} seeds diverged: {when}.")
        unconverged = [seed for seed, done in enumerate(probe.get("converged") or ()) if done is not None and not done]
        if unconverged:
            worst = _worst(probe["gradient_norm"], unconverged)
            gap = f", gap up to {_worst(probe['gap'], unconverged)} of the objective" if "gap" in probe else ""
            lines.append(
                f"{name}: the probe did not converge for {_seeds(unconverged)}; gradient norm up to {worst}{gap}."
            )
        edge = [seed for seed, at_edge in enumerate(probe.get("grid_edge") or ()) if at_edge]
        if edge and not is_permuted(method):  # of labels that mean nothing the strongest penalty makes most
            lines.append(f"{name}: the probe's best L2 lies at the edge of its grid for {_seeds(edge)}.")
        beyond = [seed for seed, extended in enumerate(probe.get("grid_extended") or ()) if extended]
        if beyond and not is_permuted(method):
            lines.append(f"{name}: the probe's grid of L2 was extended beyond its edge for {_seeds(beyond)}.")
    return lines


def _labels(dataset: Results) -> list[str]:
    """How many labels classifiers saw, if not all; and what was left out."""
    sentences = []
    train, valid = (dataset.get(f"n_labelled_{role}") for role in ("train", "valid"))
    if train is not None and valid is not None and train + valid < dataset["n_train"] + dataset["n_valid"]:
        sentences.append(f"Classifiers saw {train + valid:,} labels: {train:,} to fit and {valid:,} to choose by.")
    if dropped := (dataset.get("duplicates") or {}).get("dropped"):
        sentences.append(f"Left out of training and validation: {dropped:,} that equal a test example.")
    return sentences


def _suspicions(results: Results) -> list[str]:
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
        low = number((method["test_accuracy"]["ci95"] or [None])[0])
        judged = is_permuted(method) and chance is not None and seed_count(results) >= MIN_SEEDS
        if judged and low is not None and low > chance + MARGIN:
            lines.append(
                f"{method['name']}: accuracy {with_interval(method['test_accuracy'], scale=100, decimals=2)} % with "
                f"permuted labels, above the {100 * chance:.2f} % of the most frequent class: test labels leak."
            )
    return lines


def _worst(values: Sequence[float | None], seeds: Sequence[int]) -> str:
    found = [number(values[seed]) for seed in seeds]
    return three_digits(max((value for value in found if value is not None), default=None))


def _seeds(seeds: list[int]) -> str:
    return f"{'seed' if len(seeds) == 1 else 'seeds'} {', '.join(map(str, seeds))}"

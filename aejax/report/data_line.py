"""What was understood of the data, in one line: rows, features, label, classes, and what was chosen or left out."""

import re

from aejax.errors import escape_unprintable
from aejax.report.results import Results

MAX_NAMED_CLASSES = 5  # with more classes only the smallest and the largest number of rows are shown
PROSE_MARKS = re.compile(r"([\\`*$~]|<(?=[A-Za-z/!?])|\[(?=[^\]]*\]\s*[(\[])|(?<![^\W_])_|_(?![^\W_]))")
MARKDOWN_MARKS = re.compile(r"([\\`*_\[\]<>|#~$])")


def format_data_line(dataset: Results) -> str:
    """Returns the line from `dataset` of `results.json`; an empty one for results of earlier versions.

    >>> wines = {"name": "a.csv", "rows": 15, "features": 4, "class_names": ["a", "b"], "class_counts": [10, 5]}
    >>> format_data_line({**wines, "label_source": "last column", "notes": ["dropped: 'Id'"]})
    "data: a.csv, 15 rows, 4 features; label: last column, 2 classes (a: 10, b: 5; majority 66.7 %); dropped: 'Id'"
    """
    if "rows" not in dataset:
        return ""
    sizes = f"data: {dataset['name']}, {_count(dataset['rows'], 'row')}, {_count(dataset['features'], 'feature')}"
    parts = [sizes, f"label: {_format_label(dataset)}"]
    if dataset.get("unlabelled") and len(dataset["class_counts"]) > 1:
        parts.append(f"{_count(dataset['unlabelled'], 'row')} without a label, for autoencoders only")
    if dataset.get("groups"):
        parts.append(f"{_count(dataset['groups'], 'group')} that no split divides")
    parts += filter(
        None, [_format_regime(dataset), _format_folds(dataset), dataset.get("layout"), *dataset.get("notes", ())]
    )
    return escape_unprintable("; ".join(parts))


def _format_regime(dataset: Results) -> str:
    """Returns how the labels of training and validation were changed.

    >>> _format_regime({"labelled_class_counts": [90, 9], "wrong_labels": [0.19, 0.21]})
    'labels for training: 90 to 9 per class, 20.0 % of them wrong'
    """
    counts = dataset.get("labelled_class_counts")
    wrong = [share for share in dataset.get("wrong_labels", ()) if share is not None]
    sizes = f"{counts[0]:,} to {counts[-1]:,} per class" if counts else ""
    noise = f"{100 * sum(wrong) / len(wrong):.1f} % of them wrong" if wrong else ""
    changes = ", ".join(filter(None, [sizes, noise]))
    return f"labels for training: {changes}" if changes else ""


def _format_folds(dataset: Results) -> str:
    """Returns how trainings are tested in cross-validation; nothing for one test set."""
    folds, repetitions, trainings = (dataset.get(name, 1) for name in ("folds", "repetitions", "trainings"))
    if folds == 1:
        return ""
    parts = [f"test: {repetitions} x {folds}-fold cross-validation, {_count(dataset['n_test'], 'row')} each"]
    if trainings < repetitions * folds:
        parts.append(f"of which {trainings} {'fold is' if trainings == 1 else 'folds are'} used")
    if unused := dataset.get("unused_in_folds"):
        parts.append(f"up to {_count(unused, 'row')} of larger folds left out")
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _format_label(dataset: Results) -> str:
    """Returns where labels come from, and the classes with their rows."""
    counts, source = dataset["class_counts"], dataset.get("label_source")
    if len(counts) < 2:
        return "none"
    return ", ".join(filter(None, [source, _format_classes(counts, dataset["class_names"])]))


def _format_classes(counts: list[int], names: list[str]) -> str:
    low, high = min(counts), max(counts)
    majority = f"majority {100 * high / max(1, sum(counts)):.1f} %"
    if low == high:
        return f"{len(counts)} classes of {low:,} each ({majority})"
    if len(counts) > MAX_NAMED_CLASSES:
        return f"{len(counts):,} classes of {low:,} to {high:,} rows ({majority})"
    each = ", ".join(f"{name}: {count:,}" for name, count in zip(names, counts, strict=True))
    return f"{len(counts)} classes ({each}; {majority})"


def format_data_warnings(dataset: Results) -> list[str]:
    """Returns the suspicions about the data, each on one line."""
    return [escape_unprintable(warning) for warning in dataset.get("warnings") or ()]


def data_markdown(dataset: Results) -> list[str]:
    """Returns the line, and the suspicions as a list, as paragraphs of Markdown; none for earlier results."""
    line, warnings = format_data_line(dataset), format_data_warnings(dataset)
    bullets = "\n".join(f"- ⚠ {escape_markdown(warning)}" for warning in warnings)
    return [paragraph for paragraph in (escape_markdown(line), bullets) if paragraph]


def escape_prose(text: str) -> str:
    r"""Returns a paragraph or a cell with names from data in it, whose marks outside of `code` Markdown shows.

    >>> print(escape_prose("`--flag *`: 95.3 [94.9, 95.7] of <b>$x$</b> [a](b) a_b _c_"))
    `--flag *`: 95.3 [94.9, 95.7] of \<b>\$x\$\</b> \[a](b) a_b \_c\_
    """
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if index % 2 else PROSE_MARKS.sub(r"\\\1", part) for index, part in enumerate(parts))


def escape_markdown(text: str) -> str:
    r"""Returns text whose marks Markdown shows instead of reading them.

    >>> print(escape_markdown("a_b <c>"))
    a\_b \<c\>
    """
    return MARKDOWN_MARKS.sub(r"\\\1", text)

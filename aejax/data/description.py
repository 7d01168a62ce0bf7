"""What a reader understood of its source: layout, label, notes and warnings; and the training data of an encoder."""

import dataclasses

from aejax.data.table_schema import TableSchema


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataDescription:
    """What was read, for the line printed before training, `results.json` and the report."""

    label_source: str = ""  # where labels come from and why: "column 'species'", "last column of 23 (no header)"
    layout: str = ""  # "CSV with header, comma-separated", "images 28x28x1, channels last"
    notes: tuple[str, ...] = ()  # what was chosen, dropped or encoded: one short phrase each
    warnings: tuple[str, ...] = ()  # suspicions: each a sentence that ends with the flag that acts on it


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The dataset that a published encoder was trained on."""

    dataset_sha256: str = ""  # empty: not known
    table: TableSchema | None = None  # its columns, if it was a table

"""Tables that tests write, and what is read from them."""

from pathlib import Path

import numpy as np
import pandas as pd
from loading import load_error

from aejax.data.dataset import Dataset

ROWS = [f"{i},{i / 2},{'ab'[i % 2]}" for i in range(8)]
N = 30
NUMBERS = np.arange(N)
CLASSES = NUMBERS % 3


def write(tmp_path: Path, text: str | bytes, name: str = "set.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def save(tmp_path: Path, frame: pd.DataFrame, name: str = "set.csv", **options: object) -> Path:
    frame.to_csv(tmp_path / name, **{"index": False, **options})
    return tmp_path / name


def refusal(path: Path, **config: object) -> str:
    message = load_error(path, **config)
    assert str(path) in message
    return message


def table(line: str = "", at: int = 4, header: str = "width,height,kind") -> str:
    rows = [header, *ROWS]
    rows[at:at] = [line] if line else []
    return "\n".join(rows)


def labels_of(dataset: Dataset) -> list[str]:
    return [dataset.class_names[label] for label in dataset.labels]

"""TFDS sets that cannot be used are rejected with the reason and the fix."""

import numpy as np
import pytest
from tiny_tfds import (
    FLAT,
    IMAGES,
    NUMBERS,
    PICTURE,
    RECORDS,
    TWO_LABELS,
    TWO_RECORDS,
    feature_types,
    png,
    tfds_error,
    write,
)

UNLABELLED = [*RECORDS[:-2], *({**record, "label": -1} for record in RECORDS[-2:])]
UNSUITABLE_SETS = {
    "no class feature": (
        {**PICTURE, "label": feature_types.Text()},
        [record | {"label": "x"} for record in RECORDS],
        "--label-column, expected one of image, label",
    ),
    "no training split": (
        PICTURE,
        {"a": RECORDS[:15], "b": RECORDS[15:]},
        "has splits a, b; expected one called train",
    ),
    "two class features": (TWO_LABELS, TWO_RECORDS, "--label-column, expected one of image, label, size"),
    "two images": (
        {**PICTURE, "mask": PICTURE["image"]},
        [record | {"mask": record["image"]} for record in RECORDS],
        "its inputs are image and mask; expected one image",
    ),
    "text among the inputs": (
        {**FLAT, "name": feature_types.Text()},
        [record | {"name": "x"} for record in NUMBERS],
        "feature name is Text",
    ),
    "a class among the inputs": (
        {"a": FLAT["a"], "sex": FLAT["kind"], "kind": feature_types.Scalar(np.int64)},
        [{"a": i, "sex": i % 2, "kind": i % 2} for i in range(12)],
        "feature sex is",
        {"label": "kind"},
    ),
    "a sequence": (
        {"a": feature_types.Sequence(np.float32), "kind": FLAT["kind"]},
        [{"a": [1.0] * i, "kind": i % 2} for i in range(12)],
        "feature a is Sequence",
    ),
    "no inputs": ({"kind": FLAT["kind"]}, [{"kind": i % 2} for i in range(12)], "no features besides kind"),
    "16-bit images": (
        {**PICTURE, "image": feature_types.Image(shape=(4, 5, 1), dtype=np.uint16)},
        [{**record, "image": png(IMAGES[0].astype(np.uint16))} for record in RECORDS],
        "uint16 pixels",
    ),
    "records without a label": (PICTURE, UNLABELLED, "2 of 30 records have no label, such as [-1]"),
    "a damaged image": (PICTURE, [*RECORDS, {"image": RECORDS[0]["image"][:50], "label": 0}], "damaged"),
    "another size": (FLAT, NUMBERS, "--image-size 3: tfds:tiny holds no encoded images", {"image_size": 3}),
}


@pytest.mark.parametrize("case", UNSUITABLE_SETS)
def test_unsuitable_sets_are_rejected(tmp_path, case):
    features, records, mentioned, *options = UNSUITABLE_SETS[case]
    write(tmp_path, features, records if isinstance(records, dict) else {"train": records})
    message = tfds_error("tiny", tmp_path, **dict(*options))
    assert message.startswith(("tfds:tiny", "--image-size"))
    assert mentioned in message


@pytest.mark.parametrize("name", ["", "a b", "../mnist", "mnist:", "a/b/c", "huggingface:mnist", "mnist/split=3"])
def test_malformed_names_are_rejected(tmp_path, name):
    assert "not a name; expected tfds:NAME" in tfds_error(name, tmp_path)


def test_an_unknown_set_gets_suggestions(tmp_path):
    write(tmp_path)
    assert "did you mean tiny" in tfds_error("tny", tmp_path)
    assert "did you mean cifar" in tfds_error("cifr10", tmp_path)
    message = tfds_error("tiny:9.9.9", tmp_path)
    assert f"tfds:tiny:9.9.9: neither prepared in {tmp_path}" in message


def test_damaged_files_are_rejected_with_their_folder(tmp_path):
    folder = write(tmp_path)
    (records,) = folder.glob("*array_record*")
    content = records.read_bytes()
    for damaged in (content[: len(content) // 2], b"", content.replace(b"IHDR", b"IHDr", 1)):
        records.write_bytes(damaged)
        message = tfds_error("tiny", tmp_path)
        assert message.startswith(f"{folder}: ")
        assert "delete that folder" in message
    records.write_bytes(content)
    (folder / "dataset_info.json").write_text("{")
    assert f"delete {tmp_path / 'tiny'} if it is damaged" in tfds_error("tiny", tmp_path)


def test_a_label_without_a_class_name_is_rejected(tmp_path):
    features = {**PICTURE, "label": feature_types.ClassLabel(names=["red", "green", "blue"])}
    folder = write(tmp_path, features)
    (folder / "label.labels.txt").write_text("red\n")
    assert "20 of 30 records have no label, such as [1]" in tfds_error("tiny", tmp_path)

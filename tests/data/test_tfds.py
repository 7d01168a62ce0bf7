"""Sets that TFDS has prepared are read to the bit, without TensorFlow; what cannot be read says what would help."""

import importlib.util
import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from aejax.config import DataConfig
from aejax.data.sources import load
from aejax.data.stream.source import Source
from aejax.data.stream.tfds import open_tfds
from aejax.data.tfds import prepare
from aejax.data.tfds_set import load_tfds
from aejax.errors import InputError

kinds = tfds.features
OFFLINE = tfds.download.DownloadConfig(try_download_gcs=False)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (30, 4, 5), dtype=np.uint8)
LABELS = np.arange(30) % 3
COLOURS = ("red", "green", "blue")
PICTURE = {"image": kinds.Image(shape=(4, 5, 1)), "label": kinds.ClassLabel(names=COLOURS)}
needs_no_tensorflow = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None, reason="what is said without TensorFlow, which is installed"
)


def png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


RECORDS = [{"image": png(image), "label": int(label)} for image, label in zip(IMAGES, LABELS, strict=True)]


def builder_class(features, splits, supervised=None, version="1.0.0", config=None):
    """A builder that TFDS does not know by name; a subclass of it, it does."""

    class Tiny(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        name = "tiny"
        VERSION = tfds.core.Version(version)
        BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=config)] if config else []

        def _info(self):
            return tfds.core.DatasetInfo(
                builder=self, features=kinds.FeaturesDict(features), supervised_keys=supervised
            )

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(records) for split, records in splits.items()}

        def _generate_examples(self, records):
            yield from enumerate(records)

    return Tiny


def write(root: Path, features=None, splits=None, **options) -> Path:
    """A prepared set called `tiny`, with the code that made it forgotten."""
    builder = builder_class(features or PICTURE, splits or {"train": RECORDS}, **options)(data_dir=root)
    builder.download_and_prepare(file_format="array_record", download_config=OFFLINE)
    return Path(builder.data_dir)


def refusal(name: str, root: Path, **options) -> str:
    with pytest.raises(InputError) as caught:
        load_tfds(name, root, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def pairs(images: np.ndarray, labels: np.ndarray) -> list[tuple[bytes, int]]:
    return sorted((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))


def test_a_set_of_images_has_the_examples_it_was_prepared_from(tmp_path, capfd):
    write(tmp_path, splits={"train": RECORDS[:20], "test": RECORDS[20:], "extra": RECORDS})
    capfd.readouterr()
    dataset = load(DataConfig(dataset="tfds:tiny", data_dir=tmp_path))
    assert capfd.readouterr() == ("", "")
    assert (dataset.name, dataset.shape, dataset.value_range) == ("tiny", (4, 5, 1), (0, 255))
    assert (dataset.inputs.dtype, dataset.class_names) == (np.uint8, COLOURS)
    np.testing.assert_array_equal(dataset.test_rows, np.arange(20, 30))
    assert pairs(dataset.inputs[:20], dataset.labels[:20]) == pairs(IMAGES[:20], LABELS[:20])
    assert pairs(dataset.inputs[20:], dataset.labels[20:]) == pairs(IMAGES[20:], LABELS[20:])


def test_the_order_is_that_of_tfds_itself(tmp_path):
    folder = write(tmp_path)
    records = tfds.builder_from_directory(folder).as_data_source(split="train")
    dataset = load_tfds("tiny", tmp_path)
    np.testing.assert_array_equal(dataset.inputs, np.stack([record["image"] for record in records]))
    np.testing.assert_array_equal(dataset.labels, [record["label"] for record in records])


def test_blocks_of_records_follow_each_other(tmp_path, monkeypatch):
    write(tmp_path)
    whole = load_tfds("tiny", tmp_path).sha256
    monkeypatch.setattr("aejax.data.tfds.BLOCK_RECORDS", 7)
    assert load_tfds("tiny", tmp_path).sha256 == whole


@pytest.mark.parametrize(
    ("splits", "n", "test"),
    [
        pytest.param({"train": 20, "validation": 4, "test": 6}, 26, 6, id="test goes before validation"),
        pytest.param({"train": 20, "validation": 4}, 24, 4, id="validation, without a test"),
        pytest.param({"train": 20}, 20, None, id="train alone"),
        pytest.param({"everything": 20}, 20, None, id="one split of another name"),
    ],
)
def test_the_official_test_is_the_test_split_else_the_validation_split(tmp_path, splits, n, test):
    write(tmp_path, splits={name: RECORDS[:size] for name, size in splits.items()})
    dataset = load_tfds("tiny", tmp_path)
    assert dataset.n == n
    assert (dataset.test_rows is None) if test is None else dataset.test_rows.tolist() == list(range(n - test, n))


def test_name_config_and_version_say_which(tmp_path):
    for version, config, first in (("1.0.0", "wide", 0), ("2.0.0", "wide", 6), ("2.0.0", "narrow", 12)):
        write(tmp_path, splits={"train": RECORDS[first:]}, version=version, config=config)
    sizes = {name: load_tfds(name, tmp_path).n for name in ("tiny/wide:1.0.0", "tiny/wide", "tiny/narrow:2.0.0")}
    assert sizes == {"tiny/wide:1.0.0": 30, "tiny/wide": 24, "tiny/narrow:2.0.0": 18}


def test_images_of_several_sizes_are_resized_or_refused(tmp_path):
    sizes = [{"image": png(np.zeros((3 + i % 2, 5), np.uint8)), "label": i % 3} for i in range(12)]
    write(tmp_path, {**PICTURE, "image": kinds.Image(shape=(None, None, 1))}, {"train": sizes})
    assert load_tfds("tiny", tmp_path, image_size=2).shape == (2, 2, 1)
    message = refusal("tiny", tmp_path)
    assert "tfds:tiny: images of 2 sizes" in message
    assert "--image-size" in message


NUMBERS = [{"a": i / 4, "b": i, "c": [i, i + 1.0, i + 2.0], "kind": i % 2} for i in range(12)]
FLAT = {
    "a": kinds.Scalar(np.float32),
    "b": kinds.Scalar(np.int64),
    "c": kinds.Tensor(shape=(3,), dtype=np.float32),
    "kind": kinds.ClassLabel(names=["no", "yes"]),
}


def test_numbers_lie_side_by_side_under_their_names(tmp_path):
    write(tmp_path, FLAT, {"train": NUMBERS})
    dataset = load_tfds("tiny", tmp_path)
    assert dataset.feature_names == ("a", "b", "c[0]", "c[1]", "c[2]")
    assert (dataset.inputs.dtype, dataset.value_range, dataset.class_names) == (np.float32, None, ("no", "yes"))
    order = np.argsort(dataset.inputs[:, 1])
    np.testing.assert_array_equal(dataset.inputs[order], [[i / 4, i, i, i + 1, i + 2] for i in range(12)])
    np.testing.assert_array_equal(dataset.labels[order], np.arange(12) % 2)


def test_nested_numbers_are_found(tmp_path):
    nested = [{"wine": {"acid": i, "sugar": 2 * i}, "id": "x", "kind": i % 2} for i in range(12)]
    features = {
        "wine": kinds.FeaturesDict({"acid": kinds.Scalar(np.int32), "sugar": kinds.Scalar(np.int32)}),
        "id": kinds.Text(),
        "kind": FLAT["kind"],
    }
    write(tmp_path, features, {"train": nested}, supervised=("wine", "kind"))
    dataset = load_tfds("tiny", tmp_path)
    assert dataset.feature_names == ("wine/acid", "wine/sugar")
    np.testing.assert_array_equal(dataset.inputs[:, 1], 2 * dataset.inputs[:, 0])


@pytest.mark.parametrize(("dtype", "value_range"), [(np.uint8, (0, 255)), (np.float32, None)])
def test_a_single_feature_keeps_its_shape(tmp_path, dtype, value_range):
    features = {"pixels": kinds.Tensor(shape=(2, 3, 1), dtype=dtype), "kind": FLAT["kind"]}
    records = [{"pixels": np.full((2, 3, 1), i, dtype), "kind": i % 2} for i in range(12)]
    write(tmp_path, features, {"train": records})
    dataset = load_tfds("tiny", tmp_path)
    assert (dataset.shape, dataset.inputs.dtype, dataset.value_range) == ((2, 3, 1), dtype, value_range)
    assert sorted(dataset.inputs[:, 0, 0, 0]) == list(range(12))


TWO_LABELS = {**PICTURE, "size": kinds.ClassLabel(names=["small", "large"])}
TWO_RECORDS = [record | {"size": i % 2} for i, record in enumerate(RECORDS)]


@pytest.mark.parametrize(
    ("supervised", "label", "expected"),
    [
        pytest.param(("image", "size"), None, ("small", "large"), id="the set's own word"),
        pytest.param(("image", "size"), "label", COLOURS, id="the flag goes before it"),
        pytest.param(None, "size", ("small", "large"), id="the flag, where the set does not say"),
    ],
)
def test_the_label_is_the_one_that_is_asked_for(tmp_path, supervised, label, expected):
    write(tmp_path, TWO_LABELS, {"train": TWO_RECORDS}, supervised=supervised)
    dataset = load(DataConfig(dataset="tfds:tiny", data_dir=tmp_path, label_column=label))
    assert dataset.class_names == expected


def test_only_classes_that_occur_count(tmp_path):
    write(tmp_path, splits={"train": [record for record in RECORDS if record["label"] != 1]})
    dataset = load_tfds("tiny", tmp_path)
    assert dataset.class_names == ("red", "blue")
    assert set(dataset.labels) == {0, 1}


@pytest.mark.parametrize(
    ("feature", "values", "expected"),
    [(kinds.Text(), ["no", "yes"], ("no", "yes")), (kinds.Scalar(np.int64), [7, 40], ("7", "40"))],
    ids=["text", "whole numbers"],
)
def test_labels_need_not_be_class_features(tmp_path, feature, values, expected):
    records = [{"image": record["image"], "label": values[i % 2]} for i, record in enumerate(RECORDS)]
    write(tmp_path, {**PICTURE, "label": feature}, {"train": records}, supervised=("image", "label"))
    assert load_tfds("tiny", tmp_path).class_names == expected


UNLABELLED = [*RECORDS[:-2], *({**record, "label": -1} for record in RECORDS[-2:])]
REFUSALS = {
    "no class feature": (
        {**PICTURE, "label": kinds.Text()},
        [record | {"label": "x"} for record in RECORDS],
        "--label-column, expected one of image, label",
    ),
    "two class features": (TWO_LABELS, TWO_RECORDS, "--label-column, expected one of image, label, size"),
    "two images": (
        {**PICTURE, "mask": PICTURE["image"]},
        [record | {"mask": record["image"]} for record in RECORDS],
        "its inputs are image and mask; expected one image",
    ),
    "text among the inputs": (
        {**FLAT, "name": kinds.Text()},
        [record | {"name": "x"} for record in NUMBERS],
        "feature name is Text",
    ),
    "a class among the inputs": (
        {"a": FLAT["a"], "sex": FLAT["kind"], "kind": kinds.Scalar(np.int64)},
        [{"a": i, "sex": i % 2, "kind": i % 2} for i in range(12)],
        "feature a is",
    ),
    "a sequence": (
        {"a": kinds.Sequence(np.float32), "kind": FLAT["kind"]},
        [{"a": [1.0] * i, "kind": i % 2} for i in range(12)],
        "feature a is Sequence",
    ),
    "no inputs": ({"kind": FLAT["kind"]}, [{"kind": i % 2} for i in range(12)], "no features beside kind"),
    "16-bit images": (
        {**PICTURE, "image": kinds.Image(shape=(4, 5, 1), dtype=np.uint16)},
        [{**record, "image": png(IMAGES[0].astype(np.uint16))} for record in RECORDS],
        "uint16 pixels",
    ),
    "records without a label": (PICTURE, UNLABELLED, "2 of 30 records have no label"),
    "a damaged image": (PICTURE, [*RECORDS, {"image": RECORDS[0]["image"][:50], "label": 0}], "damaged"),
    "another size": (FLAT, NUMBERS, "--image-size 3: tfds:tiny holds no encoded images"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_set_without_one_class_and_plain_inputs_is_refused(tmp_path, case):
    features, records, named = REFUSALS[case]
    label = "sex" if case == "a class among the inputs" else None
    if label:
        named, label = "feature sex is", "kind"
    write(tmp_path, features, {"train": records})
    message = refusal("tiny", tmp_path, label=label, image_size=3 if case == "another size" else None)
    assert message.startswith(("tfds:tiny", "--image-size"))
    assert named in message


def test_splits_without_a_train_are_refused(tmp_path):
    write(tmp_path, splits={"a": RECORDS[:15], "b": RECORDS[15:]})
    assert "has splits a, b; expected one called train" in refusal("tiny", tmp_path)


@pytest.mark.parametrize("name", ["", "a b", "../mnist", "mnist:", "a/b/c", "huggingface:mnist", "mnist/split=3"])
def test_what_is_no_name_never_reaches_tfds(tmp_path, name):
    assert "not a name; expected tfds:NAME" in refusal(name, tmp_path)


def test_an_unknown_set_is_answered_with_near_names(tmp_path):
    write(tmp_path)
    assert "did you mean tiny" in refusal("tny", tmp_path)
    assert "did you mean cifar" in refusal("cifr10", tmp_path)
    message = refusal("tiny:9.9.9", tmp_path)
    assert f"tfds:tiny:9.9.9: neither prepared in {tmp_path}" in message


def test_a_file_in_place_of_the_data_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert f"--data-dir {tmp_path / 'file'}" in refusal("tiny", tmp_path / "file")


def test_damaged_files_are_refused_with_their_folder(tmp_path):
    folder = write(tmp_path)
    (records,) = folder.glob("*array_record*")
    content = records.read_bytes()
    for damaged in (content[: len(content) // 2], b"", content.replace(b"IHDR", b"IHDr", 1)):
        records.write_bytes(damaged)
        message = refusal("tiny", tmp_path)
        assert message.startswith(f"{folder}: ")
        assert "delete that folder" in message
    records.write_bytes(content)
    (folder / "dataset_info.json").write_text("{")
    assert f"{tmp_path / 'tiny'}: damaged" in refusal("tiny", tmp_path)


def test_a_label_beyond_the_names_of_the_classes_is_damage(tmp_path):
    features = {**PICTURE, "label": kinds.ClassLabel(names=["red", "green", "blue"])}
    folder = write(tmp_path, features)
    (folder / "label.labels.txt").write_text("red\n")
    assert "damaged" in refusal("tiny", tmp_path)


@needs_no_tensorflow
def test_files_that_only_tensorflow_reads_say_so(tmp_path):
    folder = write(tmp_path)
    description = folder / "dataset_info.json"
    description.write_text(description.read_text().replace("array_record", "tfrecord"))
    message = refusal("tiny", tmp_path)
    assert message.startswith(f"{folder}: prepared as tfrecord, which only tensorflow reads")
    assert "pip install tensorflow" in message


def test_with_tensorflow_its_files_hold_the_same_examples(tmp_path):
    pytest.importorskip("tensorflow", reason="pip install tensorflow to read tfrecord files")
    by_array_record = load_tfds("tiny", Path(write(tmp_path / "a")).parents[1])
    builder = builder_class(PICTURE, {"train": RECORDS})(data_dir=tmp_path / "b")
    builder.download_and_prepare(file_format="tfrecord", download_config=OFFLINE)
    by_tfrecord = load_tfds("tiny", tmp_path / "b")
    assert pairs(by_tfrecord.inputs, by_tfrecord.labels) == pairs(by_array_record.inputs, by_array_record.labels)


class AejaxPlain(builder_class(PICTURE, {"train": RECORDS})):
    """A set that TFDS can prepare with what is installed."""

    name = "aejax_plain"


class AejaxArrays(builder_class(PICTURE, {"train": [{"image": IMAGES[0][..., None], "label": 0}]})):
    """A set whose images TFDS encodes by TensorFlow."""

    name = "aejax_arrays"


class AejaxBroken(builder_class(PICTURE, {})):
    """A set whose code fails."""

    name = "aejax_broken"

    def _split_generators(self, dl_manager):
        raise AssertionError("Create the folder by hand\nand put the files there")


def test_a_set_that_tfds_can_prepare_is_prepared_once(tmp_path, capfd, monkeypatch):
    first = load_tfds("aejax_plain", tmp_path)
    assert capfd.readouterr() == ("", "")
    assert pairs(first.inputs, first.labels) == pairs(IMAGES, LABELS)
    monkeypatch.setattr("aejax.data.tfds_set.prepare", lambda *args: pytest.fail("prepared again"))
    assert load_tfds("aejax_plain", tmp_path).sha256 == first.sha256


@needs_no_tensorflow
def test_a_set_that_needs_tensorflow_says_what_to_install(tmp_path):
    message = refusal("aejax_arrays", tmp_path)
    assert message.startswith(f"--dataset tfds:aejax_arrays: cannot be prepared in {tmp_path}")
    assert "pip install tensorflow, or prepare it elsewhere" in message


def test_whatever_a_sets_own_code_raises_is_one_line(tmp_path):
    assert "Create the folder by hand and put the files there" in refusal("aejax_broken", tmp_path)
    assert "9.9.9" in refusal("aejax_plain:9.9.9", tmp_path)
    assert "unheard_of" in refusal("aejax_plain/unheard_of", tmp_path)


def test_a_preparer_of_our_own_goes_before_tfdss_code(tmp_path, monkeypatch):
    elsewhere = write(tmp_path / "elsewhere").parent
    asked = []

    def copy(root: Path) -> None:
        asked.append(root)
        shutil.copytree(elsewhere, root / "tiny")

    for _ in range(2):
        assert load_tfds("tiny", tmp_path, preparers={"tiny": copy}).n == 30
    assert asked == [tmp_path]


def test_tensorflow_is_not_looked_for_where_nothing_needs_it(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr("aejax.data.tfds._keep_tensorflow_off_accelerators", lambda: pytest.fail("imported"))
    assert load_tfds("tiny", tmp_path).n == 30


def test_a_download_that_fails_tells_why(tmp_path, monkeypatch, capfd):
    import requests

    def no_network(*args, **kwargs):
        raise requests.exceptions.ConnectionError("Failed to resolve\n'storage'")

    monkeypatch.setattr(requests.Session, "get", no_network)
    with pytest.raises(InputError, match=r"Failed to resolve 'storage'.*--data-dir"):
        prepare(tfds, "cifar10", tmp_path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("encoded", [True, False])
def test_a_stream_of_a_set_gives_what_the_set_gives_in_memory(encoded, tmp_path):
    numbers = {"left": kinds.Tensor(shape=(2,), dtype=np.float32), "label": kinds.ClassLabel(names=COLOURS)}
    tables = [{"left": np.full(2, row, np.float32), "label": row % 3} for row in range(30)]
    records, features = (RECORDS, None) if encoded else (tables, numbers)
    write(tmp_path, features, splits={"train": records[:20], "test": records[20:]})
    train, test = open_tfds("tiny", tmp_path, preparers={})
    dataset = load_tfds("tiny", tmp_path)
    assert isinstance(train, Source)
    assert (train.class_names, train.value_range) == (dataset.class_names, dataset.value_range)
    np.testing.assert_array_equal(train.read(np.arange(20)), dataset.inputs[:20])
    np.testing.assert_array_equal(train.labels(np.arange(20)), dataset.labels[:20])
    np.testing.assert_array_equal(test.read(np.array([0, 3, 9])), dataset.inputs[dataset.test_rows][[0, 3, 9]])
    if encoded:
        assert open_tfds("tiny", tmp_path, image_size=9, preparers={})[0].read(np.arange(2)).shape == (2, 9, 9, 1)


def test_a_stream_reads_no_set_that_is_not_prepared_as_array_record(tmp_path):
    with pytest.raises(InputError, match="tfds:tiny: not prepared in"):
        open_tfds("tiny", tmp_path, preparers={})

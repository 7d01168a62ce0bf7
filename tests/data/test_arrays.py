"""Arrays are understood as NumPy would arrange them by hand, and what was understood is in the description."""

import itertools

import numpy as np
import pytest
from loading import load, load_error

from aejax.data.array_names import INPUT_LABEL_NAMES, SPLIT_NAMES, choose_arrays

RNG = np.random.default_rng(0)
N = 24
COLOUR = RNG.integers(0, 256, (N, 8, 9, 3), dtype=np.uint8)
ROWS = RNG.normal(size=(N, 5))
LABELS = np.arange(N) % 3


def save(path, **arrays):
    np.savez(path / "set.npz", **arrays)
    return path / "set.npz"


@pytest.mark.parametrize("pair", INPUT_LABEL_NAMES)
def test_every_pair_of_names_is_found_alone_and_by_splits(tmp_path, pair):
    inputs, labels = pair
    dataset = load(save(tmp_path, **{inputs: ROWS, labels: LABELS}))
    np.testing.assert_array_equal(dataset.inputs, ROWS.astype(np.float32))
    assert dataset.description.label_source == f"array {labels!r}"
    for pattern, train, test in itertools.product(("{0}_{1}", "{1}_{0}", "{1}{0}"), SPLIT_NAMES["train"], ("test",)):
        names = [tuple(pattern.format(name, part) for name in (inputs, labels.upper())) for part in (train, test)]
        assert choose_arrays([*names[1], *names[0]], "set") == ({"train": names[0], "test": names[1]}, None)


def test_validation_rows_join_the_training_rows_as_in_medmnist(tmp_path):
    parts = {"train": slice(0, 12), "val": slice(12, 18), "test": slice(18, None)}
    arrays = {f"{part}_images": COLOUR[rows] for part, rows in parts.items()}
    arrays |= {f"{part}_labels": LABELS[rows, None] for part, rows in parts.items()}
    dataset = load(save(tmp_path, **arrays))
    np.testing.assert_array_equal(dataset.inputs, COLOUR)
    np.testing.assert_array_equal(dataset.labels, LABELS)
    np.testing.assert_array_equal(dataset.test_rows, np.arange(18, N))
    assert "the 6 validation rows join the training rows" in dataset.description.notes


def test_arrays_that_are_not_used_are_listed(tmp_path):
    path = save(tmp_path, x=ROWS, y=LABELS, latents=ROWS, names=LABELS.astype(str))
    assert "arrays not used: latents, names" in load(path).description.notes
    chosen = load(path, label_column="names")
    assert chosen.class_names == ("0", "1", "2")
    assert chosen.description.label_source == "array 'names'"
    assert "no array named --label-column none" in load_error(path, label_column="none")


@pytest.mark.parametrize(
    ("inputs", "shape", "value_range"),
    [
        (np.zeros((N, 6), np.uint8), (6,), None),
        (np.zeros((N, 6)), (6,), None),
        (np.zeros((N, 4, 5), np.uint8), (4, 5, 1), (0, 255)),
        (np.zeros((N, 4, 5)), (4, 5, 1), None),
        (np.zeros((N, 4, 5, 3), np.uint8), (4, 5, 3), (0, 255)),
        (np.zeros((N, 2, 3, 4, 5)), (2, 3, 4, 5), None),
    ],
    ids=["bytes", "floats", "grey", "grey floats", "colour", "volumes"],
)
def test_examples_of_two_axes_gain_a_channel(tmp_path, inputs, shape, value_range):
    dataset = load(save(tmp_path, x=inputs, y=LABELS))
    assert (dataset.example_shape, dataset.value_range) == (shape, value_range)


def test_channels_first_is_recognised_and_said(tmp_path):
    for images in (COLOUR, COLOUR[..., :1], COLOUR / 255):
        dataset = load(save(tmp_path, x=np.moveaxis(images, -1, 1), y=LABELS))
        np.testing.assert_array_equal(dataset.inputs, images.astype(dataset.inputs.dtype))
        assert dataset.description.layout == f"images 8x9x{images.shape[-1]}, channels last (stored first)"
        assert any("--layout channels-last if not" in note for note in dataset.description.notes)
    assert load(save(tmp_path, x=COLOUR, y=LABELS)).description.notes == ()


@pytest.mark.parametrize("shape", [(3, 9, 3), (1, 9, 3), (3, 9, 4), (13, 16, 16), (18, 16, 16), (9, 9, 9), (3, 2, 2)])
def test_ambiguous_layouts_need_the_flag(tmp_path, shape):
    images = RNG.integers(0, 256, (N, *shape), dtype=np.uint8)
    path = save(tmp_path, x=images, y=LABELS)
    assert "--layout channels-last or channels-first" in load_error(path)
    np.testing.assert_array_equal(load(path, layout="channels-last").inputs, images)
    np.testing.assert_array_equal(load(path, layout="channels-first").inputs, np.moveaxis(images, 1, -1))


@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 64, 3), (2, 2, 3), (4, 4, 1), (1, 8, 1), (8, 8, 4), (8, 8, 6)])
def test_images_with_channels_last_are_kept_and_many_channels_said(tmp_path, shape):
    images = RNG.integers(0, 256, (N, *shape), dtype=np.uint8)
    dataset = load(save(tmp_path, x=images, y=LABELS))
    np.testing.assert_array_equal(dataset.inputs, images)
    note = "inputs 8x8x6 taken as 6 channels last (--layout channels-first if not)"
    assert dataset.description.notes == ((note,) if shape[-1] == 6 else ())


@pytest.mark.parametrize("layout", ["channels-last", "channels-first"])
def test_rows_are_arranged_as_images(tmp_path, layout):
    stored = COLOUR if layout == "channels-last" else np.moveaxis(COLOUR, -1, 1)
    path = save(tmp_path, x=stored.reshape(N, -1), y=LABELS)
    dataset = load(path, image_shape="8x9x3", layout=layout)
    np.testing.assert_array_equal(dataset.inputs, COLOUR)
    assert dataset.value_range == (0, 255)
    assert "--image-shape 9x9" in load_error(path, image_shape="9x9")
    assert f"--layout {layout}" in load_error(path, layout=layout)


def test_square_rows_of_bytes_get_a_hint(tmp_path):
    path = save(tmp_path, x=np.tile(np.arange(64, dtype=np.uint8), (N, 1)), y=LABELS)
    dataset = load(path)
    assert dataset.example_shape == (64,)
    assert dataset.description.notes == ("rows of 64 bytes taken as tables (--image-shape 8x8 if they are images)",)
    assert load(path, image_shape="8x8").example_shape == (8, 8, 1)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64, bool])
def test_one_hot_labels_and_columns_are_classes(tmp_path, dtype):
    one_hot = np.eye(3, dtype=dtype)[LABELS]
    dataset = load(save(tmp_path, x=ROWS, y=one_hot))
    np.testing.assert_array_equal(dataset.labels, LABELS)
    assert "one-hot labels (24, 3) taken as classes 0 to 2" in dataset.description.notes
    column = load(save(tmp_path, x=ROWS, y=LABELS[:, None].astype(dtype)))
    np.testing.assert_array_equal(column.labels, LABELS.astype(dtype))
    assert "labels (24, 1) flattened" in column.description.notes


def test_several_classes_in_a_row_and_probabilities_are_rejected(tmp_path):
    several = np.eye(3)[LABELS]
    several[4, 0] = 1
    assert "have 2 classes in row 4" in load_error(save(tmp_path, x=ROWS, y=several))
    assert "argmax(axis=1)" in load_error(save(tmp_path, x=ROWS, y=several / 2))


PARTS = {"x_train": COLOUR, "y_train": LABELS, "x_test": COLOUR, "y_test": LABELS}


@pytest.mark.parametrize(
    ("arrays", "mentioned"),
    [
        pytest.param({"a": ROWS, "y": LABELS}, "a, y", id="unknown names"),
        pytest.param({}, "(none)", id="no arrays"),
        pytest.param({"x": ROWS, "X": ROWS, "y": LABELS}, "x, X, y", id="ambiguous names"),
        pytest.param({"x": ROWS, "y": LABELS[:5]}, "y (5,)", id="fewer labels"),
        pytest.param({"x": ROWS.T, "y": LABELS}, "save x.T", id="a transposed table"),
        pytest.param({**PARTS, "x_test": COLOUR[:, :2]}, "x_test", id="other shape"),
        pytest.param({**PARTS, "x_test": COLOUR / 255}, "float64", id="other dtype"),
        pytest.param({**PARTS, "y_test": LABELS.astype(str)}, "y_test", id="text labels"),
    ],
)
def test_unsuitable_arrays_are_rejected_by_name(tmp_path, arrays, mentioned):
    assert mentioned in load_error(save(tmp_path, **arrays))


def test_damaged_archives_are_rejected(tmp_path):
    path = save(tmp_path, x=ROWS, y=LABELS)  # not compressed: only the archive's CRC can tell of a flipped bit
    good = path.read_bytes()
    value = good.index(ROWS.tobytes()) + 100
    flipped = good[:value] + bytes([good[value] ^ 1]) + good[value + 1 :]
    for damaged in (b"", good[:-40], good[:90] + bytes(20) + good[110:], b"1,2,3\n" * 9, flipped):
        path.write_bytes(damaged)
        assert load_error(path).startswith(f"{path}: not an intact .npz")


def test_objects_are_never_unpickled(tmp_path):
    path = save(tmp_path, x=ROWS, y=np.array(["a", "b", "c"], object)[LABELS])
    assert "y holds pickled objects, which can run code" in load_error(path)
    assert "y.astype(str)" in load_error(path)
    np.save(tmp_path / "y.npy", LABELS.astype(object))
    np.save(tmp_path / "x.npy", ROWS)
    path.unlink()
    assert f"{tmp_path / 'y.npy'}: holds pickled objects" in load_error(tmp_path)


def test_folders_of_npy_files_equal_archives(tmp_path):
    arrays = {"X": ROWS, "y": LABELS}
    expected = load(save(tmp_path, **arrays))
    folder = tmp_path / "numbers"
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", np.asfortranarray(array))
    dataset = load(folder)
    assert (dataset.sha256, dataset.name) == (expected.sha256, "numbers")


def test_an_old_name_of_a_type_is_read_without_a_warning(tmp_path, recwarn):
    """NumPy 2 deprecates `a1` for `S1`."""
    np.save(tmp_path / "X.npy", ROWS)
    np.save(tmp_path / "y.npy", np.array([b"a", b"b", b"c"])[LABELS])
    path = tmp_path / "y.npy"
    path.write_bytes(path.read_bytes().replace(b"|S1", b"|a1"))
    assert load(tmp_path).n_classes == 3
    assert not recwarn.list


@pytest.mark.parametrize("length", [0, 8, -8], ids=["empty", "cut in the header", "cut in the values"])
def test_damaged_npy_files_are_named(tmp_path, length):
    np.save(tmp_path / "y.npy", LABELS)
    np.save(tmp_path / "X.npy", ROWS)
    path = tmp_path / "X.npy"
    path.write_bytes(path.read_bytes()[:length])
    assert f"{path}: not an intact .npy file" in load_error(tmp_path)


def test_npy_files_may_not_be_links_out_of_the_folder(tmp_path):
    np.save(tmp_path / "X.npy", ROWS)
    folder = tmp_path / "set"
    folder.mkdir()
    np.save(folder / "y.npy", LABELS)
    (folder / "X.npy").symlink_to(tmp_path / "X.npy")
    assert f"{folder / 'X.npy'}: a link out of" in load_error(folder)


def test_a_second_file_gives_the_test_rows(tmp_path):
    path = save(tmp_path, x=ROWS, y=LABELS)
    np.savez(tmp_path / "test.npz", data=ROWS[:6] + 9, target=LABELS[:6])
    dataset = load(path, test=tmp_path / "test.npz")
    np.testing.assert_array_equal(dataset.inputs[dataset.test_rows], (ROWS[:6] + 9).astype(np.float32))
    np.testing.assert_array_equal(dataset.inputs[:N], ROWS.astype(np.float32))
    assert f"test rows from {tmp_path / 'test.npz'}" in dataset.description.notes
    np.savez(tmp_path / "both.npz", x_train=ROWS, y_train=LABELS, x_test=ROWS, y_test=LABELS)
    assert "holds an official test split already" in load_error(tmp_path / "both.npz", test=path)
    (tmp_path / "test.csv").write_text("a,label\n")
    assert "no file or folder of arrays" in load_error(path, test=tmp_path / "test.csv")
    np.savez(tmp_path / "wide.npz", x=COLOUR, y=LABELS)
    assert "expected one dtype and one shape of example" in load_error(path, test=tmp_path / "wide.npz")


def test_a_column_of_the_labels_can_be_chosen(tmp_path):
    several = np.stack([np.zeros(N, int), LABELS, np.arange(N) % 2], axis=1)
    sprites = save(tmp_path, imgs=COLOUR, latents_classes=several, latents_values=ROWS, metadata=np.array({}, object))
    dataset = load(sprites, label_column="latents_classes[1]")
    np.testing.assert_array_equal(dataset.labels, LABELS)
    assert "labels are column 1 of latents_classes" in dataset.description.notes
    assert "no array named --label-column latents_classes[0]" in load_error(
        sprites, label_column="latents_classes[0][1]"
    )
    assert "choose a column, --label-column 0" in load_error(save(tmp_path, x=COLOUR, y=np.ones((N, 2))))
    path = save(tmp_path, x_train=COLOUR[:18], y_train=several[:18], x_test=COLOUR[18:], y_test=several[18:])
    np.testing.assert_array_equal(load(path, label_column="-1").labels, np.arange(N) % 2)
    assert "expected a column 3 for --label-column" in load_error(path, label_column="3")


def test_archives_of_one_array_each_are_read_from_a_folder(tmp_path):
    for part, rows in (("train", slice(0, 18)), ("test", slice(18, None))):
        np.savez(tmp_path / f"k49-{part}-imgs.npz", COLOUR[rows])
        np.savez(tmp_path / f"k49-{part}-labels.npz", LABELS[rows])
    dataset = load(tmp_path)
    np.testing.assert_array_equal(dataset.inputs, COLOUR)
    np.testing.assert_array_equal(dataset.test_rows, np.arange(18, N))
    np.savez(tmp_path / "k49-train-imgs.npz", x=COLOUR, y=LABELS)
    assert "holds arrays x, y; give it as --dataset, not its folder" in load_error(tmp_path)


@pytest.mark.parametrize("dtype", [int, float, "U3", "S3"])
def test_rows_without_a_label_are_marked(tmp_path, dtype):
    labels = np.where(np.arange(N) % 4 == 0, -1, LABELS).astype(dtype)
    mark = str(labels[0]) if dtype == "U3" else "-1"
    dataset = load(save(tmp_path, x=ROWS, y=labels), unlabelled=mark)
    np.testing.assert_array_equal(dataset.labels, np.where(np.arange(N) % 4 == 0, -1, LABELS))
    assert "6 rows with label -1 have no label" in dataset.description.notes
    assert "no row of" in load_error(save(tmp_path, x=ROWS, y=LABELS), unlabelled="7")

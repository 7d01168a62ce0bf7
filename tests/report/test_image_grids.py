import numpy as np
import pytest
from matplotlib.colors import to_rgb

from aejax.report.figures import plot_auroc, plot_rate_distortion
from aejax.report.image_grids import (
    MAX_FEATURE_LABELS,
    plot_example_rows,
    plot_interpolation,
    plot_latent_grid,
    plot_prior_samples,
    plot_unit_weights,
    tile_images,
)
from aejax.report.style import FIGURE_WIDTH, NEUTRAL_COLOR, PRIMARY_COLOR

UNIT = (0.0, 1.0)
IMAGES = np.random.default_rng(0).random((6, 14, 14, 1))
TABLE = np.random.default_rng(0).random((6, 5))


def drawn(figure):
    """Returns the grid of tiles of a figure."""
    return np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)


def tile(figure, row, column, side=14, gap=1):
    top, left = row * (side + gap), column * (side + gap)
    return drawn(figure)[top : top + side, left : left + side]


def texts_inside(figure):
    """Returns whether all text lies within the figure."""
    figure.draw_without_rendering()
    width, height = figure.get_size_inches() * figure.dpi
    boxes = [text.get_window_extent() for text in figure.texts if text.get_text()]
    boxes += [axes.get_tightbbox() for axes in figure.axes]
    return all(box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1 for box in boxes)


def test_tiles_are_in_order_on_one_scale_with_white_between():
    tiles = IMAGES.reshape(2, 3, 14, 14, 1)
    image = tile_images(tiles, (0.0, 2.0))
    assert image.shape == (2 * 14 + 1, 3 * 14 + 2)
    np.testing.assert_allclose(image[15:, 15:29], tiles[1, 1, ..., 0] / 2)
    assert np.isnan(image[14]).all()


def test_coloured_tiles_have_white_gaps_and_clipped_values():
    image = tile_images(np.full((1, 2, 14, 14, 3), 5.0), (0.0, 1.0))
    assert image.shape == (14, 29, 3)
    np.testing.assert_array_equal(image, 1.0)


def test_rows_of_examples_are_below_each_other_on_one_scale():
    rows = [("clean", IMAGES[:3]), ("dim\n3.0 dB", IMAGES[:3] / 2)]
    figure = plot_example_rows(rows, UNIT, "a title", (), ["-3", "0", "+3"])
    np.testing.assert_allclose(tile(figure, 0, 2), IMAGES[2, ..., 0])
    np.testing.assert_allclose(tile(figure, 1, 2), IMAGES[2, ..., 0] / 2)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["clean", "dim\n3.0 dB"]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["-3", "0", "+3"]
    assert texts_inside(figure)


def test_rows_of_one_name_are_all_drawn():
    images = plot_example_rows([("original", IMAGES), ("original", 1 - IMAGES)], UNIT)
    np.testing.assert_allclose(tile(images, 1, 2), 1 - tile(images, 0, 2))
    stripes = plot_example_rows([("original", TABLE), ("original", 1 - TABLE)], UNIT)
    first, second = [axes for axes in stripes.axes if axes.images]
    assert first.get_title("left") == second.get_title("left") == "original"
    np.testing.assert_allclose(second.images[0].get_array(), 1 - first.images[0].get_array())


def test_of_channels_that_are_no_colours_the_mean_is_drawn():
    images = np.random.default_rng(0).uniform(size=(3, 14, 14, 2))
    np.testing.assert_allclose(tile(plot_example_rows([("same", images)], UNIT), 0, 2), images[2].mean(axis=-1))


def test_the_grids_first_row_is_drawn_on_top():
    grid = IMAGES[:4].reshape(2, 2, 14, 14, 1)
    figure = plot_latent_grid(grid, UNIT, ("unit 1", "unit 0"), "a grid")
    np.testing.assert_allclose(tile(figure, 0, 1), grid[0, 1, ..., 0])
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("unit 1 →", "unit 0 →")
    assert texts_inside(figure)


def test_the_nearest_training_examples_are_below_the_last_row_of_samples():
    figure = plot_prior_samples(IMAGES.reshape(2, 3, 14, 14, 1), 1 - IMAGES[3:], UNIT, "samples")
    np.testing.assert_allclose(tile(figure, 2, 2), 1 - tile(figure, 1, 2))
    assert texts_inside(figure)


def test_the_errors_of_a_path_are_below_its_points():
    errors = {"by code": np.linspace(0, 1, 6), "by pixels": np.linspace(2, 1, 6)}
    figure = plot_interpolation({"by code": IMAGES, "by pixels": IMAGES}, errors, UNIT, "paths")
    (grid,) = figure.axes
    (chart,) = grid.child_axes
    for line, values in zip(chart.lines, errors.values(), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values)
    figure.draw_without_rendering()
    columns = grid.transData.transform([((14 + 1) * index + 6.5, 0) for index in range(6)])[:, 0]
    dots = chart.transData.transform(np.column_stack([chart.lines[0].get_xdata(), np.zeros(6)]))[:, 0]
    np.testing.assert_allclose(dots, columns, atol=3)  # pixels; a tile is 90
    assert texts_inside(figure)


def test_a_weight_of_0_is_white_and_red_is_above():
    vectors = np.zeros((9, 14, 14, 1))
    vectors[0, 0, 0], vectors[0, 0, 1], vectors[0, 1] = 1.0, -1.0, 0.001
    figure = plot_unit_weights(vectors, "filters", "weight")
    shown = figure.axes[0].images[0]
    colours = shown.cmap(shown.norm(tile(figure, 0, 0)))
    assert colours[0, 0, 0] > 3 * colours[0, 0, 2]
    assert colours[0, 1, 2] > 3 * colours[0, 1, 0]
    assert colours[5, 5, :3] == pytest.approx([0.97, 0.97, 0.97], abs=0.01)
    assert np.isnan(tile(figure, 1, 7)).all()  # nine tiles leave seven places of two rows empty
    assert texts_inside(figure)
    assert figure.get_figwidth() <= FIGURE_WIDTH + 0.01


def test_weights_of_colours_are_grey_at_0_and_have_no_colour_bar():
    figure = plot_unit_weights(np.zeros((2, 14, 14, 3)), "filters", "weight")
    assert len(figure.axes) == 1
    np.testing.assert_allclose(tile(figure, 0, 1), 0.5)


def test_every_pixel_of_a_small_filter_is_enlarged_alike():
    figure = plot_unit_weights(np.arange(9.0).reshape(1, 3, 3, 1) - 4, "filters", "weight")
    shown = drawn(figure)
    assert shown.shape[0] % 3 == 0
    assert len(np.unique(shown)) == 9


def test_rows_of_a_table_are_stripes_in_every_figure():
    features = tuple("abcde")
    walks = [("unit 4\n1", TABLE[:3]), ("unit 0\n2", TABLE[3:])]
    figures = {
        "rows": plot_example_rows([("clean", TABLE), ("noisy\n1 dB", TABLE)], UNIT, "t", features),
        "paths": plot_interpolation({"by code": TABLE, "by inputs": TABLE}, {}, UNIT, "t", features),
        "walks": plot_example_rows(walks, UNIT, "t", features, list("-0+")),
        "weights": plot_unit_weights(TABLE - 0.5, "t", "weight", features),
        "samples": plot_prior_samples(TABLE[None], TABLE, UNIT, "t", features),
    }
    np.testing.assert_allclose(figures["walks"].axes[1].images[0].get_array(), TABLE[3:])
    for name, figure in figures.items():
        panels = [axes for axes in figure.axes if axes.images]
        assert len(panels) == (1 if name == "weights" else 2)
        assert all(panel.images[0].get_clim() == panels[0].images[0].get_clim() for panel in panels)
        assert [label.get_text() for label in panels[-1].get_xticklabels()] == list(features)
        assert texts_inside(figure)


@pytest.mark.parametrize("names", [0, MAX_FEATURE_LABELS + 5])
def test_features_have_numbers_if_there_are_no_names_or_too_many(names):
    figure = plot_unit_weights(TABLE.repeat(9, 1), "t", "weight", [f"feature {index}" for index in range(names)])
    assert figure.axes[0].get_xlabel() == "feature, by its number from 0"
    assert texts_inside(figure)


def make_auroc(classes):
    areas = np.linspace(0.6, 0.9, 3 * classes).reshape(classes, 3)
    return areas, np.stack([areas - 0.05, areas + 0.05], axis=2)


@pytest.mark.parametrize("classes", [1, 10])
def test_every_auroc_is_drawn_and_the_autoencoders_are_coloured(classes):
    areas, intervals = make_auroc(classes)
    names = [f"class {index}" for index in range(classes)]
    errors = np.linspace(0, 1, 50)
    scores = {"reconstruction error": True, "mean": False, "PCA error": False}
    figure = plot_auroc(areas, intervals, names, scores, errors, errors > 0.7)
    axes, histogram = figure.axes
    means = [line for line in axes.lines if line.get_marker() == "|"]
    assert [line.get_xdata()[0] for line in means] == pytest.approx(areas.mean(axis=0))
    assert [line.get_color() for line in means] == [PRIMARY_COLOR, NEUTRAL_COLOR, NEUTRAL_COLOR]
    assert axes.get_yticklabels()[0].get_text() == f"reconstruction error {areas[:, 0].mean():.3f}"
    if classes == 1:
        spans = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 4]
        np.testing.assert_allclose(spans, intervals[0])
    else:
        dots = np.concatenate([collection.get_offsets()[:, 0] for collection in axes.collections])
        assert sorted(dots) == pytest.approx(sorted(areas.ravel()))
    heights = np.array([bar.get_height() for bar in histogram.patches])
    assert heights.sum() == pytest.approx(200)  # percent of either group
    assert texts_inside(figure)


def test_every_rate_is_a_point_and_equal_sizes_are_in_another_colour():
    points = {"vae, all units": [(0.5, 18.0, 32), (0.125, 17.0, 8)], "vae, active units": [(0.2, 18.0, 32)]}
    figure = plot_rate_distortion(points, [(0.5, 15.0), (0.125, 14.0)], [(0.1, 10.0), (1.0, 20.0)], 8, "bits per pixel")
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert list(lines["vae, all units"].get_xdata()) == [0.5, 0.125]
    assert list(lines["PCA of the same sizes"].get_ydata()) == [15, 14]
    assert [text.get_text() for text in figure.axes[0].texts] == ["32", "8", "32"]
    assert len({to_rgb(line.get_color()) for line in lines.values()}) == 4
    assert texts_inside(figure)

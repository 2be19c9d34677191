"""Windows and resampling: properties that hold for any image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_cerberus.pairs.label_arrays import object_areas, object_boxes, object_ids
from napari_cerberus.pairs.write import resample
from napari_cerberus.pairs.write.resample import resample_image, same_scale, scaled_shape
from napari_cerberus.pairs.write.tile_windows import Window, grid_windows, object_windows, tissue_share
from napari_cerberus.progress import run_to_end

sizes = st.integers(1, 90)


def resample_labels(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    return run_to_end(resample.resample_labels(labels, shape))


@given(sizes, sizes, st.integers(4, 40), st.integers(0, 3))
def test_a_grid_covers_every_pixel_and_stays_inside(height: int, width: int, side: int, overlap: int) -> None:
    seen = np.zeros((height, width), int)
    for window in grid_windows((height, width), side, overlap):
        rows = slice(max(window.y0, 0), min(window.y0 + side, height))
        columns = slice(max(window.x0, 0), min(window.x0 + side, width))
        seen[rows, columns] += 1
        assert height < side or 0 <= window.y0 <= height - side
        assert width < side or 0 <= window.x0 <= width - side
    assert seen.min() >= 1


@given(sizes, sizes, st.integers(-20, 60), st.integers(-20, 60), st.integers(1, 40))
def test_cutting_is_padding_then_slicing(height: int, width: int, y0: int, x0: int, side: int) -> None:
    rng = np.random.default_rng(height * 100 + width)
    labels = rng.integers(1, 9, (height, width))
    window = Window(y0, x0, side)
    padded = np.pad(labels, 100)
    if y0 < height and x0 < width and y0 + side > 0 and x0 + side > 0:
        np.testing.assert_array_equal(
            window.cut_labels(labels), padded[100 + y0 : 100 + y0 + side, 100 + x0 : 100 + x0 + side]
        )
        top, left, bottom, right = window.padding((height, width))
        assert (window.cut_labels(labels) > 0).sum() == (side - top - bottom) * (side - left - right)


@given(st.integers(0, 1000))
def test_every_object_that_fits_is_whole_in_some_tile(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.zeros((80, 100), np.int32)
    for id_ in range(1, 8):
        y, x = rng.integers(0, 70), rng.integers(0, 90)
        labels[y : y + 10, x : x + 10] = id_
    boxes = [box for _, box in object_boxes(labels)]
    windows = object_windows(labels.shape, 24, boxes)
    for rows, columns in boxes:
        assert any(
            window.y0 <= rows.start
            and rows.stop <= window.y0 + 24
            and window.x0 <= columns.start
            and columns.stop <= window.x0 + 24
            for window in windows
        )


@given(st.lists(st.sampled_from([0, 1, 5, 70_000, 2**30, 2**40]), min_size=1, max_size=40))
def test_boxes_and_ids_are_exact_for_sparse_ids(values: list[int]) -> None:
    labels = np.array([values])
    assert object_ids(labels).tolist() == sorted(set(values) - {0})
    assert object_areas(labels) == {value: values.count(value) for value in set(values)}
    assert [id_ for id_, _ in object_boxes(labels)] == sorted(set(values) - {0})
    for id_, (rows, columns) in object_boxes(labels):
        inside = np.zeros_like(labels, dtype=bool)
        inside[rows, columns] = True
        assert (labels[~inside] != id_).all()
        assert (labels[rows, columns] == id_)[:, [0, -1]].all()


def two_disks(gap: int) -> np.ndarray:
    rows, columns = np.mgrid[:60, :100]
    labels = np.zeros((60, 100), np.int32)
    labels[(rows - 30) ** 2 + (columns - 25) ** 2 < 400] = 3
    labels[(rows - 30) ** 2 + (columns - (65 + gap)) ** 2 < 400] = 900
    return labels


@pytest.mark.parametrize("factor", [0.3, 0.5, 0.77, 1.0, 1.3, 2.0, 3.0])
def test_objects_keep_their_ids_and_areas(factor: float) -> None:
    labels = two_disks(3)
    resampled = resample_labels(labels, scaled_shape((60, 100), (factor, factor)))
    assert set(np.unique(resampled)) == {0, 3, 900}
    for id_ in (3, 900):
        expected = (labels == id_).sum() * factor**2
        assert (resampled == id_).sum() == pytest.approx(expected, rel=0.05)
        assert ndimage.label(resampled == id_)[1] == 1


def test_the_scale_of_one_changes_nothing() -> None:
    labels = two_disks(0)
    np.testing.assert_array_equal(resample_labels(labels, labels.shape), labels)
    image = np.arange(30, dtype=np.uint8).reshape(2, 5, 3)
    assert resample_image(image, (2, 5)) is image
    assert same_scale(1.0004)
    assert not same_scale(1.01)


def test_doubling_repeats_every_pixel() -> None:
    labels = two_disks(0)
    doubled = resample_labels(labels, (120, 200))
    inner = ndimage.binary_erosion(np.kron(labels > 0, np.ones((2, 2))) > 0)
    np.testing.assert_array_equal(doubled[inner], np.kron(labels, np.ones((2, 2), int))[inner])


def test_a_gap_of_half_a_pixel_is_kept() -> None:
    labels = np.full((20, 21), 1, np.int32)
    labels[:, 10:] = 2
    labels[:, 10] = 0
    resampled = resample_labels(np.hstack([labels, labels[:, -1:]]), (10, 11))
    assert (resampled[:, 5] == 0).all()


def test_an_image_is_smoothed_before_it_shrinks() -> None:
    stripes = np.zeros((40, 40, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(resample_image(stripes, (10, 10))[2:-2, 2:-2].astype(int)) < 30


def test_tissue_is_what_is_not_glass() -> None:
    image = np.full((10, 10, 3), 245, np.uint8)
    assert tissue_share(image) == 0
    image[:3] = (230, 150, 190)
    assert tissue_share(image) == pytest.approx(0.3)

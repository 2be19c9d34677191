"""Back on the image grid: smooth, in place, nothing lost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_cerberus.inference.grid.model_grid import ModelGrid
from napari_cerberus.inference.grid.upsample import numbered_alike, to_image_grid
from napari_cerberus.inference.objects.structuring import Labels, components
from napari_cerberus.progress import run_to_end


def random_labels(shape: tuple[int, int], seed: int) -> Labels:
    rng = np.random.default_rng(seed)
    return components(ndimage.gaussian_filter(rng.random(shape), 0.8) > 0.53)


def draw(labels: Labels, grid: ModelGrid, level: np.ndarray | None = None) -> Labels:
    return run_to_end(to_image_grid(labels, level, grid))


@settings(max_examples=60)
@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    ratio=st.floats(1.03, 6.0),
    seed=st.integers(0, 99),
)
def test_every_object_survives_on_a_finer_image(height: int, width: int, ratio: float, seed: int) -> None:
    grid = ModelGrid.of((height, width), 1.0, ratio)
    labels = random_labels(grid.shape, seed)
    level = np.random.default_rng(seed).uniform(-0.5, 0.5, grid.shape).astype(np.float32)
    drawn = draw(labels, grid, level)
    assert drawn.shape == (height, width)
    np.testing.assert_array_equal(np.unique(drawn[drawn > 0]), np.unique(labels[labels > 0]))


@settings(max_examples=30)
@given(height=st.integers(1, 40), width=st.integers(1, 40), ratio=st.floats(0.3, 0.97), seed=st.integers(0, 99))
def test_on_a_coarser_image_ids_are_kept_or_dropped_but_never_invented(
    height: int, width: int, ratio: float, seed: int
) -> None:
    grid = ModelGrid.of((height, width), 1.0, ratio)
    labels = random_labels(grid.shape, seed)
    drawn = draw(labels, grid)
    assert set(np.unique(drawn)) <= set(np.unique(labels))
    here, there = numbered_alike(drawn, labels)
    assert here.max() == there.max() == len(np.unique(drawn[drawn > 0]))


def test_a_lone_pixel_survives_on_a_coarser_image() -> None:
    grid = ModelGrid.of((10, 10), 2.0, 0.5)
    labels = np.zeros(grid.shape, np.int32)
    labels[8, 13] = 1
    drawn = draw(labels, grid)
    np.testing.assert_array_equal(np.argwhere(drawn), [[2, 3]])


def test_equal_grids_give_the_same_labels() -> None:
    labels = random_labels((30, 20), 1)
    drawn = draw(labels, ModelGrid.of((30, 20), 0.5, 0.5))
    np.testing.assert_array_equal(drawn, labels)
    assert drawn is not labels


@pytest.mark.parametrize("ratio", [0.5, 0.77, 2.0, 3.0, 3.7])
def test_a_disc_stays_in_place_and_keeps_its_size(ratio: float) -> None:
    grid = ModelGrid.of((240, 200), 1.0, ratio)
    y, x = (grid.to_image(axis.astype(float)) for axis in np.mgrid[: grid.shape[0], : grid.shape[1]])
    level = (40.0 - np.hypot(y - 130.0, x - 90.0)).astype(np.float32) / 80.0
    drawn = draw((level > 0).astype(np.int32), grid, level)
    rows, columns = np.nonzero(drawn)
    assert rows.mean() == pytest.approx(130.0, abs=0.1)
    assert columns.mean() == pytest.approx(90.0, abs=0.1)
    assert len(rows) == pytest.approx(np.pi * 40**2, rel=0.01)


def test_outlines_are_smooth_not_blocky() -> None:
    """The perimeter of a disc drawn from a four times coarser grid is a disc's, not a staircase's."""
    grid = ModelGrid.of((256, 256), 1.0, 4.0)
    y, x = (grid.to_image(axis.astype(float)) for axis in np.mgrid[: grid.shape[0], : grid.shape[1]])
    level = (60.0 - np.hypot(y - 128.0, x - 128.0)).astype(np.float32) / 80.0
    labels = (level > 0).astype(np.int32)
    yy, xx = np.mgrid[:256, :256]
    truth = np.hypot(yy - 128, xx - 128) < 60
    wrong = (draw(labels, grid, level) > 0) ^ truth
    blocky = np.kron(labels, np.ones((4, 4), np.int32)) > 0
    assert wrong.sum() < 0.15 * (blocky ^ truth).sum()


def test_a_gap_of_one_model_pixel_stays_open() -> None:
    grid = ModelGrid.of((60, 60), 1.0, 3.0)
    labels = np.zeros(grid.shape, np.int32)
    labels[3:17, 3:9], labels[3:17, 10:16] = 1, 2
    drawn = draw(labels, grid, np.where(labels > 0, 0.4, 0.1).astype(np.float32))
    assert (drawn[15:45, 28] == 0).all()
    assert drawn[30, 25] == 1
    assert drawn[30, 32] == 2


def test_touching_objects_leave_no_gap() -> None:
    grid = ModelGrid.of((40, 40), 1.0, 4.0)
    labels = np.ones(grid.shape, np.int32)
    labels[:, 5:] = 2
    drawn = draw(labels, grid)
    assert (drawn[:, :20] == 1).all()
    assert (drawn[:, 20:] == 2).all()


def test_ids_stay_1_to_n_on_all_grids() -> None:
    one, two = np.array([[1, 0, 3]], np.int32), np.array([[1, 2, 3, 3]], np.int32)
    here, there = numbered_alike(one, two)
    np.testing.assert_array_equal(here, [[1, 0, 2]])
    np.testing.assert_array_equal(there, [[1, 0, 2, 2]])

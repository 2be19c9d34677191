"""Tiles cover the image once, and the two grids lie on one another without a shift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cerberus.errors import SettingsError
from napari_cerberus.inference.grid.model_grid import ModelGrid, Window, pad_to_stride, plan

CELLS = st.integers(1, 12)


@given(height=CELLS, width=CELLS, tile=st.integers(1, 200), margin=st.integers(0, 4))
def test_tiles_cover_the_image_once(height: int, width: int, tile: int, margin: int) -> None:
    shape = (16 * height, 16 * width)
    covered = np.zeros(shape, int)
    for part in plan(shape, tile, 16 * margin):
        covered[part.valid.slices] += 1
        limit = -(-tile // 16) * 16
        assert max(part.valid.shape) <= limit
        for edge in (part.valid.y0, part.valid.x0, part.valid.y1, part.valid.x1):
            assert edge % 16 == 0
    assert (covered == 1).all()


@given(height=CELLS, width=CELLS, tile=st.integers(1, 100), margin=st.integers(0, 4))
def test_margins_stop_at_the_image_only(height: int, width: int, tile: int, margin: int) -> None:
    shape, wide = (16 * height, 16 * width), 16 * margin
    for part in plan(shape, tile, wide):
        valid, window = part.valid, part.window
        assert (window.y0, window.x0) == (max(0, valid.y0 - wide), max(0, valid.x0 - wide))
        assert (window.y1, window.x1) == (min(shape[0], valid.y1 + wide), min(shape[1], valid.x1 + wide))


def test_tile_size_below_one_is_refused() -> None:
    with pytest.raises(SettingsError, match="tile_size_px"):
        plan((64, 64), 0, 16)


@given(height=st.integers(1, 40), width=st.integers(1, 40))
def test_padding_mirrors_and_keeps_the_image(height: int, width: int) -> None:
    image = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    padded = pad_to_stride(image)
    assert padded.shape[0] % 16 == padded.shape[1] % 16 == 0
    assert padded.shape[0] - height < 16
    assert padded.shape[1] - width < 16
    np.testing.assert_array_equal(padded[:height, :width], image)
    if padded.shape[0] > height:
        np.testing.assert_array_equal(padded[height, :width], image[height - 1])


@given(
    height=st.integers(1, 500),
    width=st.integers(1, 500),
    image_um=st.floats(0.05, 5.0),
    model_um=st.floats(0.25, 2.0),
)
def test_the_model_grid_covers_the_image_and_no_more(height: int, width: int, image_um: float, model_um: float) -> None:
    grid = ModelGrid.of((height, width), image_um, model_um)
    for image_side, model_side in zip((height, width), grid.shape, strict=True):
        assert model_side * grid.scale >= image_side - 1e-3
        assert (model_side - 1) * grid.scale < image_side
    place = np.linspace(-3, 500, 50)
    np.testing.assert_allclose(grid.to_model(grid.to_image(place)), place, atol=1e-6)
    assert grid.to_image(-0.5) == pytest.approx(-0.5)  # the grids share their corner


def test_nearly_equal_pixel_sizes_are_taken_as_equal() -> None:
    assert ModelGrid.of((7, 9), 0.252, 0.25).identical
    assert ModelGrid.of((7, 9), 0.252, 0.25).shape == (7, 9)
    assert not ModelGrid.of((7, 9), 0.27, 0.25).identical


def test_window_arithmetic() -> None:
    window = Window(16, 32, 48, 96)
    assert window.shape == (32, 64)
    assert window.grown(32, Window(0, 0, 64, 100)) == Window(0, 0, 64, 100)
    assert window.inside(Window(16, 16, 64, 112)) == Window(0, 16, 32, 80)
    assert window.coarser(16) == Window(1, 2, 3, 6)

"""The image on the model grid: no shift, no change of brightness, and training's own filter."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.transforms.v2 import functional

from napari_cerberus.inference.grid.model_grid import ModelGrid
from napari_cerberus.inference.grid.rescale import axis_weights, to_model_grid

RATIOS = st.floats(0.2, 6.0)


@settings(max_examples=50)
@given(height=st.integers(1, 50), width=st.integers(1, 50), ratio=RATIOS, value=st.integers(0, 255))
def test_a_plain_picture_stays_plain(height: int, width: int, ratio: float, value: int) -> None:
    grid = ModelGrid.of((height, width), 1.0, ratio)
    image = np.full((height, width, 3), value, np.uint8)
    resampled = to_model_grid(image, grid)
    assert resampled.shape == (*grid.shape, 3)
    assert (resampled == value).all()


@settings(max_examples=50)
@given(side=st.integers(20, 300), ratio=RATIOS)
def test_positions_do_not_shift(side: int, ratio: float) -> None:
    """A ramp keeps its value at every place: wherever a model pixel lies, it holds the ramp's value there."""
    grid = ModelGrid.of((side, side), 1.0, ratio)
    weights = axis_weights(grid.shape[0], side, grid)
    ramp = weights @ np.arange(side, dtype=np.float64)
    expected = grid.to_image(np.arange(grid.shape[0], dtype=float))
    reach = int(np.ceil(max(grid.scale, 1.0)))
    inside = (expected >= reach) & (expected <= side - 1 - reach)
    # A triangle sampled at whole pixels is centred within a tenth of a pixel; on average there is no shift.
    wrong = ramp[inside] - expected[inside]
    assert np.abs(wrong).max(initial=0) < 0.1 * max(grid.scale, 1.0)
    if len(wrong) > 10:
        assert abs(wrong.mean()) < 0.02


@pytest.mark.parametrize("ratio", [2.0, 4.0, 3.0])
def test_a_blob_stays_in_place(ratio: float) -> None:
    y, x = np.mgrid[:120, :96]
    image = (255 * np.exp(-((y - 70.3) ** 2 + (x - 40.8) ** 2) / 200)).astype(np.uint8)[..., None].repeat(3, 2)
    grid = ModelGrid.of((120, 96), 1.0, ratio)
    small = to_model_grid(image, grid)[..., 0].astype(float)
    rows, columns = (grid.to_image(axis.astype(float)) for axis in np.mgrid[: small.shape[0], : small.shape[1]])
    assert (rows * small).sum() / small.sum() == pytest.approx(70.3, abs=0.05)
    assert (columns * small).sum() / small.sum() == pytest.approx(40.8, abs=0.05)


@pytest.mark.parametrize(("side", "ratio"), [(64, 4.0), (64, 2.0), (39, 1.3), (40, 0.5), (130, 1 / 1.3)])
def test_the_filter_is_the_one_of_training(side: int, ratio: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    grid = ModelGrid.of((side, side), 1.0, ratio)
    ours = to_model_grid(image, grid)
    channels = torch.from_numpy(image).permute(2, 0, 1)[None]
    theirs = functional.resize(channels, list(grid.shape), antialias=True)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_equal_grids_change_nothing() -> None:
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    assert to_model_grid(image, ModelGrid.of((9, 7), 0.5, 0.5)) is image


def test_bands_of_rows_join(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 40, 3), dtype=np.uint8)
    grid = ModelGrid.of((90, 40), 1.0, 1.7)
    at_once = to_model_grid(image, grid)
    monkeypatch.setattr("napari_cerberus.inference.grid.rescale._BAND_ROWS", 7)
    np.testing.assert_array_equal(to_model_grid(image, grid), at_once)

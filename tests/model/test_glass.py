"""Tissue is judged against the image's own background."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cerberus.inference.tissue_readout import tissue_cells
from napari_cerberus.model import glass as measuring
from napari_cerberus.model.glass import WHITE_GLASS, glass_brightness, glass_min
from napari_cerberus.model.stain_profile import profile_of
from napari_cerberus.pairs.write.tile_windows import tissue_share

PINK, TEXTURE = (225, 150, 190), 18


def slide(glass: int, *, tissue: bool = True) -> np.ndarray:
    """96 x 96 px of even glass with a little noise; textured tissue in the left half."""
    rng = np.random.default_rng(0)
    image = np.full((96, 96, 3), glass) + rng.normal(0, 1.5, (96, 96, 3))
    if tissue:
        image[:, :48] = np.array(PINK) * glass / 255 + rng.normal(0, TEXTURE, (96, 48, 3))
    return np.rint(image).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("glass", [250, 240, 219, 200, 190])
def test_grey_glass_is_glass_and_tissue_on_it_is_tissue(glass: int) -> None:
    image = slide(glass)
    assert glass_brightness(image) == pytest.approx(min(glass, WHITE_GLASS), abs=2)
    cells = tissue_cells(image)
    assert cells[:, :3].all()
    assert not cells[:, 3:].any()


@pytest.mark.parametrize("height", [96, 93])
def test_glass_is_the_same_however_many_rows_are_looked_at(monkeypatch: pytest.MonkeyPatch, height: int) -> None:
    image = slide(219)[:height]
    at_once = glass_brightness(image)
    monkeypatch.setattr(measuring, "_BAND_ROWS", 24)
    assert glass_brightness(image) == at_once < WHITE_GLASS


@pytest.mark.parametrize("glass", [250, 219, 190])
def test_plain_glass_has_neither_tissue_nor_stain(glass: int) -> None:
    image = slide(glass, tissue=False)
    assert not tissue_cells(image).any()
    assert profile_of(image) is None
    assert tissue_share(image, glass_brightness(image)) == 0


def test_without_glass_the_rule_is_the_one_for_white_glass() -> None:
    tissue = slide(245)[:, :48]
    assert glass_brightness(tissue) == WHITE_GLASS
    assert glass_min(tissue) == 220
    assert glass_brightness(tissue[:5, :5]) == WHITE_GLASS


def test_a_tile_is_measured_against_the_glass_of_its_image() -> None:
    grey = np.full((32, 32, 3), 170, np.uint8)
    assert tissue_share(grey) == 1
    assert tissue_share(grey, 190) == 0
    assert tissue_share(np.full((32, 32, 3), 120, np.uint8), 190) == 1

"""Stain in optical density: what changes nothing changes no pixel, and what changes something stays a stain."""

import numpy as np
import pytest
import torch

from napari_cerberus.synthetic import TileSettings, make_tile
from napari_cerberus.training.data.augment import Elastic
from napari_cerberus.training.data.colour import (
    density,
    elastic_alpha,
    palette_of,
    picture,
    stain_jitter,
    with_stain_of,
)
from napari_cerberus.training.run_settings import AugmentSettings


def tile(seed: int) -> torch.Tensor:
    drawn = make_tile(TileSettings(height_px=96, width_px=96, pixel_size_um=1.0, seed=seed, varied=True))
    return torch.from_numpy(drawn.image.copy()).permute(2, 0, 1)


def test_jitter_of_no_strength_changes_no_level_at_all():
    every_level = torch.arange(256, dtype=torch.uint8).expand(3, 4, 256).clone()
    torch.testing.assert_close(stain_jitter(every_level, 0.0), every_level, atol=0, rtol=0)
    torch.testing.assert_close(stain_jitter(tile(1), 0.0), tile(1), atol=0, rtol=0)


def test_jitter_moves_tissue_more_than_glass():
    torch.manual_seed(3)
    image = torch.full((3, 8, 8), 250, dtype=torch.uint8)
    image[:, :4] = torch.tensor([120, 60, 140], dtype=torch.uint8)[:, None, None]
    moved = sum((stain_jitter(image, 0.6).float() - image.float()).abs().mean((0, 2)) for _ in range(20))
    assert moved[:4].mean() > 2 * moved[4:].mean()


def test_a_tile_takes_on_another_ones_stain_and_keeps_its_own_at_no_share():
    own = tile(1)
    other = picture(density(tile(4)) * torch.tensor([1.6, 1.2, 1.9])[:, None, None])
    palettes = palette_of(own), palette_of(other)
    assert palettes[0] is not None
    assert palettes[1] is not None
    torch.testing.assert_close(with_stain_of(own, *palettes, 0.0), own, atol=0, rtol=0)
    taken = palette_of(with_stain_of(own, *palettes, 1.0))
    assert taken is not None
    before = (palettes[0].mean - palettes[1].mean).norm()
    assert (taken.mean - palettes[1].mean).norm() < 0.6 * before


def test_glass_has_no_palette():
    assert palette_of(torch.full((3, 32, 32), 245, dtype=torch.uint8)) is None


@pytest.mark.parametrize("rms_px", [1.0, 3.0])
def test_elastic_deformation_moves_as_far_as_it_says(rms_px):
    torch.manual_seed(0)
    side, transform = 256, Elastic(alpha=elastic_alpha(rms_px, 10.0), sigma=10.0)
    found = []
    for _ in range(6):
        moved = transform.make_params([torch.zeros(3, side, side, dtype=torch.uint8)])["displacement"] * side / 2
        found.append(moved.square().sum(-1).mean())
    assert float(np.sqrt(np.mean(found))) == pytest.approx(rms_px, rel=0.15)
    assert AugmentSettings().elastic_px > 2

"""Labels lie where the image has them, whatever the zoom: training crops and validation tiles."""

import numpy as np
import pytest

from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.training.data.augment import crop_window
from napari_cerberus.training.data.tile_sources import LoadedTile
from napari_cerberus.training.validation import cut, on_model_grid

NEAREST_PX = 0.13  # at a quarter the nearest sample is half of one beside the middle of four: an eighth of a pixel
ZOOMS = [0.25, 1 / 3, 0.77, 1.0, 1.3, 2.0]


def blob(size: int = 160) -> LoadedTile:
    """A smooth bright disc off the centre, and its outline as label."""
    y, x = np.mgrid[:size, :size]
    away = np.hypot(y - 71.3, x - 88.6)
    image = (255 / (1 + np.exp((away - 40) / 2))).astype(np.uint8)[..., None].repeat(3, axis=2)
    return LoadedTile(image=image, labels={"glands": (away < 40).astype(np.int32)}, pixel_size=PixelSize.square(1.0))


def centroid(weights: np.ndarray) -> np.ndarray:
    y, x = np.indices(weights.shape)
    return np.array([(y * weights).sum(), (x * weights).sum()]) / weights.sum()


@pytest.mark.parametrize("zoom", ZOOMS)
def test_a_crops_labels_lie_on_its_image(zoom: float) -> None:
    tile = blob()
    side = round(160 * zoom)
    image, masks = crop_window(tile.image, tile.labels, side_px=side, zoom=(zoom, zoom), rng=np.random.default_rng(0))
    apart = centroid(image[0].numpy().astype(float)) - centroid(masks["glands"].numpy().astype(float))
    assert np.abs(apart).max() < NEAREST_PX


@pytest.mark.parametrize("zoom", ZOOMS)
def test_a_validation_tiles_labels_lie_on_its_image_at_the_models_pixel_size(zoom: float) -> None:
    image, masks = on_model_grid(blob(), 1 / zoom)
    assert masks["glands"].shape == (round(160 * zoom),) * 2  # not squeezed to the network's stride
    assert all(
        side % 16 == 0 and side - inner < 16 for side, inner in zip(image.shape[2:], masks["glands"].shape, strict=True)
    )
    seen = cut(image, masks["glands"])[0, 0].numpy()
    apart = centroid(seen.astype(float)) - centroid(masks["glands"].numpy().astype(float))
    assert np.abs(apart).max() < NEAREST_PX

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from napari_cerberus.training.data.augment import Elastic, augment, crop_window, margin_factor
from napari_cerberus.training.data.colour import stain_jitter
from napari_cerberus.training.run_settings import AugmentSettings

OFF = AugmentSettings(elastic=0, rotation=0, flip=0, brightness_contrast=0, blur=0, stain=0, resolution=0, scale=0.0)
GEOMETRY_ONLY = AugmentSettings(elastic=1, rotation=1, flip=0.5, brightness_contrast=0, blur=0, stain=0, resolution=0)


def disc_tile(size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[:size, :size]
    labels = ((y - 40) ** 2 + (x - 50) ** 2 < 18**2).astype(np.int32) * 7
    image = np.where(labels[..., None] > 0, 200, 30).astype(np.uint8).repeat(3, axis=2)
    return image, labels


def test_nothing_on_means_nothing_changes():
    image, labels = disc_tile(64)
    window, masks = crop_window(image, {"glands": labels}, side_px=64, zoom=(1.0, 1.0), rng=np.random.default_rng(0))
    moved, kept = augment(window, masks, OFF, 64)
    assert np.array_equal(moved.permute(1, 2, 0).numpy(), image)
    assert np.array_equal(kept["glands"].numpy(), labels)


@pytest.mark.parametrize("seed", range(6))
def test_image_and_labels_move_together(seed):
    image, labels = disc_tile()
    torch.manual_seed(seed)
    side = int(64 * margin_factor(GEOMETRY_ONLY)) + 1
    window, masks = crop_window(
        image, {"nuclei": labels}, side_px=side, zoom=(1.0, 1.0), rng=np.random.default_rng(seed)
    )
    moved, kept = augment(window, masks, GEOMETRY_ONLY, 64)
    assert set(np.unique(kept["nuclei"])) <= {0, 7}
    disagreement = (moved[0] > 115) != (kept["nuclei"] > 0)
    assert disagreement.float().mean() < 0.03


@pytest.mark.parametrize(("alpha", "sigma"), [(40.0, 5.0), ([30.0, 50.0], [4.0, 6.0])])
def test_elastic_draws_what_torchvision_draws(alpha, sigma):
    image = torch.zeros(3, 61, 80, dtype=torch.uint8)
    drawn = []
    for transform in (Elastic, v2.ElasticTransform):
        torch.manual_seed(5)
        drawn.append(transform(alpha=alpha, sigma=sigma).make_params([image])["displacement"])
    assert drawn[0].abs().max() > 0.01
    torch.testing.assert_close(*drawn, atol=1e-6, rtol=0)


def test_a_window_beyond_the_image_is_mirrored():
    image = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    window, masks = crop_window(
        image, {"nuclei": np.eye(5, 7, dtype=np.int32)}, side_px=32, zoom=(1.0, 1.0), rng=np.random.default_rng(0)
    )
    assert window.shape == (3, 32, 32)
    assert masks["nuclei"].shape == (32, 32)
    assert set(np.unique(window)) <= set(np.unique(image))


def test_zoom_is_model_pixels_per_stored_pixel():
    image, labels = disc_tile(96)
    _, masks = crop_window(image, {"nuclei": labels}, side_px=192, zoom=(2.0, 2.0), rng=np.random.default_rng(0))
    assert float((masks["nuclei"] > 0).sum()) == pytest.approx(4 * (labels > 0).sum(), rel=0.05)


def test_stain_jitter_keeps_white_white_and_moves_colour():
    torch.manual_seed(4)
    image = torch.full((3, 8, 8), 255, dtype=torch.uint8)
    image[:, :4] = torch.tensor([120, 60, 140], dtype=torch.uint8)[:, None, None]
    jittered = stain_jitter(image, 0.3)
    assert (jittered[:, 4:].float() - 255).abs().max() < 25
    assert (jittered[:, :4].float() - image[:, :4].float()).abs().max() > 3


def test_a_small_crop_without_rotation_can_be_deformed():
    settings = AugmentSettings(elastic=1.0, rotation=0.0)
    image, labels = disc_tile(40)
    side_px = round(16 * margin_factor(settings))
    window, masks = crop_window(
        image, {"nuclei": labels}, side_px=side_px, zoom=(1.0, 1.0), rng=np.random.default_rng(0)
    )
    pixels, moved = augment(window, masks, settings, 16)
    assert pixels.shape == (3, 16, 16)
    assert moved["nuclei"].shape == (16, 16)

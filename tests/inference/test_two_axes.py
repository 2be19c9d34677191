"""Pixels that are higher than wide, and tasks that are read at pixel sizes of their own."""

from dataclasses import replace

import numpy as np
import pytest

from napari_cerberus.errors import SettingsError
from napari_cerberus.inference.annotate import annotate
from napari_cerberus.inference.annotate_settings import AnnotateSettings
from napari_cerberus.inference.device import choose_runtime
from napari_cerberus.inference.grid.model_grid import ModelGrid
from napari_cerberus.inference.grid.rescale import to_model_grid
from napari_cerberus.inference.grid.upsample import to_image_grid
from napari_cerberus.inference.read_image import read_image
from napari_cerberus.pixel_size import PixelSize
from napari_cerberus.progress import run_to_end
from tiny import tiny_model

SQUEEZED = PixelSize(1.0, 4 / 3)


def test_the_grid_of_a_squeezed_image_has_square_pixels():
    grid = ModelGrid.of((120, 90), SQUEEZED, 1.0)
    assert grid.shape == (120, 120)
    assert grid.scales == pytest.approx((1.0, 0.75))
    assert not grid.identical
    ramp = np.broadcast_to((np.arange(90) * 2).astype(np.uint8)[None, :, None], (120, 90, 3))
    wide = to_model_grid(np.ascontiguousarray(ramp), grid)
    assert wide.shape == (120, 120, 3)
    np.testing.assert_allclose(wide[5, 2:-2, 0], 2 * grid.to_image(np.arange(120.0), 1)[2:-2], atol=1.0)


def test_a_round_object_comes_back_squeezed():
    grid = ModelGrid.of((120, 90), SQUEEZED, 1.0)
    y, x = np.mgrid[:120, :120]
    disc = ((y - 60) ** 2 + (x - 60) ** 2 < 30**2).astype(np.int32)
    drawn = run_to_end(to_image_grid(disc, None, grid))
    assert drawn.shape == (120, 90)
    height, width = (np.ptp(np.flatnonzero(drawn.any(axis))) + 1 for axis in (1, 0))
    assert height / width == pytest.approx(4 / 3, rel=0.05)


def test_each_task_is_read_at_its_own_pixel_size():
    model = tiny_model()
    fine = replace(model, spec=replace(model.spec, task_pixel_size_um={"nuclei": model.spec.pixel_size_um / 2}))
    image = np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8)
    size = PixelSize.square(model.spec.pixel_size_um)
    answer = run_to_end(annotate(image, fine, AnnotateSettings(pixel_size_um=size, device="cpu")))
    assert answer.probabilities["nuclei"].shape == (2, 128, 96)
    assert answer.probabilities["glands"].shape == (2, 64, 48)
    assert all(plane.shape == (64, 48) for plane in answer.labels.values())
    same = run_to_end(annotate(image, model, AnnotateSettings(pixel_size_um=size, device="cpu")))
    np.testing.assert_array_equal(answer.labels["glands"], same.labels["glands"])


def test_progress_over_two_scales_is_one_and_never_falls():
    model = tiny_model()
    fine = replace(model, spec=replace(model.spec, task_pixel_size_um={"nuclei": model.spec.pixel_size_um / 2}))
    image = np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8)
    steps = []
    job = read_image(image, fine, choose_runtime("cpu"), model.spec.pixel_size_um, tile_size_px=64)
    reading = run_to_end(job, steps.append)
    assert set(reading.prediction.probabilities) >= {"nuclei", "glands"}
    read = [step for step in steps if step.stage == "Reading the image"]
    shares = [step.fraction for step in read]
    assert None not in shares
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert {step.total for step in read} == {64 * 48 * 5}


def test_a_model_names_no_pixel_size_of_a_task_that_it_lacks():
    spec = tiny_model().spec
    with pytest.raises(SettingsError, match="bones"):
        replace(spec, task_pixel_size_um={"bones": 1.0})

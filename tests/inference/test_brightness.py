"""Full brightness: one value for a whole picture, found or said, that no part of it and no hot pixel changes."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cerberus.errors import ImageError, SettingsError
from napari_cerberus.inference.images.brightness import at_full_brightness, checked_brightness, found_brightness
from napari_cerberus.inference.images.image_files import read_image
from napari_cerberus.inference.images.rgb import as_rgb8, to_rgb8
from napari_cerberus.samples import HE_FIELD


def deep_field(kind: str) -> np.ndarray:
    """A 12-bit picture whose upper left corner is darker than a quarter of full brightness, as integers or floats."""
    field = as_rgb8(read_image(HE_FIELD.image_path).pixels)[:200, :240].astype(np.float64) / 255
    field[:40, :40] *= 0.2
    return np.rint(field * 4095).astype(np.uint16) if kind == "integers" else (255 * field).astype(np.float32)


@pytest.mark.parametrize("kind", ["integers", "floats"])
def test_a_dark_part_is_as_bright_as_in_its_picture(kind: str) -> None:
    deep = deep_field(kind)
    full, whole = found_brightness(deep), as_rgb8(deep)
    assert full == {"integers": 4095, "floats": 255}[kind]
    for part in (np.s_[:40, :40], np.s_[30:90, 20:100], np.s_[:, :]):
        np.testing.assert_array_equal(as_rgb8(at_full_brightness(deep[part], full)), whole[part])


def test_what_is_said_is_taken_and_told() -> None:
    deep = deep_field("integers")
    rgb, notes = to_rgb8(deep, 8190.0)
    np.testing.assert_array_equal(rgb, as_rgb8(deep * 2, 16380.0))
    assert rgb.max() <= 128
    assert notes == ("8,190 was taken as full brightness.",)
    np.testing.assert_array_equal(as_rgb8(at_full_brightness(deep, 8190.0)), rgb)


def test_values_that_no_rule_explains_can_be_said() -> None:
    strange = deep_field("floats") * 4
    with pytest.raises(ImageError, match=r"or say which value is white .*--full-brightness"):
        as_rgb8(strange)
    np.testing.assert_allclose(as_rgb8(strange, 1020.0), as_rgb8(deep_field("floats")), atol=1)


def test_8_bit_pictures_stay_as_they_are() -> None:
    picture = as_rgb8(read_image(HE_FIELD.image_path).pixels)[:50, :50]
    assert at_full_brightness(picture, 100.0) is picture
    np.testing.assert_array_equal(as_rgb8(picture, 100.0), picture)


def test_what_is_no_number_is_still_counted() -> None:
    floats = deep_field("floats")
    floats[3, 4] = np.nan
    assert to_rgb8(at_full_brightness(floats, 255.0))[1][0].startswith("1 pixels are not numbers")


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf"), 1e12])
def test_what_cannot_be_white_is_refused(value: float) -> None:
    with pytest.raises(SettingsError, match="Full brightness must lie in"):
        checked_brightness(value)

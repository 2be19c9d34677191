"""Any array becomes 8-bit RGB, or one sentence says why not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cerberus.errors import ImageError
from napari_cerberus.inference.images.image_files import read_image
from napari_cerberus.inference.images.rgb import as_rgb8, to_rgb8
from napari_cerberus.samples import HE_FIELD

RGB = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)


def test_bytes_stay_as_they_are() -> None:
    rgb = as_rgb8(RGB)
    np.testing.assert_array_equal(rgb, RGB)
    assert rgb.flags.c_contiguous
    assert not np.shares_memory(rgb, RGB)
    np.testing.assert_array_equal(as_rgb8(np.asfortranarray(RGB[::2, ::-1])), RGB[::2, ::-1])


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_floats_in_both_ranges(dtype: type) -> None:
    np.testing.assert_array_equal(as_rgb8((RGB / 255.0).astype(dtype)), RGB)
    np.testing.assert_array_equal(as_rgb8(RGB.astype(dtype)), RGB)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.int64])
def test_the_bit_depth_is_found(bits: int, dtype: type) -> None:
    deep = np.rint(RGB / 255.0 * ((1 << bits) - 1)).astype(dtype)
    deep[0, 0] = (1 << bits) - 1
    expected = RGB.copy()
    expected[0, 0] = 255
    np.testing.assert_array_equal(as_rgb8(deep), expected)


def test_bytes_in_a_wide_type() -> None:
    np.testing.assert_array_equal(as_rgb8(RGB.astype(np.uint16)), RGB)
    np.testing.assert_array_equal(as_rgb8(RGB.astype(np.int64)), RGB)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_transparent_pixels_become_white(dtype: type) -> None:
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1.0}[dtype]
    image = np.zeros((2, 2, 4), dtype)
    image[..., 0] = full
    image[0, :, 3] = full
    rgb = as_rgb8(image)
    assert rgb.shape == (2, 2, 3)
    assert rgb[0].tolist() == [[255, 0, 0]] * 2
    assert rgb[1].tolist() == [[255, 255, 255]] * 2


def test_broken_pixels_become_white_and_are_told() -> None:
    image = RGB / 255.0
    image[1, 1, 0], image[2, 2, 1] = np.nan, np.inf
    rgb, notes = to_rgb8(image)
    assert rgb[1, 1].tolist() == rgb[2, 2].tolist() == [255, 255, 255]
    assert (rgb[3:] == RGB[3:]).all()
    assert notes[0].startswith("2 pixels")


def test_leading_axes_of_one_are_dropped() -> None:
    np.testing.assert_array_equal(as_rgb8(RGB[None, None]), RGB)


def test_a_grey_picture_as_rgb_is_told() -> None:
    grey = np.arange(60, dtype=np.uint8).reshape(6, 10)[..., None].repeat(3, 2)
    assert "no colour" in to_rgb8(grey)[1][0]
    assert to_rgb8(np.full((3, 3, 3), 240, np.uint8))[1] == ()
    assert to_rgb8(RGB)[1] == ()


@pytest.mark.parametrize("value", [0, 255])
def test_one_pixel(value: int) -> None:
    assert as_rgb8(np.full((1, 1, 3), value, np.uint8)).tolist() == [[[value] * 3]]


MASK = np.zeros((4, 4, 3), np.uint8)
MASK[1:3, 1:3] = 255


@pytest.mark.parametrize(
    ("array", "sentence"),
    [
        (np.zeros((5, 6), np.uint8), "grey"),
        (np.zeros((5, 6, 1), np.uint8), "grey"),
        (np.zeros((5, 6, 3), bool), "mask"),
        (MASK, "mask"),
        (np.zeros((3, 50, 60), np.uint8), "colours first"),
        (np.zeros((7, 50, 60), np.uint8), "stack"),
        (np.zeros((7, 50, 60, 3), np.uint8), "stack"),
        (np.zeros((50, 60, 2), np.uint8), "stack"),
        (np.zeros((9,), np.uint8), "axis"),
        (np.zeros((0, 5, 3), np.uint8), "empty"),
        (np.zeros((5, 0, 3), np.uint8), "empty"),
        (np.zeros((0,)), "empty"),
        (np.full((5, 5, 3), -1, np.int16), "negative"),
        (np.full((5, 5, 3), -0.2), "negative"),
        (np.full((5, 5, 3), 1 << 20, np.int64), "16 bits"),
        (np.full((5, 5, 3), 3.0), "0..1 or 0..255"),
        (np.full((5, 5, 3), 4000.0), "0..1 or 0..255"),
        (np.full((5, 5, 3), np.nan), "no number"),
        (np.zeros((5, 5, 3), complex), "no colours"),
        (np.array("text"), "no colours"),
        (None, "no colours"),
        ([np.zeros((8, 8, 3)), np.zeros((4, 4, 3))], "different sizes"),
    ],
)
def test_what_cannot_be_annotated(array: object, sentence: str) -> None:
    with pytest.raises(ImageError, match=sentence) as caught:
        as_rgb8(array)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_bands_of_rows_join(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).random((40, 7, 4))
    at_once = as_rgb8(image)
    monkeypatch.setattr("napari_cerberus.inference.images.rgb._BAND_PIXELS", 20)
    np.testing.assert_array_equal(as_rgb8(image), at_once)


def field_of(bits: int) -> np.ndarray:
    field = as_rgb8(read_image(HE_FIELD.image_path).pixels).astype(np.float64)
    return np.rint(field / 255 * ((1 << bits) - 1)).astype(np.uint16)


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_hot_pixel_changes_nothing_but_itself(bits: int) -> None:
    deep = field_of(bits)
    plain, notes = to_rgb8(deep)
    assert notes == (f"{(1 << bits) - 1:,} was taken as full brightness.",)
    hot = deep.copy()
    hot[5, 5] = 65535
    changed, notes = to_rgb8(hot)
    assert notes == (f"{(1 << bits) - 1:,} was taken as full brightness; 1 brighter pixels were cut to it.",)
    different = (changed != plain).any(axis=2)
    assert different.sum() <= 1


@pytest.mark.parametrize("bits", [12, 16])
def test_a_region_is_as_bright_as_in_its_picture(bits: int) -> None:
    deep = field_of(bits)
    whole = as_rgb8(deep)
    for y in range(0, 1000, 50):
        for x in range(0, 1000, 50):
            region = np.s_[y : y + 50, x : x + 50]
            np.testing.assert_array_equal(as_rgb8(deep[region]), whole[region])


def test_a_hot_pixel_among_floats_is_cut() -> None:
    values = field_of(16) / 65535
    values[3, 3] = 40.0
    rgb, notes = to_rgb8(values)
    np.testing.assert_array_equal(rgb[10:], as_rgb8(values[10:]))
    assert notes == ("1 was taken as full brightness; 1 brighter pixels were cut to it.",)

"""A result lies exactly over the pixels it was made from, whatever the image layer's transform."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Image, Labels

from napari_cerberus.viewer.placement import Box, placement

numbers = st.floats(-50, 50, allow_nan=False)
scales = st.floats(0.05, 20)


def image_layer(**transform: Any) -> Image:
    return Image(np.zeros((12, 16, 3), np.uint8), rgb=True, **transform)


@settings(max_examples=40)
@given(
    scale=st.tuples(scales, scales),
    translate=st.tuples(numbers, numbers),
    rotate=st.floats(-180, 180),
    shear=st.floats(-0.5, 0.5),
    affine=st.tuples(st.floats(0.5, 2), st.floats(-0.3, 0.3), numbers),
    origin=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    factors=st.tuples(st.sampled_from([1.0, 2.0, 2.5, 4.0]), st.sampled_from([1.0, 2.0, 3.0])),
)
def test_the_same_point_of_the_world(
    scale: Any, translate: Any, rotate: float, shear: float, affine: Any, origin: Any, factors: Any
) -> None:
    matrix = np.array([[affine[0], affine[1], affine[2]], [0, 1, -affine[2]], [0, 0, 1]])
    image = image_layer(
        scale=scale, translate=translate, rotate=rotate, shear=[shear], affine=matrix, units=("nm", "nm")
    )
    result = Labels(np.zeros((3, 4), np.int32), **placement(image, origin, factors))
    assert result.units == image.units
    for pixel in ((0, 0), (2, 3), (0.5, 1.25)):
        centre = (np.array(origin) + pixel) * factors + (np.array(factors) - 1) / 2
        np.testing.assert_allclose(result.data_to_world(pixel), image.data_to_world(centre), atol=1e-6, rtol=1e-9)


def test_a_coarser_pixel_covers_the_pixels_it_stands_for() -> None:
    image = image_layer(scale=(0.5, 0.5))
    result = Labels(np.zeros((3, 4), np.int32), **placement(image, (0, 0), (4.0, 4.0)))
    np.testing.assert_allclose(result.data_to_world((-0.5, -0.5)), image.data_to_world((-0.5, -0.5)))
    np.testing.assert_allclose(result.data_to_world((2.5, 3.5)), image.data_to_world((11.5, 15.5)))


@given(
    low=st.tuples(st.floats(-20, 20), st.floats(-20, 20)),
    size=st.tuples(st.floats(0, 20), st.floats(0, 20)),
    height=st.integers(0, 12),
    width=st.integers(0, 12),
)
def test_a_clipped_box_lies_inside(low: Any, size: Any, height: int, width: int) -> None:
    points = np.array([low, np.add(low, size)])
    box = Box.around(points).clipped(height, width)
    assert 0 <= box.y0 <= box.y1 <= height
    assert 0 <= box.x0 <= box.x1 <= width
    assert box.pixels == np.zeros((height, width))[box.slices].size


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        (((0, 0), (3, 5)), (0, 0, 4, 6)),
        (((-0.5, -0.5), (3.49, 5.49)), (0, 0, 4, 6)),
        (((0.1, 0.1), (2.9, 4.9)), (1, 1, 3, 5)),
        (((2.2, 2.2), (2.8, 2.8)), (3, 3, 3, 3)),
    ],
)
def test_a_box_holds_the_pixels_whose_centres_it_covers(corners: Any, expected: Any) -> None:
    assert Box.around(np.array(corners, float)).as_tuple() == expected

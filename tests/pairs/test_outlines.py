"""Outlines and painting: labels come back pixel for pixel, and every outline is a valid polygon."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from napari_cerberus.interop.outlines import shapes_of
from napari_cerberus.interop.polygons import paint_polygon

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12))


def painted(mask: np.ndarray) -> np.ndarray:
    back = np.zeros_like(mask)
    for shape in shapes_of(mask):
        rings = [np.array(ring, np.float64) for ring in (shape.outer, *shape.holes)]
        part = paint_polygon(rings, mask.shape)
        rows, columns = part.mask.shape
        view = back[part.y0 : part.y0 + rows, part.x0 : part.x0 + columns]
        assert not (view & part.mask).any(), "pieces do not overlap"
        view |= part.mask
    return back


@given(masks)
def test_any_mask_comes_back_pixel_for_pixel(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(painted(mask), mask)


@given(masks)
def test_each_piece_is_connected_by_edges_and_simple(mask: np.ndarray) -> None:
    shapes = shapes_of(mask)
    assert len(shapes) == ndimage.label(mask)[1]
    for shape in shapes:
        for ring in (shape.outer, *shape.holes):
            assert len(set(ring)) == len(ring) >= 4
            turns = zip(ring, [*ring[1:], ring[0]], strict=True)
            assert all((x == next_x) != (y == next_y) for (x, y), (next_x, next_y) in turns)


@given(masks)
def test_outlines_are_valid_for_other_programs(mask: np.ndarray) -> None:
    geometry = pytest.importorskip("shapely.geometry")
    area = 0.0
    for shape in shapes_of(mask):
        polygon = geometry.Polygon(shape.outer, shape.holes)
        assert polygon.is_valid
        area += polygon.area
    assert area == mask.sum()


def test_a_pixel_is_its_square_and_the_offset_is_added() -> None:
    (shape,) = shapes_of(np.array([[True]]), y0=5, x0=7)
    assert shape.outer == [(7, 5), (8, 5), (8, 6), (7, 6)]
    assert shape.holes == []


def test_a_hole_belongs_to_the_ring_around_it() -> None:
    mask = np.zeros((9, 20), bool)
    mask[0:9, 0:9] = True
    mask[2:7, 2:7] = False
    mask[4, 4] = True
    mask[1:6, 12:17] = True
    mask[3, 14] = False
    by_area = sorted(shapes_of(mask), key=lambda shape: max(x for x, _ in shape.outer))
    assert [len(shape.holes) for shape in by_area] == [0, 1, 1]


points = st.tuples(st.floats(-30, 60), st.floats(-30, 60))


@given(st.lists(points, min_size=3, max_size=9), st.integers(1, 30), st.integers(1, 30))
def test_any_ring_is_painted_inside_the_image(ring: list[tuple[float, float]], height: int, width: int) -> None:
    part = paint_polygon([np.array(ring)], (height, width))
    rows, columns = part.mask.shape
    assert part.y0 >= 0
    assert part.x0 >= 0
    assert part.y0 + rows <= height
    assert part.x0 + columns <= width


@given(st.lists(points, min_size=3, max_size=7))
def test_painting_agrees_with_a_slow_winding_number(ring: list[tuple[float, float]]) -> None:
    part = paint_polygon([np.array(ring)], (20, 20))
    whole = np.zeros((20, 20), bool)
    whole[part.y0 : part.y0 + part.mask.shape[0], part.x0 : part.x0 + part.mask.shape[1]] = part.mask
    for y in range(0, 20, 3):
        for x in range(0, 20, 3):
            angle = 0.0
            nearest = 1.0
            for (ax, ay), (bx, by) in zip(ring, [*ring[1:], ring[0]], strict=True):
                a, b = np.array([ax - x - 0.5, ay - y - 0.5]), np.array([bx - x - 0.5, by - y - 0.5])
                cross, dot = a[0] * b[1] - a[1] * b[0], a @ b
                nearest = min(nearest, abs(cross) / max(float(np.hypot(*(b - a))), 1e-9))
                angle += np.arctan2(cross, dot)
            if nearest > 1e-6:
                assert whole[y, x] == (round(angle / (2 * np.pi)) != 0)


def test_a_bow_tie_is_filled_and_reported() -> None:
    bow_tie = np.array([[1, 1], [9, 9], [9, 1], [1, 9]], np.float64)
    part = paint_polygon([bow_tie], (10, 10))
    assert part.crosses_itself
    assert part.mask.sum() > 20
    assert not paint_polygon([bow_tie[[0, 2, 1, 3]]], (10, 10)).crosses_itself


def test_direction_does_not_matter() -> None:
    square = np.array([[1, 1], [9, 1], [9, 9], [1, 9]], np.float64)
    hole = np.array([[3, 3], [6, 3], [6, 6], [3, 6]], np.float64)
    one = paint_polygon([square, hole], (10, 10)).mask
    two = paint_polygon([square[::-1], hole], (10, 10)).mask
    np.testing.assert_array_equal(one, two)
    assert one.sum() == 64 - 9


def test_an_enormous_polygon_covers_the_image_in_little_memory() -> None:
    part = paint_polygon([np.array([[-1e9, -1e9], [1e9, -1e9], [1e9, 1e9], [-1e9, 1e9]])], (50, 60))
    assert part.mask.shape == (50, 60)
    assert part.mask.all()


def test_a_polygon_outside_the_image_is_empty() -> None:
    assert paint_polygon([np.array([[100.0, 100], [110, 100], [110, 110]])], (50, 60)).mask.sum() == 0

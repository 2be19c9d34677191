"""Perimeters, parts and holes against scikit-image, one object at a time."""

from __future__ import annotations

import numpy as np
import pytest
from annotation_helpers import label_maps
from hypothesis import given
from scipy import ndimage
from skimage.draw import disk
from skimage.measure import euler_number, perimeter_crofton

from napari_cerberus.annotation.shape import outlines, roundness

EIGHT = np.ones((3, 3))


@given(labels=label_maps())
def test_parts_and_holes_are_those_of_each_object_alone(labels):
    for row in outlines(labels).itertuples():
        mask = np.pad(labels == row.index, 2)
        parts = ndimage.label(mask, structure=EIGHT)[1]
        assert row.parts == parts
        assert row.holes == parts - euler_number(mask, connectivity=2)
        assert row.perimeter_px == pytest.approx(perimeter_crofton(mask, directions=4), rel=1e-6)


@pytest.mark.parametrize("radius", [10, 40])
def test_a_disk_is_round_and_a_star_is_not(radius):
    labels = np.zeros((100, 100), dtype=np.int32)
    labels[disk((50, 50), radius)] = 1
    area = np.array([np.count_nonzero(labels)], dtype=float)
    assert roundness(area, outlines(labels)["perimeter_px"].to_numpy())[0] == pytest.approx(1, abs=0.04)
    labels[:, 49:51] = 1
    labels[49:51] = 1
    labels[disk((50, 50), radius * 0.8)] = 0
    area = np.array([np.count_nonzero(labels)], dtype=float)
    assert roundness(area, outlines(labels)["perimeter_px"].to_numpy())[0] < 0.5

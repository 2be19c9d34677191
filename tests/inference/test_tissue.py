"""The tissue readout."""

from __future__ import annotations

import numpy as np
import pytest

from napari_cerberus.inference.tissue_readout import NO_TISSUE_NOTE, deserves_map, read_out, tissue_cells


def test_cells_with_tissue() -> None:
    image = np.full((40, 50, 3), 240, np.uint8)
    image[0:16, 16:32] = 150  # one full cell
    image[32:40, 48:50] = (250, 120, 200)  # the small cell in the corner, coloured
    image[16:32, 0:1] = 100  # 6 % of a cell
    expected = np.zeros((3, 4), bool)
    expected[0, 1] = expected[2, 3] = True
    np.testing.assert_array_equal(tissue_cells(image), expected)


def test_glass_does_not_vote() -> None:
    probabilities = np.array([[[0.9, 0.2]], [[0.1, 0.8]]], np.float32)
    tissue, notes = read_out(probabilities, ("a", "b"), np.array([[True, False]]))
    assert tissue == {"a": pytest.approx(0.9), "b": pytest.approx(0.1)}
    assert notes == ()
    tissue, notes = read_out(probabilities, ("a", "b"), np.zeros((1, 2), bool))
    assert tissue["a"] == pytest.approx(0.55)
    assert notes == (NO_TISSUE_NOTE,)


def test_maps_are_for_images_of_several_windows() -> None:
    assert not deserves_map((26, 20), 9)
    assert deserves_map((4, 27), 9)

"""Repair mends outlines and never glues neighbours together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_cerberus.inference.annotate_settings import NO_REPAIR, RepairSettings
from napari_cerberus.inference.objects.repair import clip_lumina, close_gaps, fill_holes, repair, smooth, split_touching
from napari_cerberus.inference.objects.structuring import Labels, components
from napari_cerberus.tasks import GLANDS, NUCLEI


def two_blocks_one_pixel_apart() -> Labels:
    labels = np.zeros((40, 41), np.int32)
    labels[5:35, 3:20] = 1
    labels[5:35, 21:38] = 2
    labels[15:22, 15:20] = 0  # a notch in each, facing the other
    labels[18:25, 21:26] = 0
    labels[10, 8] = 0
    return labels


def touching(labels: Labels) -> set[tuple[int, int]]:
    """Pairs of ids with pixels side by side, corners included."""
    padded = np.pad(labels, 1)
    pairs = set()
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        other = np.roll(padded, (-dy, -dx), (0, 1))
        both = (padded > 0) & (other > 0) & (padded != other)
        pairs |= {(min(a, b), max(a, b)) for a, b in zip(padded[both], other[both], strict=True)}
    return pairs


def test_objects_one_pixel_apart_stay_apart() -> None:
    labels = two_blocks_one_pixel_apart()
    glued = ndimage.binary_closing(np.pad(labels > 0, 10), np.ones((7, 7)))[10:-10, 10:-10]
    assert components(glued).max() == 1  # what a plain closing does
    mended = repair(GLANDS, labels, np.zeros(labels.shape, np.float32), 0.5, RepairSettings())
    assert not touching(mended)
    assert (mended[:, 20] == 0).all()
    assert mended.max() == 2
    assert mended[18, 16] == 1  # the notch is closed all the same
    assert mended[10, 8] == 1


@settings(max_examples=40)
@given(seed=st.integers(0, 500), diameter=st.sampled_from([3, 5, 9]), sigma=st.floats(0.4, 2.5))
def test_no_step_makes_objects_touch(seed: int, diameter: int, sigma: float) -> None:
    rng = np.random.default_rng(seed)
    labels = components(ndimage.gaussian_filter(rng.random((48, 52)), 1.2) > 0.53)
    before = touching(labels)
    for step in (lambda x: close_gaps(x, diameter), fill_holes, lambda x: smooth(x, sigma)):
        changed = step(labels)
        assert touching(changed) <= before
        assert set(np.unique(changed)) == set(np.unique(labels))
        taken = (labels > 0) & (changed > 0)
        assert (changed[taken] == labels[taken]).all()  # no pixel changes hands


def test_closing_and_filling_take_nothing_away() -> None:
    labels = two_blocks_one_pixel_apart()
    for changed in (close_gaps(labels, 7), fill_holes(labels)):
        assert (changed[labels > 0] == labels[labels > 0]).all()
        assert (changed > 0).sum() > (labels > 0).sum()


def test_a_hole_with_another_object_in_it_stays() -> None:
    labels = np.zeros((20, 30), np.int32)
    labels[2:18, 2:18] = 1
    labels[5:15, 5:15] = 0
    labels[8:11, 8:11] = 2
    labels[4:8, 20:24] = 3
    labels[5:7, 21:23] = 0
    filled = fill_holes(labels)
    np.testing.assert_array_equal(filled[:, :19], labels[:, :19])
    assert (filled[4:8, 20:24] == 3).all()


def test_a_bay_at_the_border_is_no_hole() -> None:
    labels = np.ones((10, 10), np.int32)
    labels[0:4, 3:6] = 0
    np.testing.assert_array_equal(fill_holes(labels), labels)


def test_smoothing_removes_a_spur_but_never_an_object() -> None:
    labels = np.zeros((30, 40), np.int32)
    labels[8:22, 8:22] = 1
    labels[14, 22:28] = 1
    labels[2, 35] = 2
    smoothed = smooth(labels, 2.0)
    assert smoothed[14, 27] == 0
    assert smoothed[2, 35] == 2


def test_touching_glands_are_parted_along_the_contour() -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[5:35, 5:55] = 1
    contour = np.zeros(labels.shape, np.float32)
    contour[:, 29:31] = 0.4
    parted = split_touching(labels, contour, 0.3, 0.15)
    assert parted.max() == 2
    assert ((parted > 0) == (labels > 0)).all()
    assert len(np.unique(parted[:, 6:28][labels[:, 6:28] > 0])) == 1
    contour[18:22] = 0.0  # a gap in the line
    assert split_touching(labels, contour, 0.3, 0.15).max() == 1


def test_a_sliver_is_not_parted_off() -> None:
    labels = np.zeros((40, 60), np.int32)
    labels[5:35, 5:55] = 1
    contour = np.zeros(labels.shape, np.float32)
    contour[:, 50:52] = 0.4
    assert split_touching(labels, contour, 0.3, 0.15).max() == 1


def test_lumina_are_kept_inside_glands() -> None:
    lumina = np.array([[1, 1, 0, 2]], np.int32)
    glands = np.array([[0, 3, 3, 0]], np.int32)
    np.testing.assert_array_equal(clip_lumina(lumina, glands), [[0, 1, 0, 0]])


@pytest.mark.parametrize("task", [GLANDS, NUCLEI])
def test_switched_off_nothing_happens(task: str) -> None:
    labels = two_blocks_one_pixel_apart()
    contour = np.full(labels.shape, 0.5, np.float32)
    np.testing.assert_array_equal(repair(task, labels, contour, 0.5, NO_REPAIR), labels)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9)])
def test_tiny_and_empty_maps(shape: tuple[int, int]) -> None:
    for labels in (np.zeros(shape, np.int32), np.ones(shape, np.int32)):
        mended = repair(GLANDS, labels, np.zeros(shape, np.float32), 0.5, RepairSettings())
        np.testing.assert_array_equal(mended, labels)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_cerberus.training.data.targets import (
    BACKGROUND,
    CONTOUR,
    INNER,
    instance_target,
    kernel_px,
    neighbour_weights,
    weak_lumina,
)


def blobs(seed: int, size: int = 40) -> np.ndarray:
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.int32)
    for index in range(1, 5):
        y, x = rng.integers(0, size - 8, 2)
        labels[y : y + 8, x : x + 8] = index
    return labels


@pytest.mark.parametrize(
    ("task", "pixel_size_um", "diameter"),
    [
        ("nuclei", 0.5, 3),
        ("lumina", 0.5, 3),
        ("glands", 0.5, 11),
        ("glands", 1.0, 5),
        ("nuclei", 1.0, 3),
        ("nuclei", 9, 3),
    ],
)
def test_published_sizes_hold_at_their_pixel_size(task, pixel_size_um, diameter):
    assert kernel_px(task, pixel_size_um) == diameter


def test_inner_is_eroded_and_contour_is_the_ring_on_both_sides():
    labels = np.zeros((12, 12), np.int32)
    labels[3:9, 3:9] = 1
    target = instance_target(labels, "nuclei", 0.5)
    assert np.array_equal(target == INNER, np.pad(np.ones((4, 4), bool), 4))
    assert target[2, 5] == CONTOUR
    assert target[3, 5] == CONTOUR
    assert target[2, 2] == BACKGROUND  # the 3 px element is a cross: corners stay out


def test_touching_objects_have_a_contour_between_them():
    labels = np.zeros((10, 10), np.int32)
    labels[2:8, 1:5], labels[2:8, 5:9] = 1, 2
    assert (instance_target(labels, "nuclei", 0.5)[3:7, 4:6] == CONTOUR).all()


def test_an_object_cut_by_the_border_has_no_contour_along_the_cut():
    labels = np.ones((10, 10), np.int32)
    assert (instance_target(labels, "glands", 0.5) == INNER).all()


@given(st.integers(0, 10_000))
def test_inner_lies_inside_and_contour_near_objects(seed):
    labels = blobs(seed)
    target = instance_target(labels, "nuclei", 0.5)
    assert not (target[labels == 0] == INNER).any()
    assert not (target[labels > 0] == BACKGROUND).any()


@given(st.integers(0, 10_000))
def test_weights_follow_the_formula(seed):
    from scipy.ndimage import distance_transform_edt

    labels = blobs(seed)
    ids = [i for i in np.unique(labels) if i]
    distances = np.sort([distance_transform_edt(labels != i) for i in ids], axis=0)
    k = 3.0
    wanted = np.ones(labels.shape)
    if len(ids) > 1:
        wanted += np.where(labels > 0, 0, 10 * np.exp(-(((distances[0] + distances[1]) / k) ** 2) / 2))
    np.testing.assert_allclose(neighbour_weights(labels, "nuclei", 0.5), wanted, atol=0.12)


def test_weak_lumina_are_bright_enclosed_and_large_enough():
    image = np.full((80, 80, 3), (120, 60, 140), np.uint8)
    glands = np.zeros((80, 80), np.int32)
    glands[5:45, 5:75] = 1
    image[15:35, 20:40] = 245  # a lumen
    image[15:17, 60:62] = 245  # too small
    image[38:60, 50:60] = 245  # opens to the outside
    lumina = weak_lumina(image, glands, (1.0, 1.0))
    assert set(np.unique(lumina)) == {0, 1}
    inside = np.zeros_like(glands, bool)
    inside[15:35, 20:40] = True
    assert (lumina[inside] == 1).mean() > 0.7  # the opening rounds the corners
    assert not lumina[~inside].any()


def test_no_gland_no_lumen():
    image = np.full((20, 20, 3), 250, np.uint8)
    assert not weak_lumina(image, np.zeros((20, 20), np.int32), (1.0, 1.0)).any()
